"""MADE: an autoencoder whose masks leave each output only the inputs before it, so that it is a density."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from baselines.autoregressive.conditionals import conditional
from baselines.autoregressive.mixtures import Normals
from baselines.play import Player, play
from genbench.task import Spec


class Masked(nn.Linear):
    """A linear layer without the weights that `mask` (outputs, inputs) forbids."""

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask)

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight * self.mask, self.bias)


class MADE(nn.Module):
    """Germain et al., 2015, with one mask and the rows' own order.

    Hidden units see 1, 2, ... inputs in even steps, not at random. Bits are the paper's; real numbers get a mixture
    each, as in Papamakarios et al. (2017): of logistics over the cells where rows are quantised, else of normals.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        components: int = 10,
        width: Annotated[int, 64, 512] = 256,
        rate: Annotated[float, 3e-4, 3e-2] = 3e-3,
        decay: Annotated[float, 0.0, 1.0] = 0.0,
        batch: int = 64,
    ) -> None:
        super().__init__()
        self.law, self.size = conditional(spec, components), spec.size
        self.rate, self.decay, self.batch = rate, decay, batch
        order = torch.arange(1, spec.size + 1)
        hidden = torch.linspace(1, max(1, spec.size - 1), width).round()
        self.trunk = nn.Sequential(
            Masked(hidden[:, None] >= order), nn.ReLU(), Masked(hidden[:, None] >= hidden), nn.ReLU()
        )
        self.head = Masked((order[:, None] > hidden).repeat_interleave(self.law.outputs, 0))

    def log_prob(self, x: Tensor) -> Tensor:
        y, constant = self.law(x)
        raw = self.head(self.trunk(y)).unflatten(1, (self.size, -1))
        return self.law.log_prob(y, raw).sum(1) + constant

    def loss(self, x: Tensor, y: Tensor | None) -> Tensor:
        return -self.log_prob(x).mean()

    def fit(self, stream: Any) -> None:
        if isinstance(self.law, Normals):
            self.law.preprocessing.standardise(stream.whole().x)
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.rate, weight_decay=self.decay, fused=True)
        play(stream.batches(self.batch), Player("likelihood", self.loss, optimizer))

    def sample(self, n: int) -> Tensor:
        """Number by number: a pass of the trunk for each, and of the head only its own rows."""
        y = torch.zeros(n, self.size).to(self.head.weight)
        weights = (self.head.weight * self.head.mask).unflatten(0, (self.size, -1))
        biases = self.head.bias.unflatten(0, (self.size, -1))
        for i in range(self.size):
            y[:, i] = self.law.draw(linear(self.trunk(y), weights[i], biases[i]))
        return self.law.inverse(y)

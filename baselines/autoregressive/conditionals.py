"""What an autoregressive network's numbers say of each number of a row, as the spec alone chooses."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from baselines.autoregressive.mixtures import Logistics, Normals
from baselines.nets import centred
from genbench.task import Bits, Counts, Spec


class Coins(nn.Module):
    """Bits: one logit each."""

    outputs = 1

    def __init__(self, kind: Bits) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Rows as the network reads and predicts them, flat (n, d), and what that adds to a row's log-density (n,)."""
        return centred(x, self.kind), x.new_zeros(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        return ((y + 1) / 2).unflatten(1, self.kind.shape)

    def log_prob(self, y: Tensor, raw: Tensor) -> Tensor:
        """Of each number y (...) given raw (..., outputs)."""
        return logsigmoid(y * raw.squeeze(-1))

    def draw(self, raw: Tensor) -> Tensor:
        return 2 * torch.bernoulli(raw.squeeze(-1).sigmoid()) - 1


def conditional(spec: Spec, components: int) -> Coins | Logistics | Normals:
    """Coins on Bits; on Real logistics where rows are quantised, else normals."""
    if isinstance(spec.x, Counts):
        raise NotImplementedError("needs real rows or bits, not counts")
    if isinstance(spec.x, Bits):
        return Coins(spec.x)
    return Logistics(spec.x, components) if spec.x.cell else Normals(spec.x, components)

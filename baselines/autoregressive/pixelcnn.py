"""PixelCNN: convolutions that see only the pixels before theirs, so that a picture's density is a product over them."""

from __future__ import annotations

from itertools import product
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

from baselines.autoregressive.conditionals import conditional
from baselines.autoregressive.mixtures import Normals
from baselines.play import Player, play
from genbench.task import Spec


class Masked(nn.Conv2d):
    """A convolution, unpadded, that sees the pixels before its own; of its own pixel the colours before its outputs'
    colour, and (`itself`) that one too. Channels go to the colours in turn."""

    mask: Tensor

    def __init__(self, inputs: int, outputs: int, side: int, colours: int, *, itself: bool = True) -> None:
        super().__init__(inputs, outputs, side)
        place = torch.arange(side * side).reshape(side, side)
        colour_in, colour_out = torch.arange(inputs) % colours, torch.arange(outputs)[:, None] % colours
        own = colour_in <= colour_out if itself else colour_in < colour_out
        before, here = place < side * side // 2, place == side * side // 2
        self.register_buffer("mask", before | (here & own[..., None, None]))

    def forward(self, x: Tensor) -> Tensor:
        return conv2d(x, self.weight * self.mask, self.bias)


class Block(nn.Module):
    """A residual block: to half the channels, a 3x3 convolution, and back."""

    def __init__(self, channels: int, colours: int) -> None:
        super().__init__()
        half = channels // 2
        self.into = nn.Sequential(nn.ReLU(), Masked(channels, half, 1, colours), nn.ReLU())
        self.near = Masked(half, half, 3, colours)
        self.out = nn.Sequential(nn.ReLU(), Masked(half, channels, 1, colours))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.out(self.near(pad(self.into(x), [1] * 4)))

    def at(self, x: Tensor, row: int, column: int, seen: Tensor) -> Tensor:
        """The same at one place; `seen` (n, half, h + 2, w + 2) keeps what `near` needs of the places before it."""
        seen[..., row + 1, column + 1] = self.into(x)[..., 0, 0]
        return x + self.out(self.near(seen[..., row : row + 3, column : column + 3]))


class PixelCNN(nn.Module):
    """Van den Oord, Kalchbrenner & Kavukcuoglu, 2016, small; of grey levels a mixture of logistics, not 256 classes.

    A learned bias for each place tells the middle from the margin: so shallow a stack does not see the border.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        components: int = 5,
        channels: int = 32,
        blocks: int = 5,
        rate: Annotated[float, 2e-4, 2e-2] = 2e-3,
        batch: int = 64,
    ) -> None:
        super().__init__()
        if len(spec.x.shape) != 3:
            raise NotImplementedError(f"needs pictures (c, h, w), not {spec.x.shape}")
        self.law, self.shape, self.rate, self.batch = conditional(spec, components), spec.x.shape, rate, batch
        colours, *sides = self.shape
        channels *= colours
        self.first = Masked(colours, channels, 7, colours, itself=False)
        self.place = nn.Parameter(torch.zeros(channels, *sides))
        self.blocks = nn.ModuleList(Block(channels, colours) for _ in range(blocks))
        last = Masked(channels, colours * self.law.outputs, 1, colours)
        self.head = nn.Sequential(nn.ReLU(), Masked(channels, channels, 1, colours), nn.ReLU(), last)

    def split(self, raw: Tensor) -> Tensor:
        """Outputs (n, outputs * c, h, w) as (n, c, h, w, outputs)."""
        return raw.unflatten(1, (self.law.outputs, self.shape[0])).movedim(1, -1)

    def log_rows(self, x: Tensor) -> Tensor:
        y, constant = self.law(x)
        z = self.first(pad(y.unflatten(1, self.shape), [3] * 4)) + self.place
        for block in self.blocks:
            z = block(z)
        return self.law.log_prob(y, self.split(self.head(z)).flatten(1, 3)).sum(1) + constant

    def log_prob(self, x: Tensor) -> Tensor:
        return torch.cat([self.log_rows(part) for part in x.split(250)])  # a few hundred megabytes at a time

    def loss(self, x: Tensor, y: Tensor | None) -> Tensor:
        return -self.log_rows(x).mean()

    def fit(self, stream: Any) -> None:
        if isinstance(self.law, Normals):
            self.law.preprocessing.standardise(stream.whole().x)
        optimizer = torch.optim.Adam(self.parameters(), lr=self.rate, fused=True)
        play(stream.batches(self.batch), Player("likelihood", self.loss, optimizer))

    def sample(self, n: int) -> Tensor:
        """Colour by colour of place by place, each layer at that place alone: in all the work of one pass."""
        colours, height, width = self.shape
        y = torch.zeros(n, colours, height + 6, width + 6).to(self.place)
        seen = [y.new_zeros(n, len(self.place) // 2, height + 2, width + 2) for _ in self.blocks]
        for row, column, colour in product(range(height), range(width), range(colours)):
            z = (
                self.first(y[..., row : row + 7, column : column + 7])
                + self.place[:, row : row + 1, column : column + 1]
            )
            for block, memory in zip(self.blocks, seen, strict=True):
                assert isinstance(block, Block)
                z = block.at(z, row, column, memory)
            y[:, colour, row + 3, column + 3] = self.law.draw(self.split(self.head(z))[:, colour, 0, 0])
        return self.law.inverse(y[..., 3:-3, 3:-3].flatten(1))

"""Networks that can be cut short: at each depth they make or judge pictures of twice the side of the one before."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu
from torch.nn.utils.parametrize import register_parametrization

double = partial(interpolate, scale_factor=2, mode="nearest")
halve = partial(avg_pool2d, kernel_size=2)
act = partial(leaky_relu, negative_slope=0.2)


class Times(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, w: Tensor) -> Tensor:
        return w * self.factor


def equal(layer: nn.Linear | nn.Conv2d, gain: float = 2**0.5) -> nn.Module:
    """Equalised learning rate: weights from N(0, 1), scaled as they are used by gain / sqrt(fan in)."""
    nn.init.normal_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    register_parametrization(layer, "weight", Times(gain / layer.weight[0].numel() ** 0.5))
    return layer


def conv(narrow: int, wide: int, size: int = 3, gain: float = 2**0.5) -> nn.Module:
    return equal(nn.Conv2d(narrow, wide, size, padding=size // 2), gain)


def unit(h: Tensor) -> Tensor:
    """Pixel norm: each pixel's numbers (n, c, ...) to a mean square of 1."""
    return h / (h.square().mean(1, keepdim=True) + 1e-8).sqrt()


def varied(h: Tensor) -> Tensor:
    """h (n, c, h, w) and a channel of one number: the batch's standard deviation, averaged over all else."""
    spread = (h.var(0, correction=0) + 1e-8).sqrt().mean()
    return torch.cat([h, spread.expand(len(h), 1, *h.shape[2:])], 1)


class Grown(nn.Module):
    """Pictures from codes (n, latents), at depth d after d doublings."""

    def __init__(self, latents: int, channels: list[int], low: tuple[int, int], colours: int) -> None:
        super().__init__()
        first = channels[0] * low[0] * low[1]
        self.start = nn.Sequential(equal(nn.Linear(latents, first)), nn.Unflatten(1, (channels[0], *low)))
        self.blocks = nn.ModuleList(conv(a, b) for a, b in zip(channels[:1] + channels, channels, strict=False))
        self.shown = nn.ModuleList(conv(c, colours, 1, gain=1.0) for c in channels)

    def forward(self, z: Tensor, depth: int, alpha: float) -> Tensor:
        h = before = unit(act(self.start(unit(z))))
        for i in range(depth + 1):
            before, h = h, unit(act(self.blocks[i](double(h) if i else h)))
        picture: Tensor = self.shown[depth](h)
        return picture if alpha == 1 else torch.lerp(double(self.shown[depth - 1](before)), picture, alpha)


class Judging(nn.Module):
    """Scores (n,) of pictures at a depth: `Grown` the other way."""

    def __init__(self, channels: list[int], low: tuple[int, int], colours: int) -> None:
        super().__init__()
        self.read = nn.ModuleList(conv(colours, c, 1) for c in channels)
        self.blocks = nn.ModuleList(conv(b, a) for a, b in zip(channels[:1] + channels, channels, strict=False))
        self.last = conv(channels[0] + 1, channels[0])
        self.score = nn.Sequential(nn.Flatten(), equal(nn.Linear(channels[0] * low[0] * low[1], 1), gain=1.0))

    def forward(self, x: Tensor, depth: int, alpha: float) -> Tensor:
        h = act(self.read[depth](x))
        for i in range(depth, 0, -1):
            h = halve(act(self.blocks[i](h)))
            if i == depth and alpha < 1:
                h = torch.lerp(act(self.read[depth - 1](halve(x))), h, alpha)
        return self.score(act(self.last(varied(act(self.blocks[0](h)))))).squeeze(1)

"""What the players of a game are made of: networks, and layers that let them see more, or less, than one row by itself.

A generator is built from (latents, widths, shape) and turns codes (n, latents) into flat rows of that shape; a critic
is built from (shape, widths) and turns flat rows into scores (n, 1). Widths go from the code to the row.
"""

from __future__ import annotations

from functools import partial
from math import prod

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from baselines.nets import Norm, down, halvings, leaky, mlp, up

Widths = tuple[int, ...]


def connected(latents: int, widths: Widths, shape: tuple[int, ...], norm: Norm | None = None) -> nn.Module:
    return mlp(latents, *widths, prod(shape), norm=norm)


def plain(shape: tuple[int, ...], widths: Widths) -> nn.Module:
    return mlp(prod(shape), *widths[::-1], 1, activation=leaky)


def deconvolving(latents: int, widths: Widths, shape: tuple[int, ...], norm: Norm | None = nn.BatchNorm2d) -> nn.Module:
    """Each width is the channels of a picture of half the side of the next one; the first are left out where a picture
    halves less often."""
    return up(latents, widths[::-1][: halvings(shape)], shape, norm)


def convolving(shape: tuple[int, ...], widths: Widths, norm: Norm | None = nn.BatchNorm2d) -> nn.Module:
    return down(shape, widths[::-1][: halvings(shape)], 1, leaky, norm)


class MinibatchDiscrimination(nn.Module):
    """Salimans et al., 2016, section 3.2: beside its features h (n, d), how near a row is to the rest of its batch.

    o_b(i) = sum_{j != i} exp(-|M_ib - M_jb|_1), M_i = h_i T, T (d, kernels, size)
    """

    def __init__(self, d: int, kernels: int = 16, size: int = 5) -> None:
        super().__init__()
        self.T = nn.Parameter(torch.randn(d, kernels, size) / d**0.5)

    def forward(self, h: Tensor) -> Tensor:
        M = torch.einsum("nd,dks->nks", h, self.T)
        near = (-(M[:, None] - M).abs().sum(3)).exp().sum(1) - 1  # less a row's nearness to itself
        return torch.cat([h, near], 1)


class VirtualBatchNorm(nn.Module):
    """Salimans et al., 2016, section 3.5: a row is normalised by the statistics of `many` reference rows and itself.

    The first `many` rows of a batch are those of reference (see `Beside`), and are normalised by their own statistics.
    """

    def __init__(self, size: int, many: int) -> None:
        super().__init__()
        self.many = many
        self.scale, self.shift = nn.Parameter(torch.ones(size)), nn.Parameter(torch.zeros(size))

    def forward(self, h: Tensor) -> Tensor:
        reference, rows = h[: self.many], h[self.many :]
        mean, square = reference.mean(0), reference.square().mean(0)
        share = 1 / (self.many + 1)
        means = torch.cat([mean.expand_as(reference), torch.lerp(mean, rows, share)])
        squares = torch.cat([square.expand_as(reference), torch.lerp(square, rows.square(), share)])
        return self.scale * (h - means) / (squares - means.square() + 1e-5).sqrt() + self.shift


class Beside(nn.Module):
    """A network that sees its rows (n, d) beside the same normal ones of reference, which then leave."""

    reference: Tensor

    def __init__(self, net: nn.Module, many: int, d: int) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("reference", torch.randn(many, d))

    def forward(self, z: Tensor) -> Tensor:
        return self.net(torch.cat([self.reference, z]))[len(self.reference) :]


def virtual(latents: int, widths: Widths, shape: tuple[int, ...], many: int = 64) -> nn.Module:
    """A generator with virtual batch normalisation."""
    return Beside(connected(latents, widths, shape, partial(VirtualBatchNorm, many=many)), many, latents)


def comparing(shape: tuple[int, ...], widths: Widths, kernels: int = 16) -> nn.Module:
    """A critic that compares the rows of a batch before its last layer."""
    features = nn.Sequential(mlp(prod(shape), *widths[::-1], activation=leaky), leaky())
    return nn.Sequential(features, MinibatchDiscrimination(widths[0], kernels), nn.Linear(widths[0] + kernels, 1))


def lipschitz(shape: tuple[int, ...], widths: Widths) -> nn.Module:
    """A critic of Lipschitz constant 1: each weight is divided by its largest singular value (Miyato et al., 2018)."""
    net = plain(shape, widths)
    for layer in net.modules():
        if isinstance(layer, nn.Linear):
            spectral_norm(layer)
    return net


class Point(nn.Module):
    """A generator that has learnt one row, and says it but for a thousandth of a code: as wide as the task `dirac`."""

    def __init__(self, latents: int, widths: Widths, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.at = nn.Parameter(torch.ones(shape))

    def forward(self, z: Tensor) -> Tensor:
        return self.at + 1e-3 * z[:, :1]


def slope(shape: tuple[int, ...], widths: Widths) -> nn.Module:
    """A linear critic, at first of slope 1 each way."""
    line = nn.Linear(prod(shape), 1, bias=False)
    nn.init.ones_(line.weight)
    return line

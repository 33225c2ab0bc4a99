"""What the players of a game are made of.

A generator is built from (latents, widths, shape) and turns codes (n, latents) into flat rows of that shape; a critic
is built from (shape, widths) and turns flat rows into scores (n, 1). Widths go from the code to the row.
"""

from __future__ import annotations

from functools import partial
from math import prod

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from baselines.adversarial.layers import Beside, MinibatchDiscrimination, VirtualBatchNorm
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
        self.at = nn.Parameter(torch.ones(prod(shape)))

    def forward(self, z: Tensor) -> Tensor:
        return self.at + 1e-3 * z[:, :1]


def slope(shape: tuple[int, ...], widths: Widths) -> nn.Module:
    """A linear critic, at first of slope 1 each way."""
    line = nn.Linear(prod(shape), 1, bias=False)
    nn.init.ones_(line.weight)
    return line

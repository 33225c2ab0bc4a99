"""Layers that let a critic or a generator see more than one row by itself."""

from __future__ import annotations

import torch
from torch import Tensor, nn


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

"""Affine couplings: half of the numbers are stretched and shifted by what a network makes of the other half."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from baselines.likelihoods import Preprocessing

FIRST = 1000  # rows of the stream that a flow's rows are standardised by: an epoch would be charged too


def begin(preprocessing: Preprocessing, stream: Any) -> None:
    if (first := next(stream.batches(FIRST), None)) is not None:
        preprocessing.standardise(first.x)


class Coupling(nn.Module):
    """y_b = x_b exp(s(x_a)) + t(x_a), y_a = x_a, of columns or channels a and b; `net` makes s and t, side by side.

    s is a learned multiple of a tanh, so that no step can blow up.
    """

    a: Tensor
    b: Tensor

    def __init__(self, a: Tensor, b: Tensor, net: nn.Module) -> None:
        super().__init__()
        self.register_buffer("a", a)
        self.register_buffer("b", b)
        self.net = net
        self.reach = nn.Parameter(torch.ones(len(b)))

    def terms(self, x: Tensor) -> tuple[Tensor, Tensor]:
        s, t = self.net(x[:, self.a]).chunk(2, 1)
        return self.reach.view(-1, *[1] * (x.ndim - 2)) * s.tanh(), t

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        s, t = self.terms(x)
        return x.index_copy(1, self.b, x[:, self.b] * s.exp() + t), s.flatten(1).sum(1)

    def inverse(self, y: Tensor) -> Tensor:
        s, t = self.terms(y)
        return y.index_copy(1, self.b, (y[:, self.b] - t) * (-s).exp())


class Chain(nn.ModuleList):
    """One coupling after the other."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        log_det = x.new_zeros(len(x))
        for coupling in self:
            x, more = coupling(x)
            log_det = log_det + more
        return x, log_det

    def inverse(self, y: Tensor) -> Tensor:
        for coupling in reversed(self):
            assert isinstance(coupling, Coupling)
            y = coupling.inverse(y)
        return y

"""Pictures drawn by a rule: a law on bits that can be written down, and a manifold whose one factor is known."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import torch
from torch import Generator, Tensor

from genbench.errors import BadInput
from genbench.task import Bits, Modes, Real, Rows, Spec, Task
from genbench.tasks import on_cpu

HELD = 1_000


def bars(side: int) -> Tensor:
    """Every picture (n, 1, side, side) of whole rows, or of whole columns: 2^(side + 1) - 2, blank and full once."""
    lines = torch.arange(2**side)[:, None] >> torch.arange(side) & 1
    rows = lines[:, :, None].expand(-1, side, side)
    return torch.cat([rows, rows[1:-1].mT]).float()[:, None]


@dataclass(frozen=True)
class Uniform:
    """Each of the patterns (n, *shape), all different, equally likely."""

    patterns: Tensor

    def draw(self, n: int, noise: Generator) -> Tensor:
        return self.patterns[torch.randint(len(self.patterns), (n,), generator=noise)]

    def log_prob(self, x: Tensor) -> Tensor:
        """-log n on a pattern, -inf on all else."""
        known = (x.flatten(1)[:, None] == self.patterns.flatten(1).to(x)).all(2).any(1)
        return torch.where(known, -log(len(self.patterns)), -torch.inf).to(x)


@on_cpu
def bars_and_stripes(side: int = 3, train: int = 2_000, test: int = HELD, seed: int = 0) -> Task:
    """Bars and stripes (MacKay, 2003), each picture equally likely: so few that an energy's law can be enumerated."""
    if not 2 <= side <= 8 or min(train, test) < 1:
        raise BadInput(f"bars-and-stripes: side is from 2 to 8, train and test at least 1; got {side}, {train}, {test}")
    law, noise = Uniform(bars(side)), Generator().manual_seed(seed)
    learnt, valid, held, spare = (Rows(law.draw(n, noise)) for n in (train, HELD, test, test))
    n, spec = len(law.patterns), Spec(Bits((1, side, side)))
    modes = Modes(law.patterns.flatten(1), 0.5, torch.full((n,), 1 / n))
    return Task("bars-and-stripes", spec, learnt, valid, held, spare, log_prob=law.log_prob, modes=modes)


def bar(left: Tensor, side: int, width: float) -> Tensor:
    """Pictures (n, 1, side, side) of an upright bar with its left edge at `left` (n,): each pixel is the share of it
    that the bar covers."""
    edge = torch.arange(side)
    covered = (torch.minimum(left[:, None] + width, edge + 1) - torch.maximum(left[:, None], edge)).clamp(0, 1)
    return covered[:, None, None, :].expand(-1, 1, side, -1).contiguous()


@on_cpu
def manifold(side: int = 16, width: float = 3.0, train: int = 2_000, test: int = HELD, seed: int = 0) -> Task:
    """A bar moved across the picture: one number makes a row, and no few directions hold the curve that it draws."""
    if not (side >= 4 and 1 <= width <= side / 2 and min(train, test) > 0):
        raise BadInput(
            f"manifold: side from 4, width from 1 to half a side, train and test at least 1; "
            f"got {side}, {width}, {train}, {test}"
        )
    noise = Generator().manual_seed(seed)
    lefts = [(side - width) * torch.rand(n, generator=noise) for n in (train, HELD, test, test)]
    learnt, valid, held, spare = (Rows(bar(left, side, width)) for left in lefts)
    return Task("manifold", Spec(Real((1, side, side), 0.0, 1.0)), learnt, valid, held, spare)

"""What rows leave behind when only their Gaussian fit is asked for: memory that their number does not grow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
import torch
from scipy.linalg.blas import dsyrk
from torch import Tensor

from genbench.errors import BadInput
from genbench.evidence import finite, tensor

BLOCKS = 16
CHUNK = 4096  # rows that wait to be dealt to the blocks together
CACHED = 256  # rows and columns that are worked on at a time, while the processor still has them at hand


@dataclass(frozen=True)
class Moments:
    """n rows' mean (d,) and scatter (d, d), the sum of (x - mean)(x - mean)', in float64 on the CPU.

    `p + q` are the moments of both sets, `p - q` those of p without its part q (Chan, Golub & LeVeque, 1983). Raw
    sums of xx' would lose as many digits as mean^2 / variance has.
    """

    n: int
    mean: Tensor
    scatter: Tensor

    @classmethod
    def of(cls, rows: Any) -> Moments:
        """The moments of rows (n, d) or (n, *shape). BadInput on NaN and infinities."""
        x = tensor("rows", rows)
        x = x.flatten(1) if x.ndim > 1 else x[:, None]
        n, centre = len(x), x[:CACHED].double().mean(0)  # near the mean as a rule, which would take a pass of its own
        total, squares = about(x, centre)
        finite("rows", total)
        mean = centre.cpu() + total / n
        if float(total @ total) > n * float(squares.trace()) / 2:  # the difference would lose digits, or all of them
            return cls(n, mean, about(x, mean.to(x.device))[1])
        rest = total / math.sqrt(n)
        return cls(n, mean, squares.addr_(rest, rest, alpha=-1))

    @property
    def covariance(self) -> Tensor:
        if self.n < 2:
            raise BadInput("1 row has no covariance; at least 2 are needed")
        return self.scatter / (self.n - 1)

    def __add__(self, other: Moments) -> Moments:
        n, gap = self.n + other.n, other.mean - self.mean
        mean = self.mean + gap * (other.n / n)
        return Moments(n, mean, self.scatter + other.scatter + gap.outer(gap * (self.n * other.n / n)))

    def __sub__(self, part: Moments) -> Moments:
        n = self.n - part.n
        gap = (part.mean - self.mean) * (self.n / n)  # from the mean of the rest
        return Moments(n, part.mean - gap, self.scatter - part.scatter - gap.outer(gap * (n * part.n / self.n)))


def about(x: Tensor, centre: Tensor) -> tuple[Tensor, Tensor]:
    """The sums of y (d,) and of yy' (d, d), y = x - centre for each row of x (n, d), in float64 on the CPU.

    BLAS has half of the work where a matrix meets its own transpose, and no copy of all rows is held.
    """
    if x.device.type != "cpu":
        y = x.double() - centre
        return y.sum(0).cpu(), (y.T @ y).cpu()
    total, half = torch.zeros(x.shape[1], dtype=torch.float64), np.zeros((x.shape[1], x.shape[1]), order="F")
    held = torch.empty(CACHED, x.shape[1], dtype=torch.float64)
    for part in torch.split(x, CACHED):
        y = held[: len(part)].copy_(part).sub_(centre)
        total += y.sum(0)
        half = dsyrk(1.0, y.numpy().T, beta=1.0, c=half, overwrite_c=True, lower=True)
    return total, mirrored(torch.from_numpy(half.T))


def mirrored(half: Tensor) -> Tensor:
    """The symmetric matrix of which the upper half is given, made in its place."""
    for start in range(0, len(half), CACHED):
        stop = start + CACHED
        half[stop:, start:stop] = half[start:stop, stop:].T
        half[start:stop, start:stop] += half[start:stop, start:stop].triu(1).T
    return half


def total(blocks: Sequence[Moments]) -> Moments:
    """The moments of all blocks together."""
    return sum(blocks[1:], blocks[0])


def side_by_side(a: Sequence[Moments], b: Sequence[Moments]) -> list[Moments]:
    """Block by block the moments of both, where one may have fewer blocks."""
    return [total([block for block in pair if block]) for pair in zip_longest(a, b)]


class Blocks:
    """The moments of rows in 16 accumulators, so that a part of the rows can be left out; rows come in any batches.

    Rows wait until 4096 of them are there, and are dealt to the blocks in a random order of fixed seed. So the size
    of the batches changes nothing, and neither does an order of the rows, as by class. 16 (d^2 + d) + 4096 d numbers
    are held, whatever the number of rows. `p + q` has the rows of both.
    """

    def __init__(self) -> None:
        self.dealt: list[Moments] = []
        self.waiting: list[Tensor] = []
        self.late = 0  # rows that wait

    @property
    def rows(self) -> int:
        return sum(block.n for block in self.dealt) + self.late

    def update(self, rows: Tensor) -> Blocks:
        """Take in rows (n, d); returns itself."""
        while len(rows):
            some, rows = rows[: CHUNK - self.late], rows[CHUNK - self.late :]
            self.waiting.append(some.to("cpu", torch.float64, copy=True))
            self.late += len(some)
            if self.late == CHUNK:
                self.dealt, self.waiting, self.late = self.blocks(), [], 0
        return self

    def blocks(self) -> list[Moments]:
        """The moments of each block that has a row."""
        return side_by_side(self.dealt, deal(torch.cat(self.waiting), self.rows) if self.waiting else [])

    def __add__(self, other: Blocks) -> Blocks:
        both = Blocks()
        both.dealt = side_by_side(self.dealt, other.dealt)
        for rows in (*self.waiting, *other.waiting):
            both.update(rows)
        return both


def deal(rows: Tensor, seed: int) -> list[Moments]:
    """The moments of 16 equal shares of the rows, or of each row where there are fewer."""
    order = torch.randperm(len(rows), generator=torch.Generator("cpu").manual_seed(seed), device="cpu")
    return [Moments.of(rows[order[block::BLOCKS]]) for block in range(min(BLOCKS, len(rows)))]

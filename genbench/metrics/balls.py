"""Who lies in whose ball: what precision, recall, density and coverage count, with the spread of their counts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from genbench.metrics.pairwise import Nearest, Rows, Tile, squared_distances, steps
from genbench.record import Estimate

SPLITS = 16  # into halves, for the error
EQUAL = 1e-12  # squared distances that agree so far are equal
LISTED = 2**16  # pairs that are counted in every split at a time


@dataclass(frozen=True)
class Balls:
    """Who lies in whose ball: a row's ball is closed and reaches to the k-th nearest other row of its own set.

    So equal rows are in each other's balls, whatever their radius. Radii and who lies within them are those of
    float64 differences of rows (equal to 12 digits counts as equal), in whatever precision products were taken.

    The error: both sets are split at random into halves A, B, 16 times by a fixed seed; each half has its own k-th
    neighbours and balls, and error^2 is the mean of (value(A) - value(B))^2 / 4: a half varies twice as much. Coverage
    falls with n, so its error is also that of a share of the whole's size over one of the halves'. It counts the
    draw of both sets, of the centres and of the radii, and lay within a fifth of the spread over repeats; the share's
    binomial error alone was up to 8 times too small, the jackknife up to twice too large. It is at least half a
    row, which is too large for a share that is all but 1. Below 2k + 2 rows, halves have fewer neighbours than k.
    """

    k: int = 5
    of: tuple[str, ...] = ("real", "fake")  # the sets whose rows have balls

    def begin(self, real: Rows, fake: Rows) -> Hits:
        return Hits(real, fake, self.k, self.of)


class Side:
    """A set with its balls: which half a row is in (splits, n), and squared radii, in the set and in each half."""

    def __init__(self, rows: Rows, k: int) -> None:
        n = len(rows.near)
        own = torch.arange(n, device=rows.near.device)
        self.rows, self.k, self.half_k = rows, k, min(k, n // 2 - 1)
        self.nearest = Nearest(rows, rows, 4 * k + 4, own)
        noise = torch.Generator().manual_seed(0)
        fixed = torch.randn(rows.exact.shape[1], generator=noise, dtype=torch.float64).to(own.device)
        order = rows.along(fixed).argsort()  # of the rows' values, so that the error is the same in any order
        self.half = torch.zeros(SPLITS, n, dtype=torch.bool, device=own.device)
        for half in self.half:
            half[order[torch.randperm(n, generator=noise)[: n // 2].to(own.device)]] = True

    @cached_property
    def radii(self) -> Tensor:
        return self.nearest.kth(self.k) * (1 + EQUAL)

    @cached_property
    def halved(self) -> Tensor:
        """From the nearest that are kept: where fewer than k of them are of the half, the furthest."""
        near, place = self.nearest.squared, self.nearest.place
        own = (near.where(half[place] == half[:, None], torch.inf) for half in self.half)
        return torch.stack([x.kthvalue(self.half_k, 1).values for x in own]).clamp(max=near[:, -1]) * (1 + EQUAL)

    @cached_property
    def reach(self) -> Tensor:
        return torch.maximum(self.radii.to(self.halved.dtype), self.halved.amax(0))

    def mean(self, whole: Tensor, halved: Tensor, falls: bool) -> tuple[float, float]:
        """Of one number a row (n,), and its error from those (splits, n) with the balls of the row's own half."""
        a, b = ((halved * half).sum(1) / half.sum(1) for half in (self.half.double(), (~self.half).double()))
        squared, value, middle = float((a - b).square().mean()) / 4, float(whole.mean()), float((a + b).mean()) / 2
        if falls and squared:
            squared *= value * (1 - value) / (middle * (1 - middle))
        return value, max(math.sqrt(squared), 1 / (2 * len(whole)))


class Inside:
    """How many balls of `centres` each of `others` lies in, and how many each holds: in the sets and in halves."""

    def __init__(self, centres: Side, others: Side) -> None:
        self.centres, self.others = centres, others
        self.around, self.held = (
            torch.zeros(1 + SPLITS, len(side.rows.near), dtype=torch.int32, device=side.rows.near.device)
            for side in (others, centres)
        )

    def add(self, i: Tensor, j: Tensor, squared: Tensor) -> None:
        """Count listed pairs, of which `squared` is known to within its rounding."""
        x, y, radii = self.centres.rows, self.others.rows, self.centres.radii[i]
        exact = squared.double()
        open_ = (exact - radii).abs() <= x.rounding * (x.lengths[i] + y.lengths[j])
        exact[open_] = squared_distances(x.exact, i[open_], y.exact, j[open_]) / x.unit**2
        in_half = (self.centres.half[:, i] == self.others.half[:, j]) & (squared <= self.centres.halved[:, i])
        inside = torch.cat([(exact <= radii)[None], in_half]).int()
        self.around.index_add_(1, j, inside)
        self.held.index_add_(1, i, inside)


class Hits:
    """Real rows' balls with the fakes in them, and fakes' balls with the real rows in them."""

    def __init__(self, real: Rows, fake: Rows, k: int, of: tuple[str, ...]) -> None:
        self.k, self.real, self.fake, self.of = k, Side(real, k), Side(fake, k), of
        self.of_real, self.of_fake = Inside(self.real, self.fake), Inside(self.fake, self.real)

    def wants(self, x: Rows, y: Rows) -> bool:
        return x is not y or ("real" if x is self.real.rows else "fake") in self.of

    def see(self, tile: Tile) -> None:
        if tile.x is tile.y:
            nearest = (self.real if tile.x is self.real.rows else self.fake).nearest
            nearest.see(tile.rows, tile.columns, tile.squared)
            if not tile.on_diagonal:
                nearest.see(tile.columns, tile.rows, tile.squared.T)
            return
        least = tile.squared - (tile.x.rounding * tile.x.lengths[tile.rows, None]).to(tile.squared.dtype)
        least -= (tile.y.rounding * tile.y.lengths[tile.columns]).to(tile.squared.dtype)
        for name, side, of, centre in (("real", self.real, self.of_real, 0), ("fake", self.fake, self.of_fake, 1)):
            if name not in self.of:
                continue
            listed = (least <= (side.reach[tile.columns] if centre else side.reach[tile.rows, None])).nonzero()
            for part in steps(len(listed), LISTED):
                pairs = listed[part]
                squared = tile.squared[pairs[:, 0], pairs[:, 1]]
                places = pairs[:, 0] + tile.rows.start, pairs[:, 1] + tile.columns.start
                of.add(places[centre], places[1 - centre], squared)

    def result(self) -> dict[str, Estimate]:
        n = min(len(self.real.radii), len(self.fake.radii))
        around = self.of_real.around.double()
        crowd = torch.cat([around[:1] / self.real.k, around[1:] / self.real.half_k])
        of_real = {
            "precision": (self.fake, around > 0),
            "density": (self.fake, crowd),
            "coverage": (self.real, self.of_real.held > 0),
        }
        of_fake = {"recall": (self.real, self.of_fake.around > 0)}
        found = {**(of_real if "real" in self.of else {}), **(of_fake if "fake" in self.of else {})}
        return {
            name: Estimate(*side.mean(x[0].double(), x[1:].double(), falls=name == "coverage"), n)
            for name, (side, x) in found.items()
        }

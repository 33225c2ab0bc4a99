"""Every pair of rows, met once: tiles of products that all metrics of pairs share, and the nearest rows among them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor

from genbench.evidence import Features

SIDE = 1024  # rows and columns of a tile
CACHED = 128  # rows that are brought to another precision at a time
MANY, WIDE = 1000, 256  # from so many rows of so many numbers on, products cost more than what is made of them
GATHERED = 2**22  # numbers held at a time where distances are taken pair by pair


@dataclass(frozen=True, eq=False)
class Rows:
    """A set seen from a common centre and in a common unit: `near` (n, d), its squared lengths, and the rows as given.

    `near` is float32 for large sets; `exact`, in float64 by parts, settles what rounding leaves open.
    """

    exact: Tensor
    near: Tensor
    centre: Tensor
    unit: float

    @classmethod
    def seen(cls, exact: Tensor, centre: Tensor, unit: float, dtype: torch.dtype) -> Rows:
        near = torch.empty(exact.shape, dtype=dtype, device=exact.device)
        for part in steps(len(exact), CACHED):
            near[part] = (exact[part] - centre) / unit
        return cls(exact, near, centre, unit)

    def along(self, direction: Tensor) -> Tensor:
        """The rows as given times a vector (d,), in float64."""
        return torch.cat([self.exact[part].double() @ direction for part in steps(len(self.exact), CACHED)])

    @cached_property
    def lengths(self) -> Tensor:
        root: Tensor = torch.linalg.vector_norm(self.near, dim=1, dtype=torch.float64)
        return root.square()

    @property
    def rounding(self) -> float:
        """|squared - its true value| <= rounding (|x|^2 + |y|^2): the bound of a dot product of d terms, and a few."""
        return (self.near.shape[1] + 16) * torch.finfo(self.near.dtype).eps / 2

    def finer(self, chosen: Tensor | slice = slice(None)) -> Rows:
        return Rows.seen(self.exact[chosen], self.centre, self.unit, torch.float64)


def together(*sets: Tensor) -> list[Rows]:
    """Sets seen from their common mean, in units of their root mean square length.

    Products are float32 where all sets are large and torch is not told to make float32 coarser, float64 elsewhere.
    """
    count = sum(map(len, sets))
    centre = torch.stack([x.sum(0, dtype=torch.float64) for x in sets]).sum(0) / count
    spread = sum(float((x[part] - centre).square().sum()) for x in sets for part in steps(len(x), CACHED))
    coarse = large(*sets) and torch.get_float32_matmul_precision() == "highest"
    dtype = torch.float32 if coarse else torch.float64
    return [Rows.seen(x, centre, (spread / count) ** 0.5 or 1.0, dtype) for x in sets]


def large(*sets: Tensor) -> bool:
    return min(map(len, sets)) >= MANY and sets[0].shape[1] >= WIDE


def steps(n: int, size: int = 0) -> list[slice]:
    size = size or SIDE
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


@dataclass(frozen=True, eq=False)
class Tile:
    """Some rows of x against some of y; not to be changed by who sees it. `products` are those of `near`."""

    x: Rows
    y: Rows
    rows: slice
    columns: slice
    products: Tensor

    @cached_property
    def squared(self) -> Tensor:
        """Squared distances of `near`, to within `rounding`."""
        like = self.products.dtype
        lengths = self.x.lengths[self.rows, None].to(like) + self.y.lengths[self.columns].to(like)
        return lengths.sub_(self.products, alpha=2).clamp_(min=0)

    @property
    def on_diagonal(self) -> bool:
        return self.x is self.y and self.rows == self.columns


def tiles(x: Rows, y: Rows) -> Iterator[Tile]:
    """All pairs of x and y; where x is y, a tile right of the diagonal stands for its mirror image too.

    A tile's products are gone when the next one is asked for.
    """
    held = x.near.new_empty(SIDE * SIDE)
    for rows in steps(len(x.near)):
        for columns in steps(len(y.near)):
            if x is not y or columns.start >= rows.start:
                a, b = x.near[rows], y.near[columns]
                yield Tile(x, y, rows, columns, torch.mm(a, b.T, out=held[: len(a) * len(b)].view(len(a), len(b))))


def squared_distances(x: Tensor, i: Tensor, y: Tensor, j: Tensor) -> Tensor:
    """|x_i - y_j|^2 of listed pairs, by differences: equal rows are at 0."""
    found = torch.empty(len(i), dtype=torch.float64, device=x.device)
    for part in steps(len(i), max(1, GATHERED // x.shape[1])):
        found[part] = (x[i[part]].double() - y[j[part]]).square_().sum(1)
    return found


def closer(squared: Tensor, bound: Tensor) -> tuple[Tensor, Tensor]:
    """What of each row lies below its bound, and where, moved to the left and filled up with infinity.

    It is a few of many once the bounds have come down: sorting those is much cheaper than sorting all.
    """
    below = (squared < bound).contiguous()
    many = below.sum(1)
    i, place = below.nonzero(as_tuple=True)
    slot = torch.arange(len(i), device=i.device) - (many.cumsum(0) - many)[i]
    shape = (len(squared), int(many.max()))
    found = torch.full(shape, torch.inf, dtype=squared.dtype, device=i.device)
    places = torch.zeros(shape, dtype=torch.long, device=i.device)
    found[i, slot], places[i, slot] = squared[i, place], place
    return found, places


class Nearest:
    """The `keep` nearest of y for each row of x, from tiles; where `own` says which of y a row is, others than it."""

    def __init__(self, x: Rows, y: Rows, keep: int, own: Tensor | None = None) -> None:
        self.x, self.y, self.own = x, y, own
        self.others = len(y.near) - (own is not None)
        shape = (len(x.near), min(keep, self.others))
        self.squared = torch.full(shape, torch.inf, dtype=x.near.dtype, device=x.near.device)
        self.place = torch.zeros(shape, dtype=torch.long, device=x.near.device)

    def see(self, rows: slice, columns: slice, squared: Tensor) -> None:
        if self.own is not None:
            own = self.own[rows] - columns.start
            if bool((here := (own >= 0) & (own < squared.shape[1])).any()):
                squared = squared.clone()
                squared[here.nonzero()[:, 0], own[here]] = torch.inf
        found, place = closer(squared, self.squared[rows, -1:])
        found = torch.cat([self.squared[rows], found], 1)
        self.squared[rows], best = found.topk(self.squared.shape[1], 1, largest=False)
        self.place[rows] = torch.cat([self.place[rows], place + columns.start], 1).gather(1, best)

    def kth(self, k: int) -> Tensor:
        """Squared distances to the k-th nearest (n,), in the common unit, as exact as differences of rows in float64.

        The k-th by rounded products is the k-th but for those within their rounding of it: these are taken anew.
        Where they may go beyond those kept, products of the row are taken anew in float64.
        """
        furthest = self.x.lengths + self.y.lengths[self.place].amax(1)
        window = 2 * self.x.rounding * furthest[:, None]
        squared = self.squared.double()
        open_ = (squared - squared[:, k - 1 : k]).abs() <= window
        i, slot = open_.nonzero(as_tuple=True)
        squared[i, slot] = squared_distances(self.x.exact, i, self.y.exact, self.place[i, slot]) / self.x.unit**2
        found = squared.kthvalue(k, 1).values
        cut = open_[:, -1] & (found > 0)
        if self.squared.shape[1] < self.others and self.x.near.dtype == torch.float32 and bool(cut.any()):
            again = cut.nonzero()[:, 0]
            own = None if self.own is None else self.own[again]
            finer = Nearest(self.x.finer(again), self.y.finer(), self.squared.shape[1], own)
            for tile in tiles(finer.x, finer.y):
                finer.see(tile.rows, tile.columns, tile.squared)
            found[again] = finer.kth(k)
        return found


class Work(Protocol):
    """What is made of all pairs: sees the tiles of real with real, of fake with fake, then of real with fake, but for
    those of sets that it does not want."""

    def wants(self, x: Rows, y: Rows) -> bool: ...

    def see(self, tile: Tile) -> None: ...

    def result(self) -> Any: ...


class Reduction(Protocol):
    """What is to be made of all pairs, with its options; hashable by them."""

    def begin(self, real: Rows, fake: Rows) -> Work: ...


def shared(e: Features, wanted: Reduction) -> Any:
    """What `wanted` makes of all pairs. Sets large enough are met together: what other metrics want rides along."""
    if wanted not in e.of_pairs:
        asked: list[Reduction] = [wanted]
        if large(e.real, e.fake) and not e.once:
            from genbench.metrics.balls import Balls
            from genbench.metrics.kernels import riders

            riding: tuple[Reduction, ...] = (*riders(e, wanted), Balls())
            asked += [other for other in riding if other != wanted and other not in e.of_pairs]
        real, fake = together(e.real, e.fake)
        works = [reduction.begin(real, fake) for reduction in asked]
        for x, y in ((real, real), (fake, fake), (real, fake)):
            if wanting := [work for work in works if work.wants(x, y)]:
                for tile in tiles(x, y):
                    for work in wanting:
                        work.see(tile)
        e.of_pairs.update(zip(asked, (work.result() for work in works), strict=True))
    return e.of_pairs[wanted]

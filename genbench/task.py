"""A task: what is to be modelled, the rows to learn it from, and what is known about it exactly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Generator, Tensor


@dataclass(frozen=True)
class Real:
    """Real numbers. `levels` says that they were quantised: each value is the lower edge of its cell."""

    shape: tuple[int, ...]
    low: float | None = None
    high: float | None = None
    levels: int | None = None

    @property
    def cell(self) -> float:
        """The width of one quantisation cell, 0 where there is none."""
        if self.levels is None or self.low is None or self.high is None:
            return 0.0
        return (self.high - self.low) / self.levels


@dataclass(frozen=True)
class Bits:
    """Zeros and ones."""

    shape: tuple[int, ...]


@dataclass(frozen=True)
class Counts:
    """How often each thing stands in a row, as words in a document: whole numbers, at least one of them above 0."""

    shape: tuple[int, ...]


@dataclass(frozen=True)
class Labels:
    """One class of n; -1 where a row has none. Where a class says several things at once, `parts` is how many kinds
    there are of each, the last running fastest, and n their product."""

    n: int
    shape: tuple[int, ...] = ()
    parts: tuple[int, ...] = field(default=(), repr=False)  # no other rows: see provenance.data


Kind = Real | Bits | Counts | Labels


@dataclass(frozen=True)
class Game:
    """Players who each descend a loss of their own over everybody's moves.

    `losses(*moves)` takes each player's numbers (..., size) and gives each player's loss (...). Where the moves are
    `mixed` they are probabilities, and each loss is linear in each of them.
    """

    sizes: tuple[int, ...]
    losses: Callable[..., tuple[Tensor, ...]] = field(repr=False, compare=False)
    mixed: bool = False

    def moves(self, x: Tensor) -> tuple[Tensor, ...]:
        """Each player's part of joint moves x (..., d)."""
        return torch.split(x, list(self.sizes), -1)


@dataclass(frozen=True)
class Spec:
    """What the two sides of a batch are; it alone chooses a model's networks and likelihood. The rows of a game are
    joint moves where play may begin."""

    x: Real | Bits | Counts
    y: Kind | None = None
    game: Game | None = None

    @property
    def size(self) -> int:
        """Numbers in one x."""
        return prod(self.x.shape)


class Batch(NamedTuple):
    """x is to be modelled, y is what it is conditioned on (None where there is nothing)."""

    x: Tensor
    y: Tensor | None


@dataclass(frozen=True)
class Rows:
    """One split: x (n, *shape) and y (n, ...) or None."""

    x: Tensor
    y: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: Tensor | slice) -> Rows:
        return Rows(self.x[index], None if self.y is None else self.y[index])

    def part(self, index: Tensor) -> Rows:
        """Some of the rows, for good; those that lie on disk stay there."""
        return self[index]

    def __add__(self, other: Rows) -> Rows:
        y = None if self.y is None or other.y is None else torch.cat([self.y, other.y])
        return Rows(torch.cat([self.x, other.x]), y)

    def to(self, device: torch.device) -> Rows:
        return Rows(self.x.to(device), None if self.y is None else self.y.to(device))

    def dequantised(self, kind: Real | Bits | Counts, noise: Generator) -> Rows:
        """Uniform noise over each cell, so that a density exists; the rows themselves where nothing was quantised."""
        cell = kind.cell if isinstance(kind, Real) else 0.0
        if not cell:
            return self
        return Rows(self.x + cell * torch.rand(self.x.shape, generator=noise, device=self.x.device), self.y)


@dataclass(frozen=True)
class Modes:
    """Known modes: centres (k, d), the radius within which a sample counts as theirs, their weights (k,)."""

    centres: Tensor
    radius: float
    weights: Tensor


class Uniform(NamedTuple):
    """The uniform law on n symbols, 0 to n - 1, as what draws are held against; `far` is the statistical distance
    from it at which a law is to be found out."""

    n: int
    far: float


Rivals = Callable[[Generator], tuple[Tensor, Tensor | Uniform]]


@dataclass(frozen=True)
class Trial:
    """One cell of a grid of trials: what a test or an estimator is shown when there is nothing to find, and when there
    is.

    `null` and `alternative` give a fresh (x, y) each call: x (draws, *shape), y as many rows of what it is held
    against, or that law itself. They are asked `nulls` and `repeats` times. The laws differ by `epsilon`, on n symbols
    or in rows of n numbers. `known` are, by name, what is exactly so of the null and of the alternative; `kind` names
    what is wrong with the latter, where that may be one of several things.
    """

    n: int
    draws: int
    epsilon: float
    null: Rivals
    alternative: Rivals
    nulls: int
    repeats: int
    known: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    kind: str = ""


@dataclass(frozen=True)
class Task:
    """Disjoint splits and what is known exactly.

    `train` holds quantised rows (the Stream adds fresh noise); `valid`, `test` and `spare` carry one fixed
    draw of it. `spare` serves the truth entrant alone. `sources` are the files the rows were read from. Of a game are
    known its equilibria, `solution` (k, d), and `gap`: what the players of joint moves (n, d) would gain together (n,)
    by answering each other as well as can be. `query` is a log-density up to a constant, for which a model may ask the
    Stream; `trials` are what a test is put to. `factors` (n, k) are the numbers that each test row was made from.
    """

    name: str
    spec: Spec
    train: Rows
    valid: Rows
    test: Rows
    spare: Rows
    space: str = "pixels"
    log_prob: Callable[[Tensor], Tensor] | None = None
    modes: Modes | None = None
    solution: Tensor | None = None
    gap: Callable[[Tensor], Tensor] | None = None
    trials: tuple[Trial, ...] = ()
    query: Callable[[Tensor], Tensor] | None = None
    factors: Tensor | None = None
    sources: tuple[Path, ...] = ()
    note: str = ""

    def to(self, device: torch.device) -> Task:
        """The same task with its rows on a device."""
        train, valid, test, spare = (rows.to(device) for rows in (self.train, self.valid, self.test, self.spare))
        return replace(self, train=train, valid=valid, test=test, spare=spare)

    def split(self, name: str) -> Rows:
        return {"train": self.train, "valid": self.valid, "test": self.test, "spare": self.spare}[name]


def splits(
    spec: Spec, rows: Rows, sizes: tuple[int, int, int], seed: int = 0, *, shuffle: bool = True
) -> tuple[Rows, Rows, Rows, Rows]:
    """Disjoint train, valid, test, spare from one table: valid, test and spare take `sizes`, train the rest.

    Always on the CPU's generator, so that the split is the same on every device.
    """
    noise = torch.Generator().manual_seed(seed)
    if len(rows) <= sum(sizes):
        raise ValueError(f"{len(rows)} rows cannot be split into train and {sizes} of valid, test, spare")
    order = torch.randperm(len(rows), generator=noise) if shuffle else torch.arange(len(rows))
    train, *held = torch.split(order, [len(rows) - sum(sizes), *sizes])
    valid, test, spare = (rows[index].dequantised(spec.x, noise) for index in held)
    return rows.part(train), valid, test, spare

"""Evidence of samples: the rows themselves, seen through a space, counted, beside training rows."""

from __future__ import annotations

import copy
import math
import operator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from genbench.errors import BadInput, NotApplicable
from genbench.evidence.kind import MEMORISABLE, Evidence, Exam, finite, learnt, same_shape, sampled
from genbench.model import Sampler
from genbench.task import Labels


@dataclass(frozen=True)
class Samples(Evidence):
    """real (n, *shape) and fake (m, *shape): held-out rows and the model's own."""

    real: Tensor
    fake: Tensor

    def __post_init__(self) -> None:
        super().__post_init__()
        same_shape(self.real, self.fake)
        finite("real", self.real)
        finite("fake", self.fake)

    @classmethod
    def collect(cls, model: Sampler, exam: Exam) -> Samples:
        return cls(exam.rows.x, sampled(model, len(exam.rows), exam.task.spec))


@dataclass(frozen=True)
class Features(Evidence):
    """Samples seen through a space: real (n, d) and fake (m, d), float32 as it came, anything else in float64."""

    real: Tensor
    fake: Tensor
    kept: ClassVar[bool] = False
    seen_through_a_space: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("real", "fake"):
            x = getattr(self, name)
            finite(name, x)
            x = x if x.dtype == torch.float32 else x.double()
            object.__setattr__(self, name, x.flatten(1) if x.ndim > 1 else x[:, None])
        same_shape(self.real, self.fake)

    @property
    def exact(self) -> tuple[Tensor, Tensor]:
        """Both in float64: what a metric works on, unless it takes a part of the rows at a time."""
        return self.real.double(), self.fake.double()

    @cached_property
    def of_pairs(self) -> dict[Any, Any]:
        """What metrics have made of all pairs of rows, which are met for many metrics together."""
        return {}

    @classmethod
    def collect(cls, samples: Samples, exam: Exam) -> Features:
        return cls(exam.space.features(samples.real), exam.space.features(samples.fake))


@dataclass(frozen=True)
class Logits(Evidence):
    """A classifier's logits (m, classes) for the fake rows."""

    fake: Tensor
    kept: ClassVar[bool] = False
    seen_through_a_space: ClassVar[bool] = True

    @classmethod
    def collect(cls, samples: Samples, exam: Exam) -> Logits:
        return cls(exam.space.logits(samples.fake))


@dataclass(frozen=True)
class Symbols(Evidence):
    """What each fake row is an instance of: draws (m,) in range(n), -1 for none; weights (n,) of the truth.

    `exhaustive` is 1 where every row is given a symbol whatever it is, as by a classifier.
    """

    draws: Tensor
    weights: Tensor
    exhaustive: int = 0
    kept: ClassVar[bool] = False
    seen_through_a_space: ClassVar[bool] = True

    @property
    def n(self) -> int:
        return len(self.weights)

    @classmethod
    def collect(cls, samples: Samples, exam: Exam) -> Symbols:
        """The nearest known mode within its radius; without modes, the class that the space's classifier sees."""
        modes = exam.task.modes
        if modes is not None:
            distance, nearest = torch.cdist(samples.fake.flatten(1), modes.centres.to(samples.fake)).min(1)
            return cls(torch.where(distance <= modes.radius, nearest, -1), modes.weights)
        classes = exam.task.spec.y
        if not isinstance(classes, Labels):
            raise NotApplicable("the task has neither known modes nor classes")
        logits = exam.space.logits(samples.fake)
        if logits.shape[1] != classes.n:
            raise NotApplicable(f"the space's classifier knows {logits.shape[1]} classes, the task {classes.n}")
        return cls(logits.argmax(1), torch.full((classes.n,), 1 / classes.n), exhaustive=1)


@dataclass(frozen=True)
class Visits(Evidence):
    """counts (checkpoints, n): how many fake rows were nearest to each of n modes, at each checkpoint until now."""

    counts: Tensor
    kept: ClassVar[bool] = False
    seen_through_a_space: ClassVar[bool] = True

    @classmethod
    def collect(cls, samples: Samples, exam: Exam) -> Visits:
        """However far it is, a sample is its nearest mode's: who never hits one can still go from one to another."""
        course = [*filter(None, map(Samples.load, exam.earlier)), samples]
        if len(course) < 2:
            raise NotApplicable("no samples of an earlier checkpoint are kept")
        if modes := exam.task.modes:
            exam = replace(exam, task=replace(exam.task, modes=replace(modes, radius=math.inf)))
        seen = [Symbols.collect(then, exam) for then in course]
        return cls(torch.stack([torch.bincount(s.draws, minlength=s.n) for s in seen]))


@dataclass(frozen=True)
class Draws(Evidence):
    """Draws (m,), integers in range(n), of a sampler that should give each of n symbols alike."""

    draws: Tensor
    n: int
    kept: ClassVar[bool] = False
    seen_through_a_space: ClassVar[bool] = True

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "n", operator.index(self.n))
        except TypeError:
            raise BadInput(f"n={self.n}; it is the number of symbols, an integer") from None
        super().__post_init__()
        x = self.draws
        if x.is_floating_point() or x.is_complex() or x.dtype == torch.bool or x.ndim != 1:
            raise BadInput(f"draws must be integers (m,), not {x.dtype} of shape {tuple(x.shape)}")
        object.__setattr__(self, "draws", x.long())
        if not 0 <= int(self.draws.min()) <= int(self.draws.max()) < self.n:
            raise BadInput(f"draws must lie in 0..{self.n - 1}")

    @classmethod
    def collect(cls, symbols: Symbols, exam: Exam) -> Draws:
        """The draws that are a symbol."""
        if float((symbols.weights * symbols.n / symbols.weights.sum() - 1).abs().max()) > 1e-4:
            raise NotApplicable("the true weights are not uniform")
        drawn = symbols.draws[symbols.draws >= 0]
        if not len(drawn):
            raise NotApplicable(f"none of {len(symbols.draws)} draws belongs to a mode")
        return cls(drawn, symbols.n)


@dataclass(frozen=True)
class Copies(Evidence):
    """Training rows, held-out rows and fake rows, for the question whether the fakes are copies."""

    train: Tensor
    held: Tensor
    fake: Tensor
    kept: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        same_shape(self.train, self.fake)
        same_shape(self.train, self.held)

    @classmethod
    def collect(cls, samples: Samples, exam: Exam) -> Copies:
        if not len(exam.task.train):
            raise NotApplicable("no training rows are known that the fakes could copy")
        return cls(learnt(exam.task, MEMORISABLE).x, samples.real, samples.fake)


@dataclass(frozen=True)
class Judged(Evidence):
    """Labelled training rows to make a judge from, held-out rows and fake rows for it to judge."""

    train: Tensor
    labels: Tensor
    real: Tensor
    fake: Tensor
    kept: ClassVar[bool] = False
    seen_through_a_space: ClassVar[bool] = True

    @classmethod
    def collect(cls, samples: Samples, exam: Exam) -> Judged:
        train = exam.task.train
        if train.y is None or not isinstance(exam.task.spec.y, Labels):
            raise NotApplicable("the task has no labels to make a judge from")
        return cls(learnt(exam.task).x, train.y, samples.real, samples.fake)


@dataclass(frozen=True)
class Pictures(Evidence):
    """Samples of pictures: real (n, c, h, w) and fake (m, c, h, w)."""

    real: Tensor
    fake: Tensor
    kept: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        same_shape(self.real, self.fake)
        finite("real", self.real)
        finite("fake", self.fake)
        if self.real.ndim != 4 or min(self.real.shape[2:]) < 3:
            raise NotApplicable(f"rows of shape {tuple(self.real.shape[1:])} are no pictures (c, h, w) of 3x3 or more")

    @classmethod
    def collect(cls, samples: Samples, exam: Exam) -> Pictures:
        return cls(samples.real, samples.fake)


@dataclass(frozen=True)
class Batches(Evidence):
    """Whole batches of samples, made as in training: fake (batches, n, *shape)."""

    fake: Tensor
    at_end: ClassVar[bool] = True

    SIZE: ClassVar[int] = 8
    MANY: ClassVar[int] = 400

    def __post_init__(self) -> None:
        super().__post_init__()
        finite("fake", self.fake)
        if self.fake.ndim < 3:
            raise BadInput(f"fake has shape {tuple(self.fake.shape)}, expected (batches, n, *shape)")

    @classmethod
    def collect(cls, model: Sampler, exam: Exam) -> Batches:
        """Of a copy: batch normalisation remembers what it has seen."""
        apart = copy.deepcopy(model)
        if isinstance(apart, nn.Module):
            apart.train()
        return cls(torch.stack([sampled(apart, cls.SIZE, exam.task.spec) for _ in range(cls.MANY)]))

"""Evidence of what a model makes when it is told something, and of what its codes mean."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import prod
from typing import ClassVar

import torch
from torch import Tensor

from genbench import forest
from genbench.errors import BadInput, NotApplicable
from genbench.evidence.kind import (
    MEMORISABLE,
    Evidence,
    Exam,
    classes_of,
    finite,
    learnt,
    same_shape,
    sampled,
    whole_numbers,
)
from genbench.model import ConditionalSampler, Decoder, Editor, Informative
from genbench.task import Task


def seen_as(task: Task, x: Tensor) -> Tensor:
    """The class (n,) that a forest of the training rows, which no space uses, sees in each row."""
    train = learnt(task)
    assert train.y is not None
    return torch.as_tensor(forest.judge(train.x, train.y).predict(forest.numbers(x)))


@dataclass(frozen=True)
class Conditionals(Evidence):
    """The classes (n,) that were asked for; the rows (n, *shape) made for them, and what a judge of rows sees in those,
    said (n,); and real rows (n, *shape) of these classes, one for one."""

    given: Tensor
    said: Tensor
    real: Tensor
    fake: Tensor

    def __post_init__(self) -> None:
        super().__post_init__()
        whole_numbers(given=self.given, said=self.said)
        same_shape(self.real, self.fake)
        finite("real", self.real)
        finite("fake", self.fake)
        if not len(self.real) == len(self.fake) == len(self.given):
            raise BadInput(f"{len(self.given)} classes, {len(self.real)} real rows and {len(self.fake)} fake rows")

    @classmethod
    def collect(cls, model: ConditionalSampler, exam: Exam) -> Conditionals:
        """Held-out rows that have a class are each answered by one row of that class."""
        classes_of(exam.task)
        assert exam.rows.y is not None
        known = exam.rows.y >= 0
        y, real = exam.rows.y[known], exam.rows.x[known]
        fake = model.sample_given(y)
        return cls(y, seen_as(exam.task, fake), real, fake)


@dataclass(frozen=True)
class Told(Evidence):
    """What samples tell of the class in their codes: given (n,), and log-probabilities (n, K) of each class as the
    model itself reads it off the sample, and `again` as a forest does that was made from other samples."""

    given: Tensor
    log_q: Tensor
    again: Tensor
    at_end: ClassVar[bool] = True

    ROWS: ClassVar[int] = 4000

    def __post_init__(self) -> None:
        super().__post_init__()
        whole_numbers(given=self.given)
        for name in ("log_q", "again"):
            finite(name, x := getattr(self, name))
            if x.ndim != 2 or len(x) != len(self.given) or x.shape[1] <= int(self.given.max()):
                raise BadInput(f"{name} has shape {tuple(x.shape)}, expected one log-probability a class and row")

    @classmethod
    def collect(cls, model: Informative, exam: Exam) -> Told:
        """The forest is made from half of the samples; the rest are kept. Its share of votes counts a vote more for
        each class, or one tree could cost an infinity."""
        z = model.latent(cls.ROWS)
        x, given = model.decode(z), model.chosen(z)
        half = cls.ROWS // 2
        log_q, _ = model.read(x[half:])
        known = forest.judge(x[:half], given[:half])
        votes = torch.zeros(len(log_q), log_q.shape[1])
        votes[:, torch.as_tensor(known.classes_)] = torch.as_tensor(
            known.predict_proba(forest.numbers(x[half:]))
        ).float()
        trees = len(known.estimators_)
        return cls(given[half:], log_q, ((trees * votes + 1) / (trees + log_q.shape[1])).log())


@dataclass(frozen=True)
class Read(Evidence):
    """What a model that was shown no class reads in held-out rows of known ones: its own class, read (n,), beside the
    task's, labels (n,)."""

    read: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        super().__post_init__()
        whole_numbers(read=self.read, labels=self.labels)

    @classmethod
    def collect(cls, model: Informative, exam: Exam) -> Read:
        classes_of(exam.task)
        assert exam.rows.y is not None
        known = exam.rows.y >= 0
        return cls(model.read(exam.rows.x[known])[0].argmax(1), exam.rows.y[known])


@dataclass(frozen=True)
class Meanings(Evidence):
    """Numbers that a model reads in test rows, codes (n, c), beside those that the rows were made from, (n, k)."""

    codes: Tensor
    factors: Tensor
    at_end: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("codes", "factors"):
            finite(name, x := getattr(self, name))
            if x.ndim != 2 or len(x) != len(self.codes):
                raise BadInput(f"{name} has shape {tuple(x.shape)}, expected numbers (n, d) of as many rows")

    @classmethod
    def collect(cls, model: Informative, exam: Exam) -> Meanings:
        if exam.task.factors is None:
            raise NotApplicable("the task does not know what its rows were made from")
        _, means = model.read(exam.rows.x)
        if not means.shape[1]:
            raise NotApplicable("its codes hold no numbers")
        return cls(means, exam.task.factors)


@dataclass(frozen=True)
class Analogies(Evidence):
    """Of classes that say two things, a is to b as c is to `wanted` (n,): the class that a judge sees in what was made
    of codes a, b, c by b - a + c, `of_codes` (n,), of their pictures by the same sum, `of_rows` (n,), and of new codes,
    `of_chance` (n,)."""

    wanted: Tensor
    of_codes: Tensor
    of_rows: Tensor
    of_chance: Tensor
    at_end: ClassVar[bool] = True

    CODES: ClassVar[int] = 3000
    EXEMPLARS: ClassVar[int] = 3
    TIMES: ClassVar[int] = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        whole_numbers(**{f.name: getattr(self, f.name) for f in fields(self)})

    @classmethod
    def collect(cls, model: Decoder, exam: Exam) -> Analogies:
        """By the mean of 3 codes a class (Radford et al., 2016, section 6.3.2), of pictures in which the judge sees it.
        Classes of which it sees too few are asked nothing of."""
        parts = classes_of(exam.task).parts
        if len(parts) != 2:
            raise NotApplicable("the task's classes do not say two things each")
        z = model.latent(cls.CODES)
        x = model.decode(z)
        seen = seen_as(exam.task, x)
        rows = {label: torch.where(seen == label)[0] for label in range(prod(parts))}
        rows = {label: found for label, found in rows.items() if len(found) >= cls.EXEMPLARS}
        codes, pictures, wanted = [], [], []
        kinds, ways = (range(part) for part in parts)
        for kind, other in ((k, o) for k in kinds for o in kinds if k != o):
            for way, target in ((w, t) for w in ways for t in ways if w != t):
                labels = [kind * parts[1] + way, kind * parts[1] + target, other * parts[1] + way]
                if not all(label in rows for label in labels):
                    continue
                for _ in range(cls.TIMES):
                    a, b, c = (rows[label][torch.randperm(len(rows[label]))[: cls.EXEMPLARS]] for label in labels)
                    codes.append(z[b].mean(0) - z[a].mean(0) + z[c].mean(0))
                    pictures.append(x[b].mean(0) - x[a].mean(0) + x[c].mean(0))
                    wanted.append(other * parts[1] + target)
        if not wanted:
            raise NotApplicable("a judge sees too few of its samples in any three classes that an analogy takes")
        made = (model.decode(torch.stack(codes)), torch.stack(pictures), model.decode(model.latent(len(wanted))))
        return cls(torch.tensor(wanted), *(seen_as(exam.task, rows) for rows in made))


@dataclass(frozen=True)
class Edits(Evidence):
    """Pictures painted on: start, mask, wanted and after (n, c, h, w) are what an editor makes of held-out rows with
    nothing painted, where a brush went (0 and 1), what with, and what it makes of them then; plain (m, c, h, w) are
    its own samples, real (k, c, h, w) training rows."""

    start: Tensor
    mask: Tensor
    wanted: Tensor
    after: Tensor
    plain: Tensor
    real: Tensor
    at_end: ClassVar[bool] = True

    ROWS: ClassVar[int] = 200

    def __post_init__(self) -> None:
        super().__post_init__()
        for f in fields(self):
            finite(f.name, x := getattr(self, f.name))
            same_shape(self.start, x)
            if f.name not in ("plain", "real") and len(x) != len(self.start):
                raise BadInput(f"{len(self.start)} rows to edit, but {len(x)} of {f.name}")

    @classmethod
    def collect(cls, model: Editor, exam: Exam) -> Edits:
        """A square of a third of a side, somewhere, is to be as in another held-out row."""
        x, shape = exam.rows.x[: cls.ROWS], exam.task.spec.x.shape
        if len(shape) != 3 or min(shape[1:]) < 3:
            raise NotApplicable(f"rows of shape {shape} are no pictures to paint on")
        side = min(shape[1:]) // 3
        mask = torch.zeros_like(x)
        for picture in mask:
            down, right = (int(torch.randint(length - side + 1, ())) for length in shape[1:])
            picture[:, down : down + side, right : right + side] = 1
        wanted = x.roll(1, 0)
        start, after = model.edit(x, torch.zeros_like(x), x), model.edit(x, mask, wanted)
        return cls(start, mask, wanted, after, sampled(model, len(x), exam.task.spec), learnt(exam.task, MEMORISABLE).x)

"""What a model leaves to be judged by: tensors, collected once under a fixed seed and kept.

The type of the first argument of `collect` says what a kind of evidence is made of: a capability of the
model, or other evidence. So metric -> evidence -> capability is read from annotations and stated nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar, get_type_hints

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from genbench.checkpoint import save_whole
from genbench.errors import BadInput, NotApplicable
from genbench.model import Autoencoder, Bounded, Density, Sampler, can, methods
from genbench.spaces import Space
from genbench.task import Labels, Rows, Spec, Task

E = TypeVar("E", bound="Evidence")
MEMORISABLE = 10_000  # training rows that the copying evidence looks among


def tensor(name: str, values: Any) -> Tensor:
    """Any array as a tensor. BadInput unless it has rows and all of them are finite (infinite log-densities pass)."""
    try:
        made = values if isinstance(values, Tensor) else torch.as_tensor(np.asarray(values))
    except (TypeError, ValueError):
        raise BadInput(f"{name} is not an array of numbers, all rows of one shape") from None
    if made.ndim == 0 or made.numel() == 0:
        raise BadInput(f"{name} holds no rows")
    if made.is_floating_point() and bool(torch.isnan(made).any()):
        rows = int(torch.isnan(made).flatten(1).any(1).sum() if made.ndim > 1 else torch.isnan(made).sum())
        raise BadInput(f"{name} has NaN in {rows} of {len(made)} rows; drop or mend them first")
    return made.detach()


@dataclass(frozen=True)
class Exam:
    """One sitting: the task, the split whose rows are shown, and the space images are compared in."""

    task: Task
    split: str
    space: Space

    @property
    def rows(self) -> Rows:
        return self.task.split(self.split)


@dataclass(frozen=True)
class Evidence:
    """A few tensors. Kinds that are cheap to make again from others are not kept on disk."""

    kept: ClassVar[bool] = True
    seen_through_a_space: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if not isinstance(value, int):
                object.__setattr__(self, f.name, tensor(f.name, value))

    def save(self, folder: Path) -> None:
        values = {f.name: torch.as_tensor(getattr(self, f.name)) for f in fields(self)}
        save_whole(values, folder / f"{type(self).__name__}.safetensors")

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        path = folder / f"{cls.__name__}.safetensors"
        if not path.exists():
            return None
        values: Mapping[str, Tensor] = load_file(path, device=str(torch.get_default_device()))
        hints = get_type_hints(cls)
        return cls(**{name: int(value) if hints[name] is int else value for name, value in values.items()})


def same_shape(real: Tensor, fake: Tensor) -> None:
    if real.shape[1:] != fake.shape[1:]:
        raise BadInput(f"real rows have shape {tuple(real.shape[1:])}, fake rows {tuple(fake.shape[1:])}")


def finite(name: str, x: Tensor) -> None:
    if not bool(torch.isfinite(x).all()):
        raise BadInput(f"{name} has infinite values; drop or mend them first")


def sampled(model: Sampler, n: int, spec: Spec) -> Tensor:
    """n samples. BadInput when their shape or values are not what the task's are."""
    x = model.sample(n)
    if tuple(x.shape) != (n, *spec.x.shape):
        raise BadInput(f"sample({n}) returned shape {tuple(x.shape)}, expected {(n, *spec.x.shape)}")
    finite("sample(n)", x)
    return x


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
    """Samples seen through a space: real (n, d) and fake (m, d)."""

    real: Tensor
    fake: Tensor
    kept: ClassVar[bool] = False
    seen_through_a_space: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("real", "fake"):
            x = getattr(self, name)
            finite(name, x)
            object.__setattr__(self, name, x.double().flatten(1) if x.ndim > 1 else x.double()[:, None])
        same_shape(self.real, self.fake)

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
        draws = exam.space.logits(samples.fake).argmax(1)
        return cls(draws, torch.full((classes.n,), 1 / classes.n), exhaustive=1)


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
        noise = torch.Generator(device=samples.fake.device).manual_seed(0)
        train = exam.task.train[:MEMORISABLE].dequantised(exam.task.spec.x, noise)
        return cls(train.x, samples.real, samples.fake)


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
        noise = torch.Generator(device=train.x.device).manual_seed(0)
        seen = train.dequantised(exam.task.spec.x, noise)  # as the held-out rows are, or the noise would be judged
        return cls(seen.x, train.y, samples.real, samples.fake)


@dataclass(frozen=True)
class LogProbs(Evidence):
    """Exact log-densities (n,) of held-out rows in nats; `size` numbers a row, each with `levels` levels (0: none)."""

    values: Tensor
    size: int
    levels: int

    @classmethod
    def collect(cls, model: Density, exam: Exam) -> LogProbs:
        spec = exam.task.spec
        return cls(model.log_prob(exam.rows.x), spec.size, getattr(spec.x, "levels", None) or 0)


@dataclass(frozen=True)
class Bounds(Evidence):
    """Lower bounds (n,) of the log-density of held-out rows in nats, from k samples a row."""

    values: Tensor
    k: int

    K: ClassVar[int] = 100

    @classmethod
    def collect(cls, model: Bounded, exam: Exam) -> Bounds:
        return cls(model.bound(exam.rows.x, cls.K), cls.K)


@dataclass(frozen=True)
class Reconstructions(Evidence):
    """Held-out rows (n, *shape) and what decode(encode(x)) makes of them."""

    real: Tensor
    again: Tensor

    def __post_init__(self) -> None:
        super().__post_init__()
        same_shape(self.real, self.again)

    @classmethod
    def collect(cls, model: Autoencoder, exam: Exam) -> Reconstructions:
        return cls(exam.rows.x, model.decode(model.encode(exam.rows.x)))


KINDS: tuple[type[Evidence], ...] = (
    Samples, Features, Logits, Symbols, Copies, Judged, LogProbs, Bounds, Reconstructions,
)  # fmt: skip


def source(kind: type[Evidence]) -> type:
    """What a kind of evidence is made of: the annotation of `collect`'s first argument."""
    first: type = next(iter(get_type_hints(kind.__dict__["collect"].__func__).values()))
    return first


def needs(kind: type[Evidence]) -> tuple[type[Evidence], type]:
    """The kind that is collected from the model itself, and the capability that this takes."""
    made_of = source(kind)
    return needs(made_of) if issubclass(made_of, Evidence) else (kind, made_of)


@dataclass
class Desk:
    """Where one model sits one exam: each kind of evidence is collected once, or read from where it was kept."""

    exam: Exam
    model: Any = None
    folder: Path | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        self.made: dict[type[Evidence], Evidence | NotApplicable] = {}

    def get(self, kind: type[E]) -> E:
        """Evidence of a kind. NotApplicable, with the reason, where the model or the task has none."""
        if kind not in self.made:
            try:
                self.made[kind] = self.make(kind)
            except NotApplicable as reason:
                self.made[kind] = reason
            except NotImplementedError as reason:
                self.made[kind] = NotApplicable(str(reason) or "the model says that it cannot")
        made = self.made[kind]
        if isinstance(made, NotApplicable):
            raise made
        assert isinstance(made, kind)
        return made

    def make(self, kind: type[E]) -> E:
        made_of = source(kind)
        if issubclass(made_of, Evidence):
            return kind.collect(self.get(made_of), self.exam)  # type: ignore[attr-defined, no-any-return]
        if self.folder and (kept := kind.load(self.folder)):
            return kept
        if self.model is None or not can(type(self.model), made_of):
            raise NotApplicable(f"no {' and '.join(methods(made_of))}")
        if self.seed is not None:  # each kind has its own, so that asking for one more changes no other
            torch.manual_seed((self.seed + KINDS.index(kind)) % 2**32 if kind in KINDS else self.seed)
        made: E = kind.collect(self.model, self.exam)  # type: ignore[attr-defined]
        if self.folder and kind.kept:
            made.save(self.folder)
        return made

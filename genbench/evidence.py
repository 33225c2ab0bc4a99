"""What a model leaves to be judged by: tensors, collected once under a fixed seed and kept.

The type of the first argument of `collect` says what a kind of evidence is made of: a capability of the
model, or other evidence. So metric -> evidence -> capability is read from annotations and stated nowhere else.
"""

from __future__ import annotations

import copy
import math
import operator
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from functools import cached_property
from math import prod
from typing import Any, ClassVar, Self, TypeVar, get_type_hints

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from genbench import annealing, dynamics, forest
from genbench.checkpoint import save_whole
from genbench.errors import BadInput, NotApplicable
from genbench.model import (
    Autoencoder,
    Bounded,
    ConditionalSampler,
    Critic,
    Decoder,
    Density,
    Detector,
    Discriminator,
    Editor,
    Encoder,
    Estimator,
    ExactSampler,
    Informative,
    Joint,
    Learner,
    LipschitzCritic,
    Mover,
    Sampler,
    Tester,
    Unnormalised,
    Walker,
    can,
    methods,
)
from genbench.record import Estimate
from genbench.spaces import Space
from genbench.task import Bits, Game, Labels, Real, Rivals, Rows, Spec, Task, Trial

E = TypeVar("E", bound="Evidence")
SHARD = 2**26  # bytes of one tensor in one file
MEMORISABLE = 10_000  # training rows that the copying evidence looks among
LARGEST = 1e25  # of a feature or a pixel: twelfth powers are still finite, which the error of KID takes


def tensor(name: str, values: Any) -> Tensor:
    """Any array as a tensor. BadInput unless it has rows of real numbers with no NaN (infinite log-densities pass)."""
    try:
        made = values if isinstance(values, Tensor) else torch.as_tensor(np.require(values, requirements=["C", "W"]))
    except (TypeError, ValueError):
        raise BadInput(f"{name} is not an array of numbers, all rows of one shape") from None
    if made.ndim == 0 or made.numel() == 0:
        raise BadInput(f"{name} holds no rows")
    if made.is_complex():
        raise BadInput(f"{name} holds complex numbers; give real ones")
    if made.is_floating_point() and bool(made.sum().isnan()) and bool(torch.isnan(made).any()):  # a sum is read once
        rows = int(torch.isnan(made).flatten(1).any(1).sum() if made.ndim > 1 else torch.isnan(made).sum())
        raise BadInput(f"{name} has NaN in {rows} of {len(made)} rows; drop or mend them first")
    return made.detach()


@dataclass(frozen=True)
class Exam:
    """One sitting: the task, the split whose rows are shown, the space images are compared in, where the evidence of
    `earlier` sittings is kept, in order, and the trace that training has left so far."""

    task: Task
    split: str
    space: Space
    earlier: tuple[pathlib.Path, ...] = ()
    trace: Sequence[Mapping[str, Any]] = ()

    @property
    def rows(self) -> Rows:
        return self.task.split(self.split)


@dataclass(frozen=True)
class Evidence:
    """A few tensors; one with a default may be empty. Kinds that are cheap to make again are not kept on disk, and
    costly ones are collected once, at the end. What is shown `once` is asked nothing more."""

    kept: ClassVar[bool] = True
    at_end: ClassVar[bool] = False
    seen_through_a_space: ClassVar[bool] = False
    once: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            left_out = f.default is not MISSING and isinstance(value, Tensor) and not value.numel()
            if not (isinstance(value, int) or left_out):
                object.__setattr__(self, f.name, tensor(f.name, value))

    @classmethod
    def shard(cls, folder: pathlib.Path, number: int) -> pathlib.Path:
        return folder / f"{cls.__name__}{f'.{number}' * bool(number)}.safetensors"

    def save(self, folder: pathlib.Path) -> None:
        """In files of the first rows of each tensor, the next rows, and so on; the first comes last and counts them."""
        values = {f.name: torch.as_tensor(getattr(self, f.name)) for f in fields(self)}
        parts = {
            name: torch.split(x, max(1, SHARD // max(1, x[:1].nbytes))) if x.ndim else [x] for name, x in values.items()
        }
        shards = max(map(len, parts.values()))
        for number in reversed(range(shards)):
            some = {name: part[number] for name, part in parts.items() if number < len(part)}
            save_whole(some, self.shard(folder, number), {"shards": str(shards)})

    @classmethod
    def load(cls, folder: pathlib.Path) -> Self | None:
        if not (first := cls.shard(folder, 0)).exists():
            return None
        with safe_open(first, framework="pt") as file:
            shards = int((file.metadata() or {}).get("shards", 1))
        parts: dict[str, list[Tensor]] = {}
        for number in range(shards):
            for name, part in load_file(cls.shard(folder, number), device=str(torch.get_default_device())).items():
                parts.setdefault(name, []).append(part)
        hints = get_type_hints(cls)
        values = {name: torch.cat(part) if len(part) > 1 else part[0] for name, part in parts.items()}
        return cls(**{name: int(value) if hints[name] is int else value for name, value in values.items()})


def same_shape(real: Tensor, fake: Tensor) -> None:
    if real.shape[1:] != fake.shape[1:]:
        raise BadInput(f"real rows have shape {tuple(real.shape[1:])}, fake rows {tuple(fake.shape[1:])}")


def finite(name: str, x: Tensor) -> None:
    most = max(abs(float(end)) for end in x.aminmax()) if x.numel() else 0.0
    if not math.isfinite(most):
        raise BadInput(f"{name} has infinite values; drop or mend them first")
    if most > LARGEST:
        raise BadInput(f"{name} has values of {most:.0e}, whose powers overflow; bring them to another scale")


def learnt(task: Task, most: int | None = None) -> Rows:
    """Training rows with one draw of noise, as held-out rows carry it, or it is the noise that would be judged."""
    rows = task.train[:most]
    return rows.dequantised(task.spec.x, torch.Generator(device=rows.x.device).manual_seed(0))


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
class Elbos(Evidence):
    """Lower bounds (n,) of the log-density of held-out rows in nats, from one sample a row."""

    values: Tensor

    @classmethod
    def collect(cls, model: Bounded, exam: Exam) -> Elbos:
        return cls(model.bound(exam.rows.x, 1))


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


@dataclass(frozen=True)
class LogWeights(Evidence):
    """Log importance weights (samples, rows) in nats: over a row's samples, the mean of exp is its density p(x)."""

    values: Tensor
    at_end: ClassVar[bool] = True

    ROWS: ClassVar[int] = 50
    CHAINS: ClassVar[int] = 8
    TEMPERATURES: ClassVar[int] = 200

    @property
    def bounds(self) -> Tensor:
        """log (1/k) sum_i w_i for each row (rows,): its own stochastic lower bound on log p(x)."""
        return self.values.double().logsumexp(0) - math.log(len(self.values))

    @classmethod
    def collect(cls, model: Joint, exam: Exam) -> LogWeights:
        """By annealing from the prior to the posterior of each of the first ROWS held-out rows."""
        betas = annealing.temperatures(cls.TEMPERATURES)
        return cls(annealing.row_weights(model, exam.rows.x[: cls.ROWS], cls.CHAINS, betas))


NONE = torch.zeros(0)


@dataclass(frozen=True)
class AnnealedWeights(Evidence):
    """Log weights in nats, (chains,) of one constant Z or (chains, rows) of one a row.

    The mean of exp(forward) is Z. The mean of exp(-reverse) is 1/Z where `exact` is 1: every reverse chain began at an
    exact draw. values (n,): log p(x) + log Z of held-out rows, where rows were asked about.
    """

    forward: Tensor
    reverse: Tensor = NONE
    values: Tensor = NONE
    exact: int = 1
    at_end: ClassVar[bool] = True

    CHAINS: ClassVar[int] = 100
    TEMPERATURES: ClassVar[int] = 1000

    def __post_init__(self) -> None:
        super().__post_init__()
        finite("reverse", self.reverse)
        for name in ("forward", "values"):
            if bool((getattr(self, name) == torch.inf).any()):
                raise BadInput(f"{name} has +inf, which no log weight and no log-density is; mend what made it")

    @classmethod
    def collect(cls, model: Unnormalised, exam: Exam) -> AnnealedWeights:
        """Reverse chains begin at exact draws where the model has them, else at its samples, else there are none."""
        betas, x = annealing.temperatures(cls.TEMPERATURES), exam.rows.x
        forward = annealing.forward(model, x[:1].expand(cls.CHAINS, *x.shape[1:]), betas)
        starts, exact = draws(model, cls.CHAINS)
        reverse = NONE if starts is None else annealing.reverse(model, starts, betas)
        return cls(forward, reverse, -model.energy(x), exact)


def draws(model: Unnormalised, n: int) -> tuple[Tensor | None, int]:
    """n draws of a model, and 1 where they are exact; none where it has no way to draw."""
    for capability, ask, exact in ((ExactSampler, "exact_sample", 1), (Sampler, "sample", 0)):
        try:
            if can(type(model), capability):
                return getattr(model, ask)(n), exact
        except NotImplementedError:
            continue
    return None, 0


@dataclass(frozen=True)
class PairedImages(Evidence):
    """Images (n, 1 or 3, h, w), in [0, 1] or bytes, and what was made to look like them; both kept in float64.

    On this scale the data range that PSNR and SSIM speak of is 1. What was made may leave it.
    """

    real: Tensor
    again: Tensor
    kept: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        same_shape(self.real, self.again)
        for name in ("real", "again"):
            x = getattr(self, name)
            finite(name, x)
            object.__setattr__(self, name, x.double() / 255 if x.dtype == torch.uint8 else x.double())
        if self.real.ndim != 4 or self.real.shape[1] not in (1, 3):
            raise NotApplicable(f"rows of shape {tuple(self.real.shape[1:])} are no images (1 or 3, h, w)")
        if len(self.real) != len(self.again):
            raise BadInput(f"{len(self.real)} images, but {len(self.again)} made to look like them")
        low, high = float(self.real.min()), float(self.real.max())
        if low < -1e-6 or high > 1 + 1e-6:
            raise BadInput(f"real has values in [{low:.4g}, {high:.4g}]; give bytes, or bring floats to [0, 1]")

    @classmethod
    def collect(cls, pair: Reconstructions, exam: Exam) -> PairedImages:
        """Brought to [0, 1] from the range that the task states."""
        x = exam.task.spec.x
        low, high = (x.low, x.high) if isinstance(x, Real) else (0.0, 1.0)
        if low is None or high is None:
            raise NotApplicable("the task does not state the range of its values, which the data range is")
        return cls(*((rows.double() - low) / (high - low) for rows in (pair.real, pair.again)))


@dataclass(frozen=True)
class Codes(Evidence):
    """Codes (n, d) of held-out rows and their classes (n,)."""

    codes: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        super().__post_init__()
        finite("codes", self.codes)
        if self.labels.ndim != 1 or self.labels.is_floating_point() or len(self.labels) != len(self.codes):
            told = f"{str(self.labels.dtype)[6:]} of shape {tuple(self.labels.shape)}"
            raise BadInput(f"labels is {told}; {len(self.codes)} whole numbers are needed, one a code")

    @classmethod
    def collect(cls, model: Encoder, exam: Exam) -> Codes:
        """Of the rows that have a class."""
        if exam.rows.y is None or not isinstance(exam.task.spec.y, Labels):
            raise NotApplicable("the task has no classes that codes could keep apart")
        known = exam.rows.y >= 0
        return cls(model.encode(exam.rows.x[known]), exam.rows.y[known])


@dataclass(frozen=True)
class Compressed(Evidence):
    """Held-out rows (n, *shape), and what a decoder makes of their codes sent in `bits` bits a row."""

    real: Tensor
    again: Tensor
    bits: int

    BITS: ClassVar[int] = 6  # of each number of a code

    def __post_init__(self) -> None:
        super().__post_init__()
        same_shape(self.real, self.again)

    @classmethod
    def collect(cls, model: Autoencoder, exam: Exam) -> Compressed:
        """Each number is cut to equal steps between its extremes over training rows: what lies beyond is lost. Of a
        code that is the number of a cluster, one-hot, the number is sent."""
        train = model.encode(learnt(exam.task, MEMORISABLE).x)
        if bool((train.amax(1) == 1).all() and (train.abs().sum(1) == 1).all()):
            bits = max(1, math.ceil(math.log2(train.shape[1])))
            return cls(exam.rows.x, model.decode(model.encode(exam.rows.x)), bits)
        low, step = train.amin(0), (train.amax(0) - train.amin(0)).clamp(min=1e-12) / (2**cls.BITS - 1)
        sent = ((model.encode(exam.rows.x) - low) / step).round().clamp(0, 2**cls.BITS - 1)
        return cls(exam.rows.x, model.decode(low + step * sent), sent.shape[1] * cls.BITS)


@dataclass(frozen=True)
class Grid(Evidence):
    """Rows (a, b, *shape) decoded from a grid of codes of two numbers."""

    rows: Tensor
    at_end: ClassVar[bool] = True

    SIDE: ClassVar[int] = 20
    DRAWS: ClassVar[int] = 20_000

    def __post_init__(self) -> None:
        super().__post_init__()
        finite("rows", self.rows)
        if self.rows.ndim < 3:
            raise BadInput(f"rows has shape {tuple(self.rows.shape)}, expected (a, b, *shape)")

    @classmethod
    def collect(cls, model: Decoder, exam: Exam) -> Grid:
        """At equal steps of each number's own distribution in the prior, of which that many draws are taken."""
        drawn = model.latent(cls.DRAWS)
        if drawn.ndim != 2 or drawn.shape[1] != 2:
            raise NotApplicable(f"a plane of codes has 2 numbers, these have {drawn.shape[1]}")
        steps = (torch.arange(cls.SIDE) + 0.5) / cls.SIDE
        rows = model.decode(torch.cartesian_prod(*drawn.quantile(steps.to(drawn), 0).T))
        return cls(rows.reshape(cls.SIDE, cls.SIDE, *rows.shape[1:]))


@dataclass(frozen=True)
class Walks(Evidence):
    """Rows decoded along straight lines of codes at equal steps: between two codes each, rows (n, steps, *shape), and
    from one code with one number of it changed from low to high, along (numbers, steps, *shape)."""

    rows: Tensor
    along: Tensor
    at_end: ClassVar[bool] = True

    WALKS: ClassVar[int] = 200
    STEPS: ClassVar[int] = 16
    NUMBERS: ClassVar[int] = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("rows", "along"):
            finite(name, x := getattr(self, name))
            if x.ndim < 3 or x.shape[1] < 3:
                raise BadInput(f"{name} has shape {tuple(x.shape)}, expected (n, steps, *shape) of at least 3 steps")

    @classmethod
    def collect(cls, model: Decoder, exam: Exam) -> Walks:
        """Low and high are the 5 % and 95 % quantiles in the prior; of the numbers those that change the row most."""
        z = model.latent(2 * cls.WALKS)
        if z.ndim != 2:
            raise NotApplicable(f"codes of shape {tuple(z.shape[1:])} are no numbers to change one by one")
        t = torch.linspace(0, 1, cls.STEPS).to(z)
        low, high = z.quantile(torch.tensor([0.05, 0.95]).to(z), 0)
        along = z[:1, None].repeat(z.shape[1], cls.STEPS, 1)
        numbers = torch.arange(z.shape[1])
        along[numbers, :, numbers] = torch.lerp(low[:, None], high[:, None], t)
        between = torch.lerp(z[: cls.WALKS, None], z[cls.WALKS :, None], t[:, None])
        rows, changed = (model.decode(c.flatten(0, 1)).unflatten(0, c.shape[:2]) for c in (between, along))
        moved = (changed[:, 1:] - changed[:, :-1]).flatten(2).norm(dim=2).sum(1)
        return cls(rows, changed[moved.argsort(descending=True)[: cls.NUMBERS]])


@dataclass(frozen=True)
class Filters(Evidence):
    """What each unit looks for, as pictures (units, c, h, w)."""

    filters: Tensor
    at_end: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        finite("filters", self.filters)
        if self.filters.ndim != 4 or min(self.filters.shape[2:]) < 2:
            raise NotApplicable(f"filters of shape {tuple(self.filters.shape[1:])} are no pictures (c, h, w)")

    @classmethod
    def collect(cls, model: Detector, exam: Exam) -> Filters:
        return cls(model.filters())


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
class Trace(Evidence):
    """What each traced turn left, in their order: its loss (t,) and its gradient's norm (t,), and whose it was (t,),
    0 for the player that moved first."""

    loss: Tensor
    norm: Tensor
    player: Tensor
    at_end: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        finite("loss", self.loss)
        finite("norm", self.norm)
        if not self.loss.shape == self.norm.shape == self.player.shape == (len(self.loss),):
            raise BadInput("loss, norm and player are one number a turn: (t,)")

    @classmethod
    def collect(cls, model: Learner, exam: Exam) -> Trace:
        if not exam.trace:
            raise NotApplicable("no turn was traced")
        names = list(dict.fromkeys(turn["player"] for turn in exam.trace))
        turns = [(turn["loss"], turn["norm"], names.index(turn["player"])) for turn in exam.trace]
        loss, norm, player = torch.tensor(turns, dtype=torch.float64).T
        return cls(loss, norm, player.long())


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


@dataclass(frozen=True)
class Scores(Evidence):
    """What a critic thinks of held-out rows, real (n,), and of its generator's samples, fake (m,)."""

    real: Tensor
    fake: Tensor

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("real", "fake"):
            finite(name, x := getattr(self, name))
            if x.ndim != 1:
                raise BadInput(f"{name} has shape {tuple(x.shape)}, expected one score a row: (n,)")

    @classmethod
    def collect(cls, model: Critic, exam: Exam) -> Scores:
        fake = sampled(model, len(exam.rows), exam.task.spec)  # type: ignore[arg-type]
        return cls(model.score(exam.rows.x), model.score(fake))


@dataclass(frozen=True)
class LipschitzScores(Scores):
    """The same, of a critic whose Lipschitz constant is at most 1: one with a known constant, divided by it."""

    @classmethod
    def collect(cls, model: LipschitzCritic, exam: Exam) -> LipschitzScores:  # type: ignore[override]
        fake, most = sampled(model, len(exam.rows), exam.task.spec), model.lipschitz()  # type: ignore[arg-type]
        return cls(model.score(exam.rows.x) / most, model.score(fake) / most)


@dataclass(frozen=True)
class Odds(Evidence):
    """The log-odds (n,) that rows are real, known and as a critic has them, over as many real rows as fakes."""

    known: Tensor
    said: Tensor

    def __post_init__(self) -> None:
        super().__post_init__()
        finite("said", self.said)
        finite("known", self.known)
        if not self.known.shape == self.said.shape == (len(self.known),):
            raise BadInput("known and said are one number a row: (n,)")

    @classmethod
    def collect(cls, model: Discriminator, exam: Exam) -> Odds:
        if exam.task.log_prob is None:
            raise NotApplicable("the task's density is not known")
        fake = sampled(model, len(exam.rows), exam.task.spec)  # type: ignore[arg-type]
        x = torch.cat([exam.rows.x, fake])
        return cls(exam.task.log_prob(x) - model.fake_log_prob(x), model.score(x))


def game_of(task: Task) -> Game:
    if task.spec.game is None:
        raise NotApplicable(f"{task.name} is no game")
    return task.spec.game


@dataclass(frozen=True)
class Path(Evidence):
    """Joint moves (t, d) of the players of a game, round by round, in float64, and what is known of them.

    paid (t,): the first player's loss at each; equilibria (k, d) of the game; gaps (t,) of each joint move and, in
    `average_gaps`, of the average of all so far.
    """

    points: Tensor
    paid: Tensor
    equilibria: Tensor = NONE
    gaps: Tensor = NONE
    average_gaps: Tensor = NONE

    def __post_init__(self) -> None:
        super().__post_init__()
        for f in fields(self):
            x = getattr(self, f.name)
            finite(f.name, x)
            object.__setattr__(self, f.name, x.double())
        if self.points.ndim != 2 or len(self.paid) != len(self.points):
            raise BadInput(f"points has shape {tuple(self.points.shape)}, expected (t, d), with {len(self.paid)} paid")

    @classmethod
    def collect(cls, model: Mover, exam: Exam) -> Path:
        task, x = exam.task, model.path().double()
        game = game_of(task)
        finite("path()", x)
        averages = x.cumsum(0) / torch.arange(1, len(x) + 1)[:, None]
        gaps = (NONE, NONE) if task.gap is None else (task.gap(x), task.gap(averages))
        return cls(x, game.losses(*game.moves(x))[0], NONE if task.solution is None else task.solution, *gaps)


@dataclass(frozen=True)
class Spread(Evidence):
    """How the place after each move depends on where play began, beside an equilibrium: d x_t / d x_0 (t, d, d)."""

    jacobians: Tensor
    at_end: ClassVar[bool] = True

    EXAMPLES: ClassVar[int] = 60

    def __post_init__(self) -> None:
        super().__post_init__()
        finite("jacobians", self.jacobians)
        object.__setattr__(self, "jacobians", self.jacobians.double())

    @classmethod
    def collect(cls, model: Mover, exam: Exam) -> Spread:
        """About the equilibrium nearest to the path's end."""
        task = exam.task
        if game_of(task).mixed:
            raise NotApplicable("mixed moves end in corners, beside which there is no line to follow")
        if task.solution is None:
            raise NotApplicable("no equilibrium of this game is known")
        nearest = (task.solution - model.path()[-1]).norm(dim=1).argmin()
        return cls(dynamics.spread(model, task, task.solution[nearest], cls.EXAMPLES))


@dataclass(frozen=True)
class Field(Evidence):
    """The field of a game: its Jacobians (t, d, d) at the last points of a path and, where the joint moves are a plane,
    at the `points` (n, 2) of a grid where the players are headed, `ahead` (n, 2), and the `relaxed` field (n, 2)."""

    jacobians: Tensor
    points: Tensor = NONE
    ahead: Tensor = NONE
    relaxed: Tensor = NONE
    at_end: ClassVar[bool] = True

    LAST: ClassVar[int] = 20
    SIDE: ClassVar[int] = 17

    def __post_init__(self) -> None:
        super().__post_init__()
        finite("jacobians", self.jacobians)
        object.__setattr__(self, "jacobians", self.jacobians.double())

    @classmethod
    def collect(cls, model: Mover, exam: Exam) -> Field:
        """The grid reaches a quarter beyond where play may begin."""
        game, starts = game_of(exam.task), exam.task.train.x.double()
        bent = dynamics.jacobians(game, model.path()[-cls.LAST :].double())
        if starts.shape[1] != 2:
            return cls(bent)
        middle, reach = (starts.amax(0) + starts.amin(0)) / 2, 1.25 * (starts.amax(0) - starts.amin(0)) / 2
        steps = torch.linspace(-1, 1, cls.SIDE, dtype=torch.float64)
        points = middle + reach * torch.cartesian_prod(steps, steps)
        return cls(bent, points, *dynamics.fields(game, points))


def grid(cells: Tensor) -> None:
    """BadInput unless they are the n, the draws, the epsilon and the seconds of each cell, (cells, 4)."""
    if cells.ndim != 2 or cells.shape[1] != 4:
        raise BadInput(f"cells has shape {tuple(cells.shape)}, expected (cells, 4)")
    finite("cells", cells)


@dataclass(frozen=True)
class PValues(Evidence):
    """What a test said on a grid: p-values null (k, cells) where there was nothing to find, far (m, cells) where there
    was; cells (cells, 4) are the n, the draws, the epsilon of each, and the seconds that one test took."""

    null: Tensor
    far: Tensor
    cells: Tensor
    at_end: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        grid(self.cells)
        if not float(self.cells.min()) > 0:
            raise BadInput("cells has numbers that are not above 0; n, draws, epsilon and seconds are")
        object.__setattr__(self, "cells", self.cells.double())
        for name in ("null", "far"):
            p = getattr(self, name)
            if p.shape[1:] != self.cells.shape[:1]:
                raise BadInput(f"{name} has shape {tuple(p.shape)}, expected (repeats, {len(self.cells)} cells)")
            if not 0 <= float(p.min()) <= float(p.max()) <= 1:
                raise BadInput(f"{name} has values outside 0..1, which are no p-values")
            object.__setattr__(self, name, p.double())

    @classmethod
    def collect(cls, model: Tester, exam: Exam) -> PValues:
        """Every test is shown the same trials: their noise is a generator of its own."""
        return cls(*answered(exam.task.trials, model.pvalue))


def answered(trials: Sequence[Trial], ask: Callable[..., Any]) -> tuple[Tensor, Tensor, Tensor]:
    """The answers to the nulls (k, cells, ...) and to the alternatives (m, cells, ...) of trials, and their cells. A
    null that trials share is asked once."""
    if not trials:
        raise NotApplicable("the task has no trials")
    noise = torch.Generator().manual_seed(int(torch.randint(2**62, ())))
    said: dict[Rivals, Tensor] = {}
    spent = 0.0

    def asked(rivals: Rivals, times: int) -> Tensor:
        nonlocal spent
        answers = []
        for _ in range(times):
            drawn = rivals(noise)
            started = time.perf_counter()
            answers.append(ask(*drawn))
            spent += time.perf_counter() - started
        return torch.tensor(answers, dtype=torch.float64)

    null, far, cells = [], [], []
    for trial in trials:
        before, times = spent, trial.repeats
        if trial.null not in said:
            said[trial.null] = asked(trial.null, trial.nulls)
            times += trial.nulls
        null.append(said[trial.null])
        far.append(asked(trial.alternative, trial.repeats))
        cells.append((trial.n, trial.draws, trial.epsilon, max(spent - before, 1e-9) / times))
    return torch.stack(null, 1), torch.stack(far, 1), torch.tensor(cells, dtype=torch.float64)


def ends(e: Estimate) -> tuple[float, float, float]:
    """Value, low and high, an end infinite that was not given."""
    return e.value, -math.inf if e.low is None else e.low, math.inf if e.high is None else e.high


@dataclass(frozen=True)
class Estimates(Evidence):
    """What an estimator said on a grid: (value, low, high) null (k, cells, 3) where the laws are equal, far
    (m, cells, 3) where they are not, an end infinite that it does not give; cells (cells, 4) are the n, the draws, the
    epsilon of each, and the seconds that one estimate took; known (cells, 2) what was to be found, of either; kinds
    (cells,) what was wrong, by its place in FAULTS."""

    null: Tensor
    far: Tensor
    cells: Tensor
    known: Tensor = NONE
    kinds: Tensor = NONE
    at_end: ClassVar[bool] = True

    FAULTS: ClassVar[tuple[str, ...]] = (
        "noise", "blur", "dropped", "imbalance", "duplicates", "copies", "fewer",
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        grid(self.cells)
        finite("known", self.known)
        for name in ("null", "far"):
            said = getattr(self, name)
            if said.shape[1:] != (len(self.cells), 3):
                raise BadInput(f"{name} has shape {tuple(said.shape)}, expected (repeats, {len(self.cells)} cells, 3)")
            finite(f"the values of {name}", said[..., 0])
        if self.known.numel() and self.known.shape != (len(self.cells), 2):
            raise BadInput(f"known has shape {tuple(self.known.shape)}, expected ({len(self.cells)} cells, 2)")
        for f in fields(self):
            object.__setattr__(self, f.name, getattr(self, f.name).double())

    @classmethod
    def collect(cls, model: Estimator, exam: Exam) -> Estimates:
        """Every estimator is shown the same trials."""
        trials = exam.task.trials
        known = [trial.known.get(model.of) for trial in trials]
        kinds = [cls.FAULTS.index(trial.kind) for trial in trials if trial.kind]
        return cls(
            *answered(trials, lambda x, y: ends(model.estimate(x, y))),
            torch.tensor(known, dtype=torch.float64) if all(known) else NONE,
            torch.tensor(kinds) if kinds else NONE,
        )


@dataclass(frozen=True)
class Kernel(Evidence):
    """The moves of a Markov chain, kernel (n, n), rows summing to one, and the law (n,) that it is to sample."""

    kernel: Tensor
    law: Tensor

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kernel.ndim != 2 or self.kernel.shape != (*self.law.shape, *self.law.shape):
            raise BadInput(f"kernel has shape {tuple(self.kernel.shape)}, law {tuple(self.law.shape)}")
        for name in ("kernel", "law"):
            finite(name, getattr(self, name))
            p = getattr(self, name).double()
            total = p.sum(-1, keepdim=True)
            if float(p.min()) < -1e-9 or float((total - 1).abs().max()) > 0.02:
                raise BadInput(f"{name} holds no chances: they are at least 0 and sum to one")
            object.__setattr__(self, name, p / total)

    @classmethod
    def collect(cls, model: Walker, exam: Exam) -> Kernel:
        spec = exam.task.spec.x
        if exam.task.log_prob is None or not isinstance(spec, Bits):
            raise NotApplicable("the law of the task is not known state by state")
        kernel = model.kernel()
        states = torch.arange(len(kernel))[:, None] >> torch.arange(prod(spec.shape)) & 1
        return cls(kernel, exam.task.log_prob(states.float().view(-1, *spec.shape)).double().exp())


def classes_of(task: Task) -> Labels:
    if task.train.y is None or not isinstance(task.spec.y, Labels):
        raise NotApplicable("the task has no classes")
    return task.spec.y


def seen_as(task: Task, x: Tensor) -> Tensor:
    """The class (n,) that a forest of the training rows, which no space uses, sees in each row."""
    train = learnt(task)
    assert train.y is not None
    return torch.as_tensor(forest.judge(train.x, train.y).predict(forest.numbers(x)))


def whole_numbers(**sets: Tensor) -> None:
    """BadInput unless each is one whole number a row, as many rows in each."""
    n = len(next(iter(sets.values())))
    for name, x in sets.items():
        if x.is_floating_point() or x.dtype == torch.bool or x.shape != (n,) or int(x.min()) < 0:
            told = f"{str(x.dtype)[6:]} of shape {tuple(x.shape)}"
            raise BadInput(f"{name} is {told}; {n} whole numbers from 0 are needed, one a row")


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


KINDS: tuple[type[Evidence], ...] = (
    Samples, Features, Logits, Symbols, Copies, Judged, LogProbs, Bounds, Reconstructions,
    LogWeights, AnnealedWeights, Draws, PairedImages, Codes, Pictures, Elbos, Compressed, Grid, Filters, Visits,
    Trace, Batches, Scores, LipschitzScores, Odds,
    Path, Spread, Field,
    PValues, Kernel, Estimates,
    Conditionals, Told, Read, Meanings, Analogies, Edits, Walks,
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
    folder: pathlib.Path | None = None
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

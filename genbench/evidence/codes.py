"""Evidence of codes: what they give back, keep apart and lie beside."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from genbench.errors import BadInput, NotApplicable
from genbench.evidence.kind import MEMORISABLE, Evidence, Exam, finite, learnt, same_shape
from genbench.model import Autoencoder, Decoder, Detector, Encoder
from genbench.task import Labels, Real


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
        rows, changed = (torch.unflatten(model.decode(c.flatten(0, 1)), 0, c.shape[:2]) for c in (between, along))
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

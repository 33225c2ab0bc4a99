"""What is kept of a run to be looked at alone; no metric reads it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genbench.evidence import MEMORISABLE, Evidence, Exam, Samples, learnt
from genbench.model import Density, can

FIRST = 12  # pictures that a strip of a page shows
SIDE = 60  # points along a side of a plane


@dataclass(frozen=True)
class Nearest(Evidence):
    """The first fake rows (n, *shape), and of as many training rows the nearest to each, as numbers in a row lie."""

    fake: Tensor
    train: Tensor

    @classmethod
    def collect(cls, samples: Samples, exam: Exam) -> Nearest:
        fake, train = samples.fake[:FIRST], learnt(exam.task, MEMORISABLE).x
        near = torch.cdist(fake.flatten(1).double(), train.flatten(1).double()).argmin(1)
        return cls(fake, train[near])


@dataclass(frozen=True)
class Plane(Evidence):
    """A density (SIDE, SIDE) over the plane of the held-out rows, its greatest 1; rows from low[1] to high[1] up."""

    density: Tensor
    low: Tensor
    high: Tensor

    @classmethod
    def collect(cls, model: Density, exam: Exam) -> Plane:
        least, most = exam.rows.x.aminmax(dim=0)
        middle, reach = (least + most) / 2, 0.6 * (most - least).max()
        low, high = middle - reach, middle + reach
        x, y = (torch.linspace(float(a), float(b), SIDE) for a, b in zip(low, high, strict=True))
        values = model.log_prob(torch.cartesian_prod(x, y)).reshape(SIDE, SIDE).T
        return cls((values - values.max()).exp(), low, high)


def keep_exhibits(folder: Path, exam: Exam, model: Any) -> None:
    """Leave beside a run's evidence what its page shows: nearest training rows of pictures, the density of a plane."""
    samples = Samples.load(folder)
    if samples is not None and samples.fake.ndim == 4 and len(exam.task.train):
        Nearest.collect(samples, exam).save(folder)
    if exam.task.spec.x.shape == (2,) and can(type(model), Density):
        try:
            Plane.collect(model, exam).save(folder)
        except Exception:
            return  # no density after all, or none out there: like a metric's, such a fault stops no run

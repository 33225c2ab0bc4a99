"""The training rows that lie nearest to a model's first samples: what a page shows beside them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from genbench.evidence import MEMORISABLE, Evidence, Exam, Samples, learnt

FIRST = 12  # pictures that a strip of a page shows


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


def keep_nearest(folder: Path, exam: Exam) -> None:
    """Leave them beside a run's kept samples, where those are pictures and training rows are known."""
    samples = Samples.load(folder)
    if samples is not None and samples.fake.ndim == 4 and len(exam.task.train):
        Nearest.collect(samples, exam).save(folder)

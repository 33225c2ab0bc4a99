"""A two-sample test by a classifier: if it beats a coin on rows that it has not seen, the laws differ."""

from __future__ import annotations

import math
from typing import Any

import torch
from scipy import stats
from torch import Tensor

from baselines.testing.permutation import pooled
from genbench.task import Spec, Uniform


class C2ST:
    """Lopez-Paz & Oquab (2017) with their k nearest neighbours, k = sqrt(training rows), odd so that no vote is even.

    p is the chance of as many right answers by a coin. Of each set half is held out, so under the null the right
    answers are Bin(h, q) + Bin(h, 1 - q) for some q: as many in the mean as the coin's and never more spread, so that
    the test errs on the side of caution.
    """

    def __init__(self, spec: Spec) -> None:
        pass

    def fit(self, stream: Any) -> None:
        """Nothing to learn."""

    def pvalue(self, x: Tensor, y: Tensor | Uniform) -> float:
        rows = pooled(x, y)
        half = min(len(x), len(rows) - len(x)) // 2  # of each set, or the larger would be the better guess
        known, held = (torch.cat([rows[i:][:half], rows[len(x) + i :][:half]]) for i in (0, half))
        k = math.isqrt(len(known)) | 1
        near = torch.cdist(held, known).topk(k, largest=False).indices
        second = (near >= half).double().mean(1) > 0.5
        right = int((~second[:half]).sum() + second[half:].sum())
        return float(stats.binom.sf(right - 1, len(held), 0.5))

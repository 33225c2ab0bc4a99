"""Hotelling's T^2: whether two means differ, and nothing else."""

from __future__ import annotations

from typing import Any

import torch
from scipy import special
from torch import Tensor

from baselines.testing.permutation import pooled
from genbench.task import Spec, Uniform


class Hotelling:
    """Hotelling (1931): T^2 = n m / (n + m) d' S^-1 d for the difference d of means and the pooled covariance S.

    T^2 (n + m - p - 1) / (p (n + m - 2)) has the F law of p and n + m - p - 1, exactly for normal rows of equal
    covariance. It takes more rows than numbers in each.
    """

    def __init__(self, spec: Spec) -> None:
        pass

    def fit(self, stream: Any) -> None:
        """Nothing to learn."""

    def pvalue(self, x: Tensor, y: Tensor | Uniform) -> float:
        rows = pooled(x, y)
        one, two = rows[: len(x)], rows[len(x) :]
        n, m, p = len(one), len(two), rows.shape[1]
        if n + m < p + 2:
            raise NotImplementedError(f"{n + m} rows of {p} numbers; the covariance has no inverse below {p + 2} rows")
        centred = torch.cat([one - one.mean(0), two - two.mean(0)])
        apart = one.mean(0) - two.mean(0)
        t2 = n * m / (n + m) * (n + m - 2) * apart @ torch.linalg.solve(centred.T @ centred, apart)
        return float(special.fdtrc(p, n + m - p - 1, float(t2) * (n + m - p - 1) / (p * (n + m - 2))))

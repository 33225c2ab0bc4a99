"""Tests that are told more than the draws: what knowing the rival is worth."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from baselines.testing.symbols import law
from genbench.task import Spec, Uniform


class LastSymbol:
    """Knows that, if any symbol is missing, it is the last: p = (1 - 1/N)^T where it did not come, else 1."""

    def __init__(self, spec: Spec) -> None:
        pass

    def fit(self, stream: Any) -> None:
        """Nothing to learn."""

    def pvalue(self, x: Tensor, y: Tensor | Uniform) -> float:
        n, _ = law(y)
        return 1.0 if bool((x == n - 1).any()) else (1 - 1 / n) ** len(x)

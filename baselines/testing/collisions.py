"""Tests of uniformity by symbols that come twice: what the square root of N draws can tell."""

from __future__ import annotations

import math
from functools import partial
from typing import Any, Literal

from torch import Tensor

from baselines.testing.symbols import law
from genbench.metrics.testing import collisions, pvalue, tallies
from genbench.task import Spec, Uniform


class Collisions:
    """Goldreich & Ron (2000); Diakonikolas et al. (2016): pairs of draws that are alike, among all pairs.

    N C - 1 estimates N |p - U|_2^2. In L1 it has to be above 2 epsilon^2, half of what every law at the statistical
    distance epsilon has, and in L2 above N epsilon^2 / 2; then the p-value is the exact chance of as many pairs.
    Laws that are nearer are never found, however many the draws: that is what the threshold is for.
    """

    def __init__(self, spec: Spec, *, norm: Literal["l1", "l2"] = "l1", epsilon: float | None = None) -> None:
        self.norm, self.epsilon = norm, epsilon

    def fit(self, stream: Any) -> None:
        """Nothing to learn."""

    def pvalue(self, x: Tensor, y: Tensor | Uniform) -> float:
        n, far = law(y)
        epsilon = far if self.epsilon is None else self.epsilon
        pairs, _ = collisions(tallies(x, n))
        value = n * pairs / math.comb(len(x), 2) - 1
        threshold = 2 * epsilon**2 if self.norm == "l1" else n * epsilon**2 / 2
        return pvalue(pairs, len(x), n) if value > threshold else 1.0


class Birthday:
    """The first pair alone (the paradox; Arora & Zhang, 2017, count it for the support of a generator): how soon
    it comes, with p = 1 - prod_{i < k} (1 - i / N) where draw k is the first that came before."""

    def __init__(self, spec: Spec) -> None:
        pass

    def fit(self, stream: Any) -> None:
        """Nothing to learn."""

    def pvalue(self, x: Tensor, y: Tensor | Uniform) -> float:
        n, _ = law(y)
        first = repeat(x, 2 * math.isqrt(n) + 2)
        if first is None or first >= n:  # beyond n draws one of them must have come before
            return 1.0
        apart = math.lgamma(n + 1) - math.lgamma(n - first) - (first + 1) * math.log(n)
        return min(1.0, -math.expm1(apart))


def repeat(x: Tensor, some: int) -> int | None:
    """The first draw that came before, sought among twice as many each time."""
    order = x[:some].argsort(stable=True)
    again = order[1:][x[order[1:]] == x[order[:-1]]]
    if len(again):
        return int(again.min())
    return repeat(x, 2 * some) if some < len(x) else None


collision_l1 = Collisions
collision_l2 = partial(Collisions, norm="l2", epsilon=0.1)

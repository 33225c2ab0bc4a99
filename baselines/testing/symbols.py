"""Tests of uniformity by a sum over symbols of a score of how often each came, the sum's law known exactly."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats
from torch import Tensor

from genbench.metrics.testing import counts_law, tallies
from genbench.task import Spec, Uniform

Score = Callable[[NDArray[Any]], NDArray[Any]]
STEPS = 100  # of a standard deviation, to which scores that are not whole numbers are rounded
REACH = 12  # standard deviations of a sum that are told apart


def law(y: Tensor | Uniform) -> Uniform:
    """What draws are held against."""
    if not isinstance(y, Uniform):
        raise NotImplementedError("a test of symbols against the uniform law, not of two sets of rows")
    return y


class Counted:
    """sum_i score(c_i), large where the law is not uniform, and the exact chance of as much under uniformity."""

    def __init__(self, spec: Spec, *, score: Score) -> None:
        self.score = score

    def fit(self, stream: Any) -> None:
        """Nothing to learn."""

    def pvalue(self, x: Tensor, y: Tensor | Uniform) -> float:
        n, _ = law(y)
        whole, low, tail = null(self.score, len(x), n)
        value = int(whole(tallies(x, n)).sum())
        return float(tail[min(max(value - low, 0), len(tail) - 1)])


@lru_cache(maxsize=256)
def null(score: Score, draws: int, n: int) -> tuple[Score, int, NDArray[np.float64]]:
    """The score in whole steps, the least sum in reach, and the chances of that sum or more, of the next or more, ...

    Variance given the total: that of Poisson counts less what goes with the total.
    """
    rate = draws / n
    c = np.arange(math.ceil(rate + REACH * math.sqrt(rate) + 30))
    chance = stats.poisson.pmf(c, rate)

    def deviation(value: NDArray[Any]) -> float:
        around = value - chance @ value
        return math.sqrt(max(n * (chance @ around**2 - (chance @ (around * (c - rate))) ** 2 / rate), 0))

    value = score(c).astype(float)
    scale = 1.0 if np.array_equal(value, value.round()) else STEPS / deviation(value)

    def whole(counts: NDArray[Any]) -> NDArray[Any]:
        return np.rint(scale * score(counts)).astype(np.int64)

    reach = REACH * deviation(whole(c)) + 16
    low, width = math.floor(n * (chance @ whole(c)) - reach), 2 * math.ceil(reach)
    chances = np.maximum(counts_law(whole, draws, ((n, 1 / n),), low, width), 0)
    return whole, low, np.minimum(chances[::-1].cumsum()[::-1] + 1e-12, 1)


class Pearson:
    """Pearson's (1900) X^2 = sum_i (c_i - T/N)^2 / (T/N) with the p-value of the textbooks, chi-squared on N - 1."""

    def __init__(self, spec: Spec) -> None:
        pass

    def fit(self, stream: Any) -> None:
        """Nothing to learn."""

    def pvalue(self, x: Tensor, y: Tensor | Uniform) -> float:
        n, _ = law(y)
        counts = tallies(x, n).astype(float)
        return float(special.chdtrc(n - 1, n / len(x) * (counts @ counts) - len(x)))


def squares(c: NDArray[Any]) -> NDArray[Any]:
    """Of which X^2 is a linear function, and so is the number of pairs that collide."""
    return c * c


def singles(c: NDArray[Any]) -> NDArray[Any]:
    """Symbols that came once: few where others came often (Paninski, 2008, section III)."""
    return -(c == 1).astype(np.int64)


def entropy(c: NDArray[Any]) -> NDArray[Any]:
    """sum c log c = T (log T - H): the empirical law's entropy is low, which is KL(empirical || U)."""
    return special.xlogy(c, c)


def divergence(c: NDArray[Any]) -> NDArray[Any]:
    """KL(U || p) at p_i in proportion to c_i + 1, but for constants; at c_i / T it is infinite until all have come."""
    return -np.log1p(c)


chi_square = partial(Counted, score=squares)
paninski = partial(Counted, score=singles)
plugin_entropy = partial(Counted, score=entropy)
plugin_kl = partial(Counted, score=divergence)

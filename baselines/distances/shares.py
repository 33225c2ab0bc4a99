"""The chance of one symbol from how often it came: what T draws say of it, absolutely and in proportion."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from scipy import stats
from torch import Tensor

from genbench.metrics.estimates import clopper_pearson
from genbench.record import Estimate
from genbench.task import Spec, Uniform

RISK = 0.05  # that an interval misses
Interval = Callable[[int, int], tuple[float, float]]  # hits, draws -> low, high


class Share:
    """hits / T, and an interval that is to hold the chance in 95 % of repeats."""

    of = "p(0)"

    def __init__(self, spec: Spec, *, interval: Interval) -> None:
        self.interval = interval

    def fit(self, stream: Any) -> None:
        """Nothing to learn."""

    def estimate(self, x: Tensor, y: Tensor | Uniform) -> Estimate:
        if not isinstance(y, Uniform):
            raise NotImplementedError("the chance of a symbol, and no rows")
        hits, draws = int((x == 0).sum()), len(x)
        low, high = self.interval(hits, draws)
        return Estimate(hits / draws, n=draws, low=max(low, 0.0), high=min(high, 1.0))


def hoeffding(hits: int, draws: int) -> tuple[float, float]:
    """Hoeffding (1963): |hits / T - p| <= epsilon from T = log(2 / risk) / (2 epsilon^2) draws on, whatever p."""
    epsilon = math.sqrt(math.log(2 / RISK) / (2 * draws))
    return hits / draws - epsilon, hits / draws + epsilon


def chernoff(hits: int, draws: int) -> tuple[float, float]:
    """Chernoff: |hits / T - p| <= epsilon p from T = 3 log(2 / risk) / (p epsilon^2) draws on, for epsilon <= 1.

    Solved for the p that hits / T is within sqrt(c p) of, c = 3 log(2 / risk) / T. Above by more than p itself it may
    lie by c: P(hits / T >= (1 + epsilon) p) <= exp(-epsilon p T / 3) for epsilon >= 1.
    """
    c, share = 3 * math.log(2 / RISK) / draws, hits / draws
    middle, root = share + c / 2, math.sqrt(c * share + c**2 / 4)
    return middle - root if share >= 2 * c else share - c, middle + root


def exact(hits: int, draws: int) -> tuple[float, float]:
    """Clopper & Pearson (1934), by the binomial law itself; of no hits in T, up to 1 - (risk / 2)^(1/T)."""
    return clopper_pearson(hits, draws, RISK / 2)


def normal(hits: int, draws: int) -> tuple[float, float]:
    """As if hits / T were normal with the deviation that it shows: none at all where the symbol never came."""
    share = hits / draws
    half = float(stats.norm.isf(RISK / 2)) * math.sqrt(share * (1 - share) / draws)
    return share - half, share + half


share_by_hoeffding = partial(Share, interval=hoeffding)
share_by_chernoff = partial(Share, interval=chernoff)
share_exactly = partial(Share, interval=exact)
share_as_normal = partial(Share, interval=normal)

"""The exact laws of how often draws of N symbols collide: what tests of uniformity, and their figures, stand on."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

CELLS = 2**18  # of the Fourier sum behind an exact p-value: a tenth of a second
RARE = 1e-3  # draws a symbol, below which colliding pairs are Poisson


def collisions(counts: NDArray[np.int64]) -> tuple[int, float]:
    """Colliding pairs, exactly, and ordered colliding triples."""
    repeated = counts[counts > 1]
    ordered = repeated * (repeated - 1)
    return int(ordered.sum()) // 2, float(ordered.astype(float) @ (repeated - 2))


def pvalue(pairs: int, draws: int, n: int) -> float:
    """The chance of at least so many colliding pairs among draws of n equally likely symbols.

    Exact (to 1e-9) where the sum is affordable: the binomial law for 2 symbols, else `collision_law`. Beyond, where
    the pairs are many: Poisson's law below 1 draw in a thousand symbols, else Pearson's type III of the same three
    moments: chi-squared for few symbols, near Poisson for many, and where exact sums end within 0.003 of them for
    p <= 0.1 (that is with 3 symbols; with 8 or more, within 0.0005).
    """
    if n == 1 or pairs == 0:
        return 1.0
    if n == 2:  # the counts lie a and draws - a apart
        apart = math.isqrt(4 * pairs + 2 * draws - draws**2)
        return min(1.0, 2 * float(stats.binom.cdf((draws - apart) // 2, draws, 0.5)))
    low, width, length = window(draws, n)
    mean, sd, skew = moments(draws, n)
    if length * width // 2 <= CELLS:
        chance = collision_law(draws, n)[max(pairs - low, 0) :].sum()
    elif draws < RARE * n:
        chance = stats.poisson.sf(pairs - 1, mean)
    else:
        chance = stats.pearson3.sf(pairs - 0.5, skew, mean, sd)
    least = math.exp((1 - draws) * math.log(n))  # all draws alike
    return min(1.0, max(least, float(chance)))


def moments(draws: int, n: int) -> tuple[float, float, float]:
    """Mean, standard deviation and skewness of the colliding pairs of uniform draws.

    Pairs are pairwise independent; the third moment is that of single pairs and of triangles, two of whose sides
    make the third.
    """
    mean = draws * (draws - 1) / 2 / n
    sd = math.sqrt(mean * (1 - 1 / n))
    return mean, sd, (1 + 2 * (draws - 3) / n) / sd


@lru_cache(maxsize=64)
def window(draws: int, n: int) -> tuple[int, int, int]:
    """The least number of pairs of a chance above rounding; how many from there, and how many totals, to tell apart."""
    mean, sd, skew = moments(draws, n)
    law = stats.pearson3(skew, mean, sd)
    low = max(0, math.floor(law.ppf(1e-12)) - 32)
    high = min(draws * (draws - 1) // 2, math.ceil(law.isf(1e-12)) + 32)
    return low, 2 * ((high - low) // 2 + 1), totals(draws)


def totals(draws: int) -> int:
    """How many totals of Poisson counts have a chance above rounding."""
    return math.ceil(8 * math.sqrt(draws)) + 16


@lru_cache(maxsize=64)
def collision_law(draws: int, n: int) -> NDArray[np.float64]:
    """The chances of low, low + 1, ... colliding pairs of uniform draws."""
    low, width, _ = window(draws, n)
    return counts_law(lambda c: c * (c - 1) // 2, draws, ((n, 1 / n),), low, width)


def counts_law(
    score: Callable[[NDArray[np.int64]], NDArray[np.int64]], draws: int, symbols: tuple[tuple[int, float], ...],
    low: int, width: int,
) -> NDArray[np.float64]:  # fmt: skip
    """The chances of S = sum_i s(c_i) = low, low + 1, ..., low + width - 1 for counts c of draws, s whole, s(0) = 0.

    `symbols` are (how many, the chance of each). Counts are Poisson ones of a given total:

        P(S = k | sum = T)  ~  sum_t sum_w prod_i [ sum_c Poisson(c; T p_i) exp(i (t c + w s(c))) ] exp(-i (t T + w k))

    over angles t and w of as many equal steps as totals, and values of S, must be told apart.
    """
    length = totals(draws)
    t = 2j * np.pi * np.arange(length)[:, None] / length
    w = 2j * np.pi * np.arange(width // 2 + 1) / width
    size, angle = 0.0, 0.0
    for n, chance in symbols:
        rate = draws * chance
        c = np.arange(1, min(draws, math.ceil(rate + 10 * math.sqrt(rate) + 30)) + 1)
        terms = stats.poisson.pmf(c, rate)[:, None] * np.exp((score(c) % width)[:, None] * w)
        less_one = np.exp(t * c) @ terms + math.expm1(-rate)  # the bracket less 1, which is small where n is large
        with np.errstate(divide="ignore"):
            size += n * np.log1p(np.maximum(2 * less_one.real + less_one.real**2 + less_one.imag**2, -1)) / 2
        angle += n * np.arctan2(less_one.imag, 1 + less_one.real)
    joint = np.exp(size) * np.exp(1j * angle - t * draws)
    law = np.roll(np.fft.irfft(joint.mean(0).conj(), width), -(low % width))
    return law / law.sum()  # type: ignore[no-any-return]


def collision_power(n: int, draws: int, epsilon: float, level: float = 0.05) -> float:
    """How often the L1 collision test finds Paninski's pairs at epsilon, exactly: N C - 1 > 2 epsilon^2 and p <= level.

    Signs do not matter: half of the symbols have the chance (1 + 2 epsilon) / n, half (1 - 2 epsilon) / n.
    """
    pairs = math.comb(draws, 2)
    least = math.floor((1 + 2 * epsilon**2) * pairs / n) + 1
    mean, sd, _ = moments(draws, n)
    least = max(least, math.floor(mean))
    while pvalue(least, draws, n) > level:
        least += 1
    a2 = (1 + 4 * epsilon**2) / n
    variance = pairs * a2 + 2 * pairs * (draws - 2) * ((1 + 12 * epsilon**2) / n**2 - a2**2)
    low = max(0, math.floor(mean - 12 * sd))
    high = math.ceil(pairs * a2 + 12 * math.sqrt(variance)) + 32
    halves = ((n // 2, (1 + 2 * epsilon) / n), (n // 2, (1 - 2 * epsilon) / n))
    law = counts_law(lambda c: c * (c - 1) // 2, draws, halves, low, 2 * ((high - low) // 2 + 1))
    return float(np.clip(law[max(least - low, 0) :].sum(), 0, 1))

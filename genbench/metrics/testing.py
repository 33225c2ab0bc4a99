"""What can be proved of a sampler of symbols from its draws alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from genbench.errors import BadInput, NotApplicable
from genbench.evidence import Draws, Symbols, finite
from genbench.metric import metric
from genbench.metrics.estimates import at_least, vector
from genbench.record import Estimate

LEVEL = 0.05  # the tests' size is at most this
CELLS = 2**18  # of the Fourier sum behind an exact p-value: a tenth of a second
RARE = 1e-3  # draws a symbol, below which colliding pairs are Poisson


@metric("lower", version="2", unit="chi-squared divergence")
def uniformity(e: Symbols, *, eps: float = 0.25) -> Estimate:
    """`uniformity_l1` of the symbols that fakes are instances of: value N |p - U|_2^2, eps a statistical distance.

    Draws of -1 are no symbol: the law that is tested is that of the draws which are one; n counts these alone and
    the note the others (`high_quality` scores their share). Raises NotApplicable where the truth is not uniform
    or fewer than 2 draws are left, BadInput on what is no draw and for eps outside 0..1.
    """
    counts, weights = counted(e)
    if float((weights * len(weights) - 1).abs().max()) > 1e-4:
        raise NotApplicable("the true weights are not uniform")
    none = len(e.draws) - int(counts.sum())
    if len(e.draws) - none < 2:
        raise NotApplicable(f"{len(e.draws) - none} of {len(e.draws)} draws belong to a mode; a collision takes 2")
    return in_l1(counts.cpu().numpy(), e.n, eps, f"{none} of {len(e.draws)} draws belong to no mode" if none else "")


@metric("lower", version="1", unit="chi-squared divergence")
def uniformity_l1(e: Draws, *, eps: float = 0.25) -> Estimate:
    """Collisions against uniformity in statistical distance (Goldreich & Ron, 2000; Diakonikolas et al., 2016).

        C = sum_i c_i (c_i - 1) / (T (T - 1)),     value = N C - 1

    for counts c of T draws over N symbols, in O(T): an unbiased estimate of N |p - U|_2^2, the chi-squared divergence
    from uniform. That is 0 at uniformity alone and at least 4 eps^2 at statistical distance eps, half the L1 distance;
    the estimate may be negative by chance. Its error is the root of the exact
    N^2 Var C = N^2 [2 (a2 - a2^2) + 4 (T - 2) (a3 - a2^2)] / (T (T - 1)) at unbiased power sums a2, a3, each kept in
    its range: near uniformity up to 0.3 too large.

    `reject` says that the sampler is not uniform: value > 2 eps^2, midway between uniform and the nearest law at eps,
    and pvalue <= 0.05. The first keeps harmless deviations from being found at large T, the second the size at most
    0.05 at small T. From T = 1.5 sqrt(N) / eps^2 on, laws at eps are found with a probability of 2/3 or more (least
    on 2 symbols, 0.95 on a thousand: Paninski's pairs, and laws of two levels, tried); below it the note says so.
    The p-value is the chance of as many colliding pairs under uniformity: see `pvalue`.
    Raises BadInput below 2 draws, on what is no draw and for eps outside 0..1.
    """
    at_least(2, draws=e.draws)
    return in_l1(tallies(e.draws, e.n), e.n, eps)


@metric("lower", version="1", unit="squared L2 distance")
def uniformity_l2(e: Draws, *, eps: float = 0.1) -> Estimate:
    """Collisions against uniformity in L2 (the same papers): value C - 1/N, unbiased for |p - U|_2^2, a square.

    eps is the distance |p - U|_2 itself, *not* its square: `reject` is value > eps^2 / 2 and pvalue <= 0.05. From
    T = 5 / (sqrt(N) eps^2) + 8 / eps on, laws at eps are found with a probability of 2/3 or more (least where one
    symbol is heavy: tried as above); the number falls with N to 8 / eps: a die is easier than a coin. The error, the
    p-value and the note are those of `uniformity_l1`. Raises BadInput as that does.
    """
    at_least(2, draws=e.draws)
    needed = 5 / (math.sqrt(e.n) * eps**2) + 8 / eps if eps > 0 else 0
    return tested(tallies(e.draws, e.n), e.n, 1 / e.n, eps, eps**2 / 2, needed, "")


def in_l1(counts: NDArray[np.int64], n: int, eps: float, note: str = "") -> Estimate:
    needed = 1.5 * math.sqrt(n) / eps**2 if eps > 0 else 0
    return tested(counts, n, 1.0, eps, 2 * eps**2, needed, note)


def tested(
    counts: NDArray[np.int64], n: int, scale: float, eps: float, threshold: float, needed: float, note: str
) -> Estimate:
    """scale (n C - 1), its error, and whether it is above the threshold and beyond chance."""
    if not 0 < eps < 1:
        raise BadInput(f"eps={eps}; a distance from uniformity lies between 0 and 1")
    draws = int(counts.sum())
    pairs, triples = collisions(counts)
    ordered = draws * (draws - 1.0)
    a2 = max(2 * pairs / ordered, 1 / n)  # |p|^2 is at least 1/n: no collision is no proof of no variance
    a3 = triples / (ordered * max(draws - 2, 1))
    variance = (2 * (a2 - a2**2) + 4 * (draws - 2) * max(a3 - a2**2, 0)) / ordered
    value = scale * (n * 2 * pairs / ordered - 1)
    chance = pvalue(pairs, draws, n)
    few = f"{draws} draws where {math.ceil(needed)} are needed to find eps = {eps}" if draws < needed else ""
    return Estimate(
        value, scale * n * math.sqrt(variance), draws, pvalue=chance, reject=value > threshold and chance <= LEVEL,
        note="; ".join(filter(None, [note, few])),
    )  # fmt: skip


def counted(e: Symbols) -> tuple[Tensor, Tensor]:
    """How often each symbol was drawn (n,), and its true weight (n,), summing to one."""
    weights = vector("weights", e.weights)
    finite("weights", weights)
    if bool((weights < 0).any()) or not bool((weights > 0).any()):
        raise BadInput("weights must be at least 0 and not all 0")
    if e.draws.is_floating_point() or e.draws.is_complex() or e.draws.dtype == torch.bool or e.draws.ndim != 1:
        raise BadInput(f"draws must be integers (n,), not {e.draws.dtype} of shape {tuple(e.draws.shape)}")
    if not -1 <= int(e.draws.min()) <= int(e.draws.max()) < len(weights):
        raise BadInput(f"draws must lie in 0..{len(weights) - 1}, or be -1 for none of them")
    return torch.bincount(e.draws[e.draws >= 0].long(), minlength=len(weights)), weights / weights.sum()


def tallies(draws: Tensor, n: int) -> NDArray[np.int64]:
    """How often each symbol that occurs was drawn: by counting where n is a few times T, by sorting where larger."""
    values = draws.cpu().numpy()
    if n <= 4 * len(values) + 2**16:
        return np.bincount(values)
    values = np.sort(values)
    ends = np.flatnonzero(values[1:] != values[:-1])
    return np.diff(ends, prepend=-1, append=len(values) - 1)


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

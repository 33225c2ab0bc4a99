"""How good a test is: what it finds, what it finds where nothing is, and how many draws it takes."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from genbench import stats as intervals
from genbench.errors import BadInput, NotApplicable
from genbench.evidence import PValues
from genbench.metric import metric
from genbench.metrics.estimates import at_least, share
from genbench.metrics.testing import counts_law, moments, pvalue
from genbench.record import Estimate

SHOWN = 2 / 3  # the power at which draws are counted, as the theory of testing has it
SLACK = 0.8  # of the level: a test that never came nearer to it from below is said to be discrete


@metric("neither", version="1", unit="share")
def size(e: PValues, *, level: float = 0.05) -> Estimate:
    """How often a test finds something where there is nothing: the share of null p-values at or below the level.

    Over all cells, low and high the least and the greatest cell. `pvalue` is that of the claim that no cell's size
    is above the level: one-sided binomial, times the number of cells; `reject` says that one is. A note says where no
    p-value between 0.8 levels and the level ever came: a discrete statistic cannot attain it. Raises BadInput
    below 2 repeats and for a level outside 0..1.
    """
    hits = found(e, e.null, level)
    k, cells = e.null.shape
    value, error = share(int(hits.sum()), k * cells)
    chance = min(1.0, cells * min(float(stats.binom.sf(int(hit) - 1, k, level)) for hit in hits))
    attained = torch.where(e.null <= level, e.null, 0.0).amax(0)
    short = int((attained < SLACK * level).sum())
    note = f"discrete: in {short} of {cells} cells no p-value came between {SLACK * level:g} and {level:g}"
    low, high = (float(end) / k for end in hits.aminmax())
    return Estimate(
        value, error, k * cells, low=low, high=high, pvalue=chance, reject=chance <= 0.05, note=note if short else ""
    )


@metric("higher", version="1", unit="share")
def power(e: PValues, *, level: float = 0.05) -> Estimate:
    """How often a test finds what is there: the share of p-values at or below the level, over all cells alike.

    The error is that of the repeats; low and high are the least and the greatest cell. Raises BadInput below 2 repeats
    and for a level outside 0..1.
    """
    hits = found(e, e.far, level)
    m, cells = e.far.shape
    errors = [share(int(hit), m)[1] for hit in hits]
    low, high = (float(end) / m for end in hits.aminmax())
    return Estimate(float(hits.double().mean()) / m, math.hypot(*errors) / cells, m * cells, low=low, high=high)


@metric("lower", version="1", unit="probability")
def calibration(e: PValues) -> Estimate:
    """By how much null p-values are too small: the largest excess of their distribution F over that of U(0, 1).

        max over cells and u of F(u) - u

    0 for an exact test and for a cautious one. By chance it is about 0.6 / sqrt(k) in a cell of k repeats. `pvalue`
    is Smirnov's, times the number of cells. The error is that of F at the worst u. Raises BadInput below 2 repeats.
    """
    at_least(2, null=e.null)
    k, cells = e.null.shape
    above = torch.arange(1, k + 1, dtype=torch.float64)[:, None] / k - e.null.sort(0).values
    worst = float(above.max())
    rank = int(above.argmax()) // cells + 1
    chance = min(1.0, cells * float(stats.ksone.sf(max(worst, 0), k)))
    return Estimate(max(worst, 0.0), share(rank, k)[1], k * cells, pvalue=chance, reject=chance <= 0.05)


@metric("lower", version="1", unit="seconds")
def seconds_a_test(e: PValues) -> Estimate:
    """How long one test takes, in the mean over cells; the error is that of their spread. Raises BadInput below 2
    repeats."""
    at_least(2, null=e.null)
    seconds = e.cells[:, 3]
    error = float(seconds.std()) / math.sqrt(len(seconds)) if len(seconds) > 1 else 0.0
    return Estimate(float(seconds.mean()), error, len(e.null) * len(seconds))


@metric("neither", version="1", unit="exponent")
def draws_exponent(e: PValues, *, level: float = 0.05) -> Estimate:
    """How the draws that it takes grow: the slope of log T against log(sqrt(n) / epsilon^2), 1 for the best test there
    is of uniformity (Paninski, 2008).

    T is where the power passes 2/3, between the draws of a cell and the next by the line of normal quantiles in
    log draws; cells that differ in their draws alone are one point. The error is that of least squares. Raises
    NotApplicable where fewer than 3 points are to be had, BadInput below 2 repeats and for a level outside 0..1.
    """
    m = len(e.far)
    return exponent(e, (found(e, e.far, level).double() / m).clamp(0.5 / m, 1 - 0.5 / m))


@metric("neither", version="1", unit="exponent")
def pairs_exponent(e: PValues, *, level: float = 0.05) -> Estimate:
    """What `draws_exponent` is for Paninski's pairs on the same grid by the L1 collision test, its power computed
    exactly and nothing drawn: the curve of finite n that a simulation is held against. Raises as that does."""
    found(e, e.far, level)
    exact = [collision_power(int(n), int(draws), far, level) for n, draws, far, _ in e.cells.tolist()]
    return exponent(e, torch.tensor(exact).clamp(1e-9, 1 - 1e-9))


def found(e: PValues, p: Tensor, level: float) -> Tensor:
    """How many p-values of each cell are at or below the level."""
    if not 0 < level < 1:
        raise BadInput(f"level={level}; a level lies between 0 and 1")
    at_least(2, null=e.null, far=e.far)
    return (p <= level).sum(0)


def exponent(e: PValues, powers: Tensor) -> Estimate:
    crossed = intervals.crossings(e.cells[:, :3].tolist(), powers.tolist(), SHOWN)
    scale = [0.5 * math.log(n) - 2 * math.log(epsilon) for n, epsilon in crossed]
    if len(set(scale)) < 3:
        raise NotApplicable(f"the power passes 2/3 for {len(crossed)} n and epsilon; a slope with an error takes 3")
    slope = intervals.slope(scale, [math.log(draws) for draws in crossed.values()])
    return Estimate(slope.value, slope.error, len(crossed))


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

"""What can be proved of a sampler of symbols from its draws alone."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from genbench.errors import BadInput, NotApplicable
from genbench.evidence import Symbols, finite
from genbench.metric import metric
from genbench.metrics.estimates import vector
from genbench.record import Estimate

LEVEL = 0.05  # the test's size is at most this
REPEATS = 1999  # uniform samplers simulated for a p-value
SIMULATED = 2000  # with more symbols than this, Poisson's law serves instead


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


@metric("lower", version="1", unit="chi-squared divergence")
def uniformity(e: Symbols, *, eps: float = 0.25) -> Estimate:
    """Collisions against uniformity (Goldreich & Ron, 2000; Diakonikolas et al., 2016) over N symbols.

        C = sum_i c_i (c_i - 1) / (T (T - 1)),     value = N C - 1

    for counts c of T draws: an unbiased estimate of N |p - U|_2^2, the chi-squared divergence from uniform. That is
    0 at uniformity alone and at least 4 TV^2; the estimate may be negative by chance. Its error is the root of the
    exact N^2 Var C = N^2 [2 (a2 - a2^2) + 4 (T - 2) (a3 - a2^2)] / (T (T - 1)) at unbiased power sums a2, a3, each
    kept in its range: near uniformity up to 0.3 too large.

    `reject` says that the sampler is not uniform: value > 2 eps^2, midway between uniform and the nearest law at
    statistical distance eps (half the L1 distance), and pvalue <= 0.05. The first keeps harmless deviations from
    being found at large T, the second keeps the size at most 0.05 at small T; 2 sqrt(N) / eps^2 draws find the
    hardest laws at eps with a probability of about 0.9. The p-value is that of C under uniformity, by 1999
    simulated samplers of a fixed seed, or Poisson's law for the colliding pairs beyond 2000 symbols.

    Draws of -1 are no symbol: the law that is tested is that of the draws which are one; n counts these alone and
    the note the others (`high_quality` scores their share). Raises NotApplicable where the truth is not uniform
    or fewer than 2 draws are left, BadInput on what is no draw.
    """
    if not 0 < eps < 1:
        raise BadInput(f"eps={eps}; a statistical distance lies between 0 and 1")
    counts, weights = counted(e)
    symbols, draws = len(counts), int(counts.sum())
    if float((weights * symbols - 1).abs().max()) > 1e-4:
        raise NotApplicable("the true weights are not uniform")
    if draws < 2:
        raise NotApplicable(f"{draws} of {len(e.draws)} draws belong to a mode; a collision takes 2")
    c = counts.double()
    ordered = draws * (draws - 1.0)
    collisions = float((c * (c - 1)).sum())
    a2 = max(collisions / ordered, 1 / symbols)  # |p|^2 is at least 1/N: no collision is no proof of no variance
    a3 = float((c * (c - 1) * (c - 2)).sum()) / (ordered * max(draws - 2, 1))
    variance = (2 * (a2 - a2**2) + 4 * (draws - 2) * max(a3 - a2**2, 0)) / ordered
    value = symbols * collisions / ordered - 1
    if symbols > SIMULATED:
        pvalue = float(stats.poisson.sf(collisions / 2 - 1, ordered / (2 * symbols)))
    else:
        below = int(np.searchsorted(uniform_collisions(symbols, draws), collisions))
        pvalue = (1 + REPEATS - below) / (1 + REPEATS)
    return Estimate(
        value, symbols * math.sqrt(variance), draws,
        pvalue=pvalue, reject=value > 2 * eps**2 and pvalue <= LEVEL,
        note="" if draws == len(e.draws) else f"{len(e.draws) - draws} of {len(e.draws)} draws belong to no mode",
    )  # fmt: skip


@lru_cache(maxsize=64)
def uniform_collisions(symbols: int, draws: int) -> NDArray[np.float64]:
    """sum c (c - 1) of uniform samplers, sorted."""
    counts = np.random.default_rng(0).multinomial(draws, np.full(symbols, 1 / symbols), REPEATS).astype(float)
    return np.sort((counts * (counts - 1)).sum(1))

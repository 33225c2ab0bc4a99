"""What can be proved of a sampler of symbols from its draws alone."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genbench.collisions import collisions, pvalue
from genbench.errors import BadInput, NotApplicable
from genbench.evidence import Draws, Logits, Symbols, finite
from genbench.metric import metric
from genbench.metrics.estimates import at_least, vector
from genbench.record import Estimate

LEVEL = 0.05  # the tests' size is at most this


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


@metric("lower", version="1", unit="chi-squared divergence")
def class_uniformity(e: Logits, *, eps: float = 0.25) -> Estimate:
    """`uniformity_l1` of the classes that a space's classifier finds the likeliest for fakes, logits (m, classes).

    It is of what the classifier sees: where it errs one way, uniform samples do not look it. Where samples carry
    labels, `uniformity_l1` is of these. Raises BadInput as that does, and for logits that are not (m, classes).
    """
    if e.fake.ndim != 2:
        raise BadInput(f"logits have shape {tuple(e.fake.shape)}, expected (m, classes)")
    finite("logits", e.fake)
    at_least(2, logits=e.fake)
    return in_l1(tallies(e.fake.double().argmax(1), e.fake.shape[1]), e.fake.shape[1], eps)


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

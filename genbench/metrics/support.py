"""Whether the fakes cover the modes that are there, lie near them, and how many different ones there are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from genbench.errors import BadInput, NotApplicable
from genbench.evidence import Draws, Features, Symbols, Visits
from genbench.metric import metric
from genbench.metrics.estimates import at_least, share
from genbench.metrics.testing import collisions, counted, tallies
from genbench.record import Estimate

FAIR = 1 / 16  # of its due share, and a mode counts as covered: 20 of 2560 draws where there are 8
ROWS = 1024  # rows whose distances to all others are held at a time
ROUNDING = 1e-13  # of the squared lengths of two rows: nearer than that they are the same


@metric("higher", version="1", unit="modes")
def modes(e: Symbols) -> Estimate:
    """Modes covered (Metz et al., 2017): those that hold at least 1/16 of their due share of the T draws.

        #{ i : c_i >= max(1, T w_i / 16) }

    With 8 equal modes and 2560 draws this is the usual 20. Draws of no mode count in T: modes are not covered by
    noise. Where the task knows classes and no modes, these are the classes that the space's classifier sees. The
    error is the standard deviation over repeats with c_i ~ Binomial(T, c_i / T), apart from the slight negative
    correlation of the counts; where a count sits on the threshold it is a fifth too small. Raises BadInput on
    what is no draw.
    """
    counts, weights = (values.cpu().numpy() for values in counted(e))
    draws, (counts, weights) = len(e.draws), (counts[weights > 0], weights[weights > 0])
    due = np.maximum(1, np.ceil(draws * weights * FAIR - 1e-6))
    held = stats.binom.sf(due - 1, draws, counts / draws)
    return Estimate(float((counts >= due).sum()), math.sqrt(float((held * (1 - held)).sum())), draws)


@metric("higher", version="1", unit="share")
def high_quality(e: Symbols) -> Estimate:
    """The share of draws that lie within the radius of a mode (Metz et al., 2017), with its binomial error.

    Raises NotApplicable where every row is given a symbol whatever it is, as by a classifier.
    """
    counts, _ = counted(e)
    if e.exhaustive:
        raise NotApplicable("a classifier names a class for every row: none lies outside")
    value, error = share(int(counts.sum()), len(e.draws))
    return Estimate(value, error, len(e.draws))


@metric("lower", version="1", unit="nats")
def mode_kl(e: Symbols) -> Estimate:
    """Divergence of the drawn modes from their true weights, the "reverse KL" of PacGAN's tables (Lin et al., 2018).

        KL(c/T || w) = sum_i (c_i / T) log(c_i / (T w_i))

    over the T draws that belong to a mode; n counts these alone (`high_quality` scores their share). A mode without
    draws adds nothing of its own: with S of N equal modes, evenly drawn, it is log(N / S), and never above -log min w.
    Biased upward by about (S - 1) / (2T) for S modes with draws: 0.0009 for 8 modes and 4000 draws, but 0.02 for the
    1000 modes of stacked MNIST and 25600. The error is the delta method's, var(log ratio) / T less the 2 D of noise in
    it, and that of the chi-squared law at the true weights, D = min(S, N - 1) / (2 T^2), where the former vanishes
    (up to 0.2 too large there).
    Raises NotApplicable where fewer than 2 draws are of a mode or one has weight 0, BadInput on what is no draw.
    """
    counts, weights, draws = of_modes(e)
    drawn = counts > 0
    seen = int(drawn.sum())
    if bool((weights[drawn] == 0).any()):
        raise NotApplicable("a mode of weight 0 was drawn: the divergence is infinite")
    p = counts[drawn].double() / draws
    ratio = (p / weights[drawn]).log()
    value = float(p @ ratio)
    degenerate = min(seen, len(weights) - 1) / (2 * draws**2)
    noisy = float(p @ (ratio - value).square()) / draws
    return Estimate(value, math.sqrt(max(noisy - degenerate, degenerate)), draws)


@metric("lower", version="1", unit="statistical distance")
def imbalance(e: Symbols) -> Estimate:
    """How unlike their true weights the drawn modes or classes are: the total variation of the two.

        1/2 sum_i |c_i / T - w_i|

    over the T draws that belong to one; n counts these alone. It is the share of draws that another mode would have
    to be given. Chance alone makes it sum_i sqrt(w_i (1 - w_i) / (2 pi T)) at the true weights, 0.07 for 10 classes and
    300 draws, so what is found small is small. The error is that of the share of draws in modes drawn too often
    (near the true weights up to twice too large). Raises NotApplicable below 2 draws of a mode, BadInput on what
    is no draw.
    """
    counts, weights, draws = of_modes(e)
    often = counts > draws * weights
    _, error = share(int(counts[often].sum()), draws)
    return Estimate(0.5 * float((counts.double() / draws - weights).abs().sum()), error, draws)


def of_modes(e: Symbols) -> tuple[Tensor, Tensor, int]:
    """Counts and true weights (n,) of the modes, and the draws that belong to one: at least 2, or NotApplicable."""
    counts, weights = counted(e)
    draws = int(counts.sum())
    if draws < 2:
        raise NotApplicable(f"{draws} of {len(e.draws)} draws belong to a mode; an error takes 2")
    return counts, weights, draws


@metric("lower", version="1", unit="share")
def rotation(e: Visits) -> Estimate:
    """The share of samples that goes over to other modes between checkpoints (after Metz et al., 2017, figure 2).

        1/(K-1) sum_k 1/2 sum_i |p_ki - p_(k-1)i|,  p_k = c_k / T_k

    the mean total variation between successive checkpoints k of K, each with counts c_k (n,) over the modes. Near 0 is
    who covers all modes, and who stays on one: `modes` tells these apart. Biased upward, for two samples of one law
    differ too: of T draws with weights w by about sum_i sqrt(w_i (1 - w_i) / (pi T)), 0.047 for 8 even modes and 1000
    draws; the note says it. The error is the delta method's.
    Raises BadInput below 2 checkpoints, at one without draws, and on what is no count.
    """
    at_least(2, counts=e.counts)
    counts = e.counts
    if counts.ndim != 2 or counts.is_floating_point() or bool((counts < 0).any()) or bool((counts.sum(1) == 0).any()):
        raise BadInput(f"counts of shape {tuple(counts.shape)} must be whole numbers, no checkpoint without any")
    T = counts.sum(1, keepdim=True)
    p = counts.double() / T
    steps = p.diff(dim=0)
    up = torch.nn.functional.pad(steps.sign(), (0, 0, 1, 1))
    slope = (up[:-1] - up[1:]) / (2 * len(steps))  # of the value by p
    variance = (p * slope.square()).sum(1) - (p * slope).sum(1).square()
    noise = (2 / math.pi * p[1:] * (1 - p[1:]) * (1 / T[1:] + 1 / T[:-1])).sqrt().sum(1).mean() / 2
    return Estimate(
        float(steps.abs().sum(1).mean() / 2), math.sqrt(float((variance[:, None] / T).sum())), int(T.sum()),
        note=f"{float(noise):.3g} is what sampling alone would move",
    )  # fmt: skip


@metric("neither", version="1", unit="rows")
def support_size(e: Features, *, rate: float = 1e-5) -> Estimate:
    """How many different rows a sampler has, by the birthday paradox (Arora & Zhang, 2017), from fake (m, d).

        N = (pairs of fakes) / (pairs of fakes at most tau apart),  tau such that a share `rate` of real pairs are

    tau is never tuned on the fakes: it is the distance of the closest real pair, or of the rate x pairs-th. N
    estimates 1 / |p|_2^2: the support of a uniform law, otherwise an effective number, which one heavy mode keeps
    small though the support be infinite. Neither direction is better: noise has the largest support.

    `low, high` hold it in 95 % of repeats (uniform laws; of Zipf's law at 200 draws, 94.6 %): Garwood's (1936)
    interval of the colliding pairs, widened where these vary more than Poisson's by the variance in `uniformity_l1`;
    `high` allows that pairs as different as the closest real ones collide too. Where that may explain all, N is at
    least `low`: high is infinite, and the note says so; real rows themselves show no more than about 1 / rate.
    The error is the delta method's, the value itself without any collision (the value is `low` then). Rows that
    differ by 3e-7 of their spread count as equal. Assumes independent rows. Raises BadInput below 2 rows, where
    shapes disagree, and for a rate outside 0..1.
    """
    if not 0 < rate < 1:
        raise BadInput(f"rate={rate}; a share of pairs lies between 0 and 1")
    at_least(2, real=e.real, fake=e.fake)
    real, fake = (rows - rows.mean(0) for rows in e.exact)
    pairs = len(real) * (len(real) - 1) // 2
    tau = closest(real, math.ceil(rate * pairs))
    degrees, known = neighbours(fake, tau), int(neighbours(real, tau).sum()) // 2
    mistaken = float(stats.gamma.isf(0.0125, known + 1)) / pairs if tau > 0 else 0.0
    found = birthday(len(fake), int(degrees.sum()) // 2, float((degrees * (degrees - 1)).sum()), mistaken)
    said = f"tau = {math.sqrt(tau):.3g}, where {known} of {pairs} real pairs collide"
    return Estimate(**found, note=f"at least {found['low']:.4g}; {said}" if found["high"] == math.inf else said)


def effective_symbols(draws: Any) -> Estimate:
    """1 / |p|_2^2, the number of symbols if all are alike, from draws (m,) of them: `support_size` without distances.

    Arrays of whole numbers, at least 0. Raises BadInput below 2 draws and on what is no draw.
    """
    e = Draws(draws, np.iinfo(np.int64).max)
    at_least(2, draws=e.draws)
    found = birthday(len(e.draws), *collisions(tallies(e.draws, int(e.draws.max()) + 1)), 0.0)
    return Estimate(**found, note=f"at least {found['low']:.4g}" if found["high"] == math.inf else "")


def birthday(rows: int, found: int, triples: float, mistaken: float) -> dict[str, Any]:
    """1 / (the chance that two rows collide), from colliding pairs and ordered triples with a row in common.

    `mistaken` is the largest chance that different rows collide.
    """
    pairs = rows * (rows - 1) / 2
    a2, a3 = found / pairs, triples / max(rows * (rows - 1) * (rows - 2), 1)
    variance = pairs * (a2 - a2**2) + rows * (rows - 1) * (rows - 2) * (a3 - a2**2)
    excess = max(1.0, variance / found) if found else 1.0
    most = float(stats.chi2.isf(0.025, 2 * found / excess + 2)) * excess / 2
    least = float(stats.chi2.ppf(0.0125, 2 * found / excess)) * excess / 2 if found else 0.0
    low, above = max(1.0, pairs / most), least / pairs - mistaken
    value = pairs / found if found else low
    high = max(value, 1 / above) if above > 0 else math.inf
    error = value * math.sqrt(excess / max(found, 1))
    return {"value": value, "error": error, "n": rows, "low": low, "high": high}


def squared_distances(x: Tensor) -> Iterator[tuple[int, Tensor]]:
    """|x_i - x_j|^2 by blocks of rows i from a start, all j from there; 0 within rounding, infinite for j <= i."""
    lengths = x.square().sum(1)
    for start in range(0, len(x), ROWS):
        both = lengths[start : start + ROWS, None] + lengths[start:]
        apart = (both - 2 * x[start : start + ROWS] @ x[start:].T - ROUNDING * both).clamp_(min=0)
        i, j = torch.tril_indices(len(apart), len(apart), device=x.device)
        apart[i, j] = torch.inf
        yield start, apart


def closest(x: Tensor, k: int) -> float:
    """The k-th smallest squared distance between two rows."""
    kept = x.new_full((k,), torch.inf)
    for _, apart in squared_distances(x):
        kept = torch.cat([kept, apart[apart < kept[-1]]]).topk(k, largest=False).values
    return float(kept[-1])


def neighbours(x: Tensor, tau: float) -> Tensor:
    """How many other rows lie within the squared distance tau of each (n,)."""
    found = torch.zeros(len(x), dtype=torch.long, device=x.device)
    for start, apart in squared_distances(x):
        near = apart <= tau
        found[start : start + len(near)] += near.sum(1)
        found[start:] += near.sum(0)
    return found

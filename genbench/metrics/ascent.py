"""The projection along which two sets of rows lie furthest apart, and what it says of their laws."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genbench.evidence import Features
from genbench.metric import metric
from genbench.metrics.estimates import at_least, squared_error
from genbench.metrics.lines import cells
from genbench.metrics.projections import ASSIGNED, frames, within
from genbench.metrics.transport import LEAST, unproved, wasserstein_bracket
from genbench.record import Estimate

TRIED = 10  # random frames, the best of which is a start of the ascent
TURNS = 20  # of an ascent
LEAST_GAIN = 1e-3  # that a step is taken for, relative to what it is added to
LEAST_STEP = 1e-2  # at which the ascent ends, relative to the frame


@metric("lower", version="1", unit="feature units")
def max_projected_wasserstein(e: Features, *, k: int = 1) -> Estimate:
    """The largest W_1 that an ascent finds between k-dimensional projections of real (n, d) and fake (m, d).

        max_s W_1(s'P, s'Q)   over orthonormal frames s (Deshpande et al., 2019; Paty & Cuturi, 2019)

    `value` is of the empirical laws, whatever the ascent finds a lower bound of their W_1: W_1 itself at k = d, and
    at equal laws far above 0, for s is fitted to the rows. Its error is that of W_1 along the s found.

    `low, high` are of the laws themselves: s is learned from half of the rows, and the bracket of
    `wasserstein_bracket` on W_1 of s'P and s'Q comes from the other half (widened to take in value), so that low
    is a lower bound of W_1 of the laws too, in 95 % of repeats; the note gives the other half's debiased W_1.
    Both need 32 rows a set. For k > 1 the ascent and value use the first 256 rows, and n says so.
    Assumes independent rows in no order. Raises BadInput below 2 rows and for k outside 1..d.
    """
    at_least(2, real=e.real, fake=e.fake)
    within(k, e.real)
    x, y = (rows if k == 1 else rows[:ASSIGNED] for rows in e.exact)
    frame = widest(x, y, k)
    plan = unproved(x @ frame, y @ frame)
    found = Estimate(
        plan.cost, math.sqrt(squared_error(plan.u) + squared_error(plan.v)), min(len(x), len(y)),
        note=f"no bounds: they take {4 * LEAST} rows a set",
    )  # fmt: skip
    if min(len(e.real), len(e.fake)) < 4 * LEAST:
        return found
    (x, x2), (y, y2) = map(halved, e.exact)
    frame = widest(x, y, k)
    held = wasserstein_bracket(x2 @ frame, y2 @ frame)
    assert held.low is not None
    assert held.high is not None
    return Estimate(
        found.value, found.error, found.n, low=min(held.low, found.value), high=max(held.high, found.value),
        note=f"{held.value:.3g} on held-out rows",
    )  # fmt: skip


def halved(rows: Tensor) -> tuple[Tensor, Tensor]:
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0)).to(rows.device)
    return rows[order[::2]], rows[order[1::2]]


def widest(x: Tensor, y: Tensor, k: int) -> Tensor:
    """An orthonormal frame (d, k) along which x and y lie far apart in W_1, by ascent from three starts.

    The plan held fixed, W_1 of the projections has the gradient `pull`; a step s + t pull / |pull|, made orthonormal
    again, is taken where it gains, and t doubles; else t is quartered. Starts: the axes of the difference of
    covariances along which the moments differ most; these after the difference of means; the best of random frames.
    """
    if k > 1:
        size = min(len(x), len(y), ASSIGNED)
        x, y = x[:size], y[:size]
    climbed = [climb(x, y, start) for start in starts(x, y, k)]
    return max(climbed, key=lambda found: found[0])[1]


def climb(x: Tensor, y: Tensor, s: Tensor) -> tuple[float, Tensor]:
    (value, pull), t = pulled(x, y, s), 1.0
    for _ in range(TURNS):
        if t < LEAST_STEP or not pull.any():
            break
        further = torch.linalg.qr(s + t * pull / pull.norm()).Q
        gained, turned = pulled(x, y, further)
        if gained > value * (1 + LEAST_GAIN):
            s, value, pull, t = further, gained, turned, 2 * t
        else:
            t /= 4
    return value, s


def starts(x: Tensor, y: Tensor, k: int) -> list[Tensor]:
    gap = x.mean(0) - y.mean(0)
    p, q = (torch.cov(rows.T, correction=0).reshape(len(gap), -1) for rows in (x, y))
    axes = torch.linalg.eigh(p - q).eigenvectors
    along = [(axes * (s @ axes)).sum(0).clamp(min=0).sqrt() for s in (p, q)]
    apart = (axes.T @ gap).square() + (along[0] - along[1]).square()
    moments = axes[:, apart.argsort(descending=True)[:k]]
    means = torch.linalg.qr(torch.cat([gap[:, None], moments[:, : k - 1]], 1)).Q
    random = max(frames(len(gap), k, TRIED).to(x), key=lambda s: pulled(x, y, s)[0])
    return [moments, means, random]


def pulled(x: Tensor, y: Tensor, s: Tensor) -> tuple[float, Tensor]:
    """W_1 of the projections x s and y s, and its gradient in s: sum of mass (x_i - y_j) (direction of move)'."""
    px, py = x @ s, y @ s
    if s.shape[1] == 1:
        i, j, mass = (part.to(x.device) for part in cells(len(x), len(y)))
        i, j = px[:, 0].argsort()[i], py[:, 0].argsort()[j]
    else:
        i, mass = torch.arange(len(x), device=x.device), x.new_full((len(x),), 1 / len(x))
        columns = unproved(px, py).columns
        assert columns is not None
        j = columns.to(x.device)
    moves = px[i] - py[j]
    lengths = moves.norm(dim=1)
    pushes = moves * (mass / lengths.clamp(min=torch.finfo(torch.float64).tiny))[:, None]
    pull = x.T @ torch.zeros_like(px).index_add_(0, i, pushes) - y.T @ torch.zeros_like(py).index_add_(0, j, pushes)
    return float(mass @ lengths), pull

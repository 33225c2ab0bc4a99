"""The cost of moving the fakes onto real rows, and what finitely many rows can say of it."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from scipy import stats
from torch import Tensor

from genbench.errors import BadInput
from genbench.evidence import Features
from genbench.metric import metric
from genbench.metrics.assignment import Plan, assignment, matching, network
from genbench.metrics.estimates import at_least, squared_error
from genbench.metrics.lines import line_costs, on_lines
from genbench.record import Estimate

CONFIDENCE = 0.95
LEAST = 8  # blocks: a t-interval over fewer is wide, and leans on their being normal
PAIRS = 400_000_000  # of rows whose costs are held at a time: 3.2 GB of them, and as much again to solve
FEW = 512  # rows up to which an uncertified plan is the cheaper by far
PLANE = 3  # numbers a row up to which rows are crowded, and the network simplex is the faster
NARROW = 25  # numbers a row from which distances are had from products
CHUNK = 4096  # of pairs whose distance is had anew at a time
CLOSE = 1e-3  # of the largest squared norms: a squared distance below has lost digits in the product


@metric("lower", version="1", unit="feature units")
def wasserstein(e: Features, *, p: int = 1, gap: float = 1e-12) -> Estimate:
    """W_p between the two empirical laws of real (n, d) and fake (m, d), exactly, for p = 1 or 2.

        W_p^p = min over couplings of E |x - y|^p = mean_i u_i + mean_j v_j,   u_i + v_j <= |x_i - y_j|^p

    Optimal by certificate: feasible potentials u, v are found too, no coupling costs less than their means, and the
    note gives how much of W_p lies between: at most `gap` (or what rounding in the costs leaves). Sorted where
    d = 1, an assignment where n = m, else a network simplex.

    The potentials are the influence of each row, and give the error (del Barrio & Loubes, 2019): it is about the
    mean of W at this n, which lies above the distance of the laws by order n^(-1/d), and is far from 0 at equal
    laws; `wasserstein_bracket` says by how much. Assumes independent rows.
    Raises BadInput below 2 rows, for another p, and where n m > 4e8, which takes too much memory.
    """
    at_least(2, real=e.real, fake=e.fake)
    if p not in (1, 2):
        raise BadInput(f"p={p}; there are p=1 and p=2")
    if not 0 < gap < 1:
        raise BadInput(f"gap={gap}; the share of W that may be left unproved lies between 0 and 1")
    # among many optimal potentials the one found hangs on the order of rows: the error should not
    x, y = (rows[rows.sum(1).argsort()] for rows in e.exact)
    plan = planned(x, y, p, gap)
    root, bound = plan.cost ** (1 / p), max(plan.cost - plan.gap, 0.0) ** (1 / p)
    slope = p * root ** (p - 1)
    error = math.sqrt(squared_error(plan.u) + squared_error(plan.v)) / slope if slope else 0.0
    note = f"certified gap {(root - bound) / (root or 1.0):.0e} of the value"
    return Estimate(root, error, min(len(e.real), len(e.fake)), note=note)


def transport(x: Tensor, y: Tensor, p: int = 1) -> tuple[float, Tensor, Tensor]:
    """The least mean cost |x - y|^p of moving x (n, d) onto y (m, d), exact; feasible potentials (n,) and (m,)."""
    plan = unproved(x, y, p)
    return plan.cost, plan.u, plan.v


def unproved(x: Tensor, y: Tensor, p: int = 1) -> Plan:
    """As `planned`, but between equally many and few rows the potentials do not prove the cost, only bound it."""
    few = len(x) == len(y) <= FEW and x.shape[1] > 1
    return matching(powers(x, y, p).cpu()) if few else planned(x, y, p)


def planned(x: Tensor, y: Tensor, p: int = 1, gap: float = 1e-12) -> Plan:
    """The least mean cost |x - y|^p of moving x (n, d) onto y (m, d), with its certificate."""
    if x.shape[1] == 1:
        cost, u, v = on_lines(x.T, y.T, p)
        return Plan(float(cost), u, v)
    if len(x) * len(y) > PAIRS:
        raise BadInput(f"exact transport of {len(x)} onto {len(y)} rows takes their product in memory; take fewer rows")
    costs = powers(x, y, p).cpu()
    return assignment(costs, gap) if len(x) == len(y) and x.shape[1] > PLANE else network(costs)


def powers(x: Tensor, y: Tensor, p: int) -> Tensor:
    """|x_i - y_j|^p as (n, m), to 11 digits: by products of centred rows, and anew where these nearly cancel."""
    if x.shape[1] < NARROW:
        return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").pow_(p)
    centre = (x.mean(0) + y.mean(0)) / 2
    x, y = x - centre, y - centre
    xx, yy = x.square().sum(1), y.square().sum(1)
    squared = (xx[:, None] + yy).addmm_(x, y.T, alpha=-2)
    if squared.min() < (close := CLOSE * (xx.max() + yy.max())):
        i, j = (squared < close).nonzero(as_tuple=True)
        if len(i) > squared.numel() / 16:
            return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").pow_(p)
        for start in range(0, len(i), CHUNK):
            a, b = i[start : start + CHUNK], j[start : start + CHUNK]
            squared[a, b] = (x[a] - y[b]).square().sum(1)
    return squared if p == 2 else squared.sqrt_()


@metric("lower", version="2", unit="feature units")
def wasserstein_bracket(e: Features, *, blocks: int = 8) -> Estimate:
    """A bracket on W_1 between the two laws themselves, from real (n, d) and fake (m, d).

        W_N(P,Q) - min(W_N(P,P), W_N(Q,Q))  <=  W_1(P,Q)  <=  W_N(P,Q)

    where W_N is the mean W_1 of two independent sets of N rows. Right: W_1 is convex, Jensen. Left: the triangle
    through a third set. Hence p = 1 alone: W_2 is not convex (the point 0 against a fair coin on {0, 1}: at N = 1
    its mean is 0.5, W_2 = 0.71), and its square knows no triangle (N(0, 1) against N(0, 1/4) at N = 8: the left
    side is 0.37, W_2^2 = 0.25).

    Each set is cut into 2 x blocks disjoint pieces of N = min(n, m) // (2 blocks) rows; a block takes two pieces a
    side, so that self terms compare different rows, and gives all three terms at one N. `value` is the debiased
    W_N(P,Q) - (W_N(P,P) + W_N(Q,Q)) / 2, at most W_1 in the mean and 0 at equal laws, `error` its standard error
    over blocks; where one self term is so much the smaller that `low` lies above it, value is low. `low` and `high`
    include t-margins over blocks, one-sided at 0.05/3 for each of the three differences used, so that together they
    hold W_1 in 95 % of repeats. Rows are shuffled first, by a fixed seed, in case they come sorted. Assumes
    independent rows. Raises BadInput below 2 x blocks rows or 8 blocks.
    """
    if blocks < LEAST:
        raise BadInput(f"blocks={blocks}; the t-interval is over at least {LEAST}")
    at_least(2 * blocks, real=e.real, fake=e.fake)
    return bracketed(*e.exact, blocks, line_or_plan)


def line_or_plan(x: Tensor, y: Tensor) -> float:
    return float(line_costs(x.T, y.T)) if x.shape[1] == 1 else transport(x, y)[0]


def bracketed(x: Tensor, y: Tensor, blocks: int, w: Callable[[Tensor, Tensor], float]) -> Estimate:
    """That bracket, with any w between two sets of rows in place of W_1."""
    size = min(len(x), len(y)) // (2 * blocks)
    shuffle = torch.Generator().manual_seed(0)

    def pieces(rows: Tensor) -> Tensor:
        order = torch.randperm(len(rows), generator=shuffle)[: 2 * blocks * size]
        return rows[order.to(rows.device)].view(blocks, 2, size, -1)

    terms = [
        (sum(w(a, b) for a in (x, x2) for b in (y, y2)) / 4, w(x, x2), w(y, y2))
        for (x, x2), (y, y2) in zip(pieces(x), pieces(y), strict=True)
    ]
    pq, pp, qq = torch.tensor(terms, dtype=torch.float64).T
    quantile = float(stats.t.ppf(1 - (1 - CONFIDENCE) / 3, blocks - 1))

    def standard_error(term: Tensor) -> float:
        return math.sqrt(squared_error(term))

    debiased = pq - (pp + qq) / 2
    low = max(float(gap.mean()) - quantile * standard_error(gap) for gap in (pq - pp, pq - qq))
    return Estimate(
        max(float(debiased.mean()), low), standard_error(debiased), 2 * blocks * size,
        low=low, high=float(pq.mean()) + quantile * standard_error(pq), note=f"W_N at N = {size}",
    )  # fmt: skip

"""The cost of moving the fakes onto real rows, and what finitely many rows can say of it."""

from __future__ import annotations

import math

import numpy as np
import ot
import torch
from lapjv import lapjv
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from genbench.errors import BadInput
from genbench.evidence import Features
from genbench.metric import metric
from genbench.metrics.estimates import at_least, squared_error
from genbench.record import Estimate

CONFIDENCE = 0.95
ASSIGNED = 256  # rows a set in an exact assignment between projections: it costs their cube
GRID = 1024  # steps between no cost and the largest
PIVOTS = 10_000_000  # POT's default of 100,000 stops early and returns what is no plan


@metric("lower", version="1", unit="feature units")
def wasserstein(e: Features, *, p: int = 1) -> Estimate:
    """W_p between the two empirical laws of real (n, d) and fake (m, d), exactly, for p = 1 or 2.

        W_p^p = min over couplings of E |x - y|^p = mean_i u_i + mean_j v_j

    Sorted where p = d = 1, an assignment where n = m, else a network simplex. The dual potentials u, v are the
    influence of each row, and give the error (del Barrio & Loubes, 2019): it is about the mean of W at this n, which
    lies above the distance of the laws by order n^(-1/d); `wasserstein_bracket` says by how much.
    Raises BadInput below 2 rows and for another p.
    """
    at_least(2, real=e.real, fake=e.fake)
    if p not in (1, 2):
        raise BadInput(f"p={p}; there are p=1 and p=2")
    cost, u, v = transport(e.real, e.fake, p)
    root = cost ** (1 / p)
    slope = p * root ** (p - 1)
    error = math.sqrt(squared_error(u) + squared_error(v)) / slope if slope else 0.0
    return Estimate(root, error, min(len(u), len(v)))


def transport(x: Tensor, y: Tensor, p: int = 1) -> tuple[float, Tensor, Tensor]:
    """The least mean cost |x - y|^p of moving x (n, d) onto y (m, d), exact; dual potentials (n,) and (m,).

    Potentials between equally many rows are exact to 1/1024 of the largest cost.
    """
    if x.shape[1] == p == 1:
        area, u, v = on_lines(x.T, y.T)
        return float(area), u, v
    costs = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").pow(p).cpu().double().numpy()
    n, m = costs.shape
    if n == m:
        return assignment(costs)
    cost, log = ot.emd2(np.full(n, 1 / n), np.full(m, 1 / m), costs, numItermax=PIVOTS, log=True)
    if log["warning"]:
        raise RuntimeError(f"no optimal plan between {n} and {m} rows: {log['warning']}")
    return float(cost), torch.as_tensor(log["u"]), torch.as_tensor(log["v"])


def assignment(costs: NDArray[np.float64]) -> tuple[float, Tensor, Tensor]:
    """The least mean cost of matching n rows to n columns: lapjv's duals on a grid of costs, then SciPy from there.

    lapjv alone raises its duals by the least differences between costs, and takes seconds for 100 rows on a plane
    (in one dimension it may not end); on whole numbers it is exact and cannot. SciPy alone takes 2 to 5 times as
    long as both, for with the duals taken off its paths are short.
    """
    grid = (costs.max() or 1.0) / GRID
    _, _, (_, u, v) = lapjv(np.round(costs / grid).astype(np.float32))
    u, v = u * float(grid), v * float(grid)
    rows, columns = linear_sum_assignment(costs - u[:, None] - v)
    return float(costs[rows, columns].mean()), torch.as_tensor(u).double(), torch.as_tensor(v).double()


@metric("lower", version="1", unit="feature units")
def wasserstein_bracket(e: Features, *, blocks: int = 8) -> Estimate:
    """A bracket on W_1 between the two laws themselves, from real (n, d) and fake (m, d).

        W_N(P,Q) - min(W_N(P,P), W_N(Q,Q))  <=  W_1(P,Q)  <=  W_N(P,Q)

    where W_N is the mean W_1 of two independent sets of N rows. (Right: W_1 is convex, Jensen. Left: the triangle
    through a third set. Unsquared W_2 breaks the right side, squared W_2 the left: hence p = 1 alone.)

    Each set is cut into 2 x blocks disjoint pieces of N = min(n, m) // (2 blocks) rows; a block takes two pieces a
    side, so that self terms compare different rows, and gives all three terms at one N. `value` is the debiased
    W_N(P,Q) - (W_N(P,P) + W_N(Q,Q)) / 2, at most W_1 in the mean and 0 at equal laws, `error` its standard error
    over blocks. `low` and `high` include t-margins over blocks, one-sided at 0.05/3 for each of the three
    differences used, so that together they hold W_1 in 95 % of repeats. Rows are shuffled first, by a fixed seed,
    in case they come sorted. Assumes independent rows. Raises BadInput below 2 x blocks rows or 2 blocks.
    """
    if blocks < 2:
        raise BadInput(f"blocks={blocks}; a spread over blocks takes at least 2")
    at_least(2 * blocks, real=e.real, fake=e.fake)
    size = min(len(e.real), len(e.fake)) // (2 * blocks)
    shuffle = torch.Generator().manual_seed(0)

    def pieces(rows: Tensor) -> Tensor:
        order = torch.randperm(len(rows), generator=shuffle)[: 2 * blocks * size]
        return rows[order.to(rows.device)].view(blocks, 2, size, -1)

    terms = [
        (sum(transport(a, b)[0] for a in (x, x2) for b in (y, y2)) / 4, transport(x, x2)[0], transport(y, y2)[0])
        for (x, x2), (y, y2) in zip(pieces(e.real), pieces(e.fake), strict=True)
    ]
    pq, pp, qq = torch.tensor(terms, dtype=torch.float64).T
    quantile = float(stats.t.ppf(1 - (1 - CONFIDENCE) / 3, blocks - 1))

    def standard_error(term: Tensor) -> float:
        return math.sqrt(squared_error(term))

    debiased = pq - (pp + qq) / 2
    return Estimate(
        float(debiased.mean()), standard_error(debiased), 2 * blocks * size,
        low=max(float(gap.mean()) - quantile * standard_error(gap) for gap in (pq - pp, pq - qq)),
        high=float(pq.mean()) + quantile * standard_error(pq),
        note=f"W_N at N = {size}",
    )  # fmt: skip


@metric("lower", version="1", unit="feature units")
def projected_wasserstein(e: Features, *, k: int = 1, directions: int = 200) -> Estimate:
    """Mean W_1 over random k-dimensional projections of real (n, d) and fake (m, d), rescaled.

        E_s W_1(sP, sQ) / c,    c = G((k+1)/2) G(d/2) / (G(k/2) G((d+1)/2)),  G the gamma function

    over orthonormal frames s of Haar's law. A projection shortens a vector by c in the mean, so the rescaled mean
    is still a lower bound of W_1 (Rabin et al., 2011, for k = 1), and equals it for translations. It bounds W_1 of
    the *empirical* laws: as an estimate for the laws themselves it is biased upward by order n^(-1/2) for k = 1,
    n^(-1/k) for k > 2, so it is not 0 at equal laws and numbers of different n do not compare.

    k = 1 sorts, for any n and m; k > 1 solves assignments between the first 256 rows of each set, and n says so.
    The error joins the spread of the rows' dual potentials to that over directions; these are drawn with a fixed
    seed. Assumes independent rows in no order. Raises BadInput below 2 rows or directions, or for k outside 1..d.
    """
    at_least(2, real=e.real, fake=e.fake)
    d = e.real.shape[1]
    if not 1 <= k <= d:
        raise BadInput(f"k={k}; rows of {d} numbers project to between 1 and {d}")
    if directions < 2:
        raise BadInput(f"directions={directions}; a spread over directions takes at least 2")
    s = frames(d, k, directions).to(e.real)
    if k == 1:
        costs, u, v = on_lines(s[..., 0] @ e.real.T, s[..., 0] @ e.fake.T)
    else:
        x, y = e.real[:ASSIGNED], e.fake[:ASSIGNED]
        found = [transport(x @ frame, y @ frame) for frame in s]
        costs = torch.tensor([cost for cost, _, _ in found], dtype=torch.float64)
        u, v = (torch.stack(potentials).mean(0) for potentials in list(zip(*found, strict=True))[1:])
    error = math.sqrt(squared_error(u) + squared_error(v) + squared_error(costs))
    c = shortening(d, k)
    return Estimate(float(costs.mean()) / c, error / c, min(len(u), len(v)))


def frames(d: int, k: int, count: int) -> Tensor:
    """Orthonormal frames (count, d, k) of Haar's law: QR of Gaussians, with the signs that make it unique."""
    normal = torch.randn(count, d, k, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    q, r = torch.linalg.qr(normal)
    haar: Tensor = q * r.diagonal(dim1=1, dim2=2).sign()[:, None, :]
    return haar


def shortening(d: int, k: int) -> float:
    """The mean length of a unit vector of d dimensions, projected to k random ones."""
    return math.exp(math.lgamma((k + 1) / 2) + math.lgamma(d / 2) - math.lgamma(k / 2) - math.lgamma((d + 1) / 2))


def on_lines(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """W_1 on each line of x (lines, n) and y (lines, m), the area between distribution functions; mean potentials."""
    n, m = x.shape[1], y.shape[1]
    places, order = torch.cat([x, y], 1).sort(1)
    steps = torch.cat([x.new_full((n,), m), y.new_full((m,), -n)])  # whole numbers: equal heights cancel exactly
    heights = steps[order].cumsum(1)[:, :-1]
    gaps = places.diff(dim=1)
    rises = torch.cat([torch.zeros_like(x[:, :1]), (-heights.sign() * gaps).cumsum(1)], 1)
    potential = torch.empty_like(rises).scatter_(1, order, rises).mean(0)
    return (heights.abs() * gaps).sum(1) / (n * m), potential[:n], -potential[n:]

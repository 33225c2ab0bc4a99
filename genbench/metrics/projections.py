"""Transport seen through projections: cheap lower bounds of the distance of two sets of rows."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genbench.errors import BadInput
from genbench.evidence import Features
from genbench.metric import metric
from genbench.metrics.estimates import at_least, squared_error
from genbench.metrics.lines import line_costs, on_lines
from genbench.metrics.transport import unproved
from genbench.record import Estimate

ASSIGNED = 256  # rows a set in an exact assignment between projections: it costs nearly their cube
SHARED = 50  # directions of each of the two sets that the rows' shared influence is learned from
PROJECTED = 2**22  # numbers that rows project to, held at a time


@metric("lower", version="1", unit="feature units")
def sliced_wasserstein(e: Features, *, directions: int = 1000, p: int = 1) -> Estimate:
    """Sliced W_p of real (n, d) and fake (m, d) for p = 1 or 2 (Bonneel et al., 2015), any n and m.

        (mean_s W_p^p(s'P, s'Q))^(1/p)   over directions s, uniform on the sphere

    A lower bound of W_p of the *empirical* laws, for a projection shortens; not rescaled, as is
    `projected_wasserstein`. As an estimate for the laws themselves it is biased upward, by order n^(-1/2), so it is
    not 0 at equal laws and numbers of different n do not compare. Directions are drawn with a fixed seed.

    The error joins two parts. That of the directions is the spread of their costs, which holds the part of the
    rows' noise that differs between directions too. That of the rows is the part that directions share: the
    covariance of each row's potential between two disjoint sets of directions, at most 50 each (for the
    potentials cost more than the value). Assumes independent rows. Raises BadInput below 2 rows or directions, and
    for another p.
    """
    at_least(2, real=e.real, fake=e.fake)
    several(directions)
    if p not in (1, 2):
        raise BadInput(f"p={p}; there are p=1 and p=2")
    cost, error = sliced(*e.exact, frames(e.real.shape[1], 1, directions)[..., 0], p)
    root = cost ** (1 / p)
    slope = p * root ** (p - 1)
    return Estimate(root, error / slope if slope else 0.0, min(len(e.real), len(e.fake)))


@metric("lower", version="2", unit="feature units")
def projected_wasserstein(e: Features, *, k: int = 1, directions: int = 200) -> Estimate:
    """Mean W_1 over random k-dimensional projections of real (n, d) and fake (m, d), rescaled.

        E_s W_1(sP, sQ) / c,    c = G((k+1)/2) G(d/2) / (G(k/2) G((d+1)/2)),  G the gamma function

    over orthonormal frames s of Haar's law. A projection shortens a vector by c in the mean, so the rescaled mean
    is still a lower bound of W_1 up to the spread over directions (Rabin et al., 2011, for k = 1), and equals it
    for translations. It bounds W_1 of the *empirical* laws: as an estimate for the laws themselves it is biased
    upward by order n^(-1/2) for k = 1, n^(-1/k) for k > 2, so it is not 0 at equal laws and numbers of different n
    do not compare.

    k = 1 sorts, for any n and m; k > 1 solves assignments between the first 256 rows of each set, and n says so, for
    as many frames as have that many directions between them.
    The error is that of `sliced_wasserstein`. Assumes independent rows in no order. Raises BadInput below 2 rows or
    directions, or for k outside 1..d.
    """
    at_least(2, real=e.real, fake=e.fake)
    several(directions)
    c = shortening(e.real.shape[1], within(k, e.real))
    s = frames(e.real.shape[1], k, max(directions // k, 2))
    if k == 1:
        cost, error = sliced(*e.exact, s[..., 0])
        return Estimate(cost / c, error / c, min(len(e.real), len(e.fake)))
    x, y = (rows[:ASSIGNED] for rows in e.exact)
    plans = [unproved(x @ frame, y @ frame) for frame in s.to(x)]
    costs = torch.tensor([plan.cost for plan in plans], dtype=torch.float64)
    halves = plans[::2], plans[1::2]
    u = [torch.stack([plan.u for plan in half]).mean(0) for half in halves]
    v = [torch.stack([plan.v for plan in half]).mean(0) for half in halves]
    return Estimate(float(costs.mean()) / c, joint_error(costs, u, v) / c, min(len(x), len(y)))


def several(directions: int) -> None:
    if directions < 2:
        raise BadInput(f"directions={directions}; a spread over directions takes at least 2")


def within(k: int, rows: Tensor) -> int:
    if not 1 <= k <= rows.shape[1]:
        raise BadInput(f"k={k}; rows of {rows.shape[1]} numbers project to between 1 and {rows.shape[1]}")
    return k


def sliced(x: Tensor, y: Tensor, s: Tensor, p: int = 1) -> tuple[float, float]:
    """The mean of W_p^p along directions s (directions, d), and its error."""
    s = s.to(x)
    half = min(len(s) // 2, SHARED)
    parts = [with_potentials(x, y, a, p) for a in (s[:half], s[half : 2 * half])]
    rest = [line_costs(a @ x.T, a @ y.T, p) for a in pieces(s[2 * half :], len(x) + len(y))]
    costs = torch.cat([*(cost for cost, _, _ in parts), *rest])
    return float(costs.mean()), joint_error(costs, *([part[side] for part in parts] for side in (1, 2)))


def with_potentials(x: Tensor, y: Tensor, s: Tensor, p: int) -> tuple[Tensor, Tensor, Tensor]:
    found = [on_lines(a @ x.T, a @ y.T, p) for a in pieces(s, len(x) + len(y))]
    weights = [len(costs) / len(s) for costs, _, _ in found]
    u, v = (torch.stack([w * part[side] for w, part in zip(weights, found, strict=True)]).sum(0) for side in (1, 2))
    return torch.cat([costs for costs, _, _ in found]), u, v


def pieces(s: Tensor, rows: int) -> list[Tensor]:
    size = max(PROJECTED // rows, 1)
    return [s[start : start + size] for start in range(0, len(s), size)]


def joint_error(costs: Tensor, *sides: list[Tensor]) -> float:
    """Of the mean of costs (directions,), from potentials (2, rows) a side that two sets of directions gave."""
    shared = sum(max(float(torch.cov(torch.stack(halves))[0, 1]), 0.0) / len(halves[0]) for halves in sides)
    return math.sqrt(shared + squared_error(costs))


def frames(d: int, k: int, count: int) -> Tensor:
    """Orthonormal frames (count, d, k) of Haar's law: QR of Gaussians, with the signs that make it unique."""
    normal = torch.randn(count, d, k, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    q, r = torch.linalg.qr(normal)
    haar: Tensor = q * r.diagonal(dim1=1, dim2=2).sign()[:, None, :]
    return haar


def shortening(d: int, k: int) -> float:
    """The mean length of a unit vector of d dimensions, projected to k random ones."""
    return math.exp(math.lgamma((k + 1) / 2) + math.lgamma(d / 2) - math.lgamma(k / 2) - math.lgamma((d + 1) / 2))

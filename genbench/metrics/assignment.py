"""The cheapest way to move rows onto rows, with the dual that certifies it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from lapjv import lapjv
from ot.lp import emd
from scipy.optimize import linear_sum_assignment
from torch import Tensor

STEPS = 2**22  # of a grid of costs: sums of two stay whole in float32
COARSE = 2**10  # of a grid that is solved once
ROOM = 8  # a refined grid spans so many times the largest slack of the plan
ROUNDS = 12  # two do; no plan is refined for ever
PIVOTS = 10_000_000  # POT's default of 100,000 stops early and returns what is no plan
ROWS = 32  # of a matrix of costs, worked on at a time: they fit a cache


@dataclass(frozen=True)
class Plan:
    """A plan's mean cost, feasible potentials u (n,) and v (m,), and the columns (n,) of an assignment.

    u_i + v_j <= c_ij everywhere, so no plan costs less than mean(u) + mean(v): `gap` is what may be left to gain.
    """

    cost: float
    u: Tensor
    v: Tensor
    columns: Tensor | None = None

    @property
    def gap(self) -> float:
        return max(self.cost - float(self.u.mean() + self.v.mean()), 0.0)


def blocks(rows: int) -> Iterator[slice]:
    return (slice(start, start + ROWS) for start in range(0, rows, ROWS))


def feasible(costs: Tensor, v: Tensor) -> Tensor:
    """The largest u with u_i + v_j <= c_ij, the c-transform of v: it mends potentials that were rounded."""
    return torch.cat([(costs[rows] - v).amin(1) for rows in blocks(len(costs))])


def assignment(costs: Tensor, gap: float = 1e-12) -> Plan:
    """The least mean cost of matching n rows to n columns, to a certified share `gap` of it or to rounding.

    lapjv (Jonker & Volgenant, 1987) on whole numbers, for on these it is exact and must end: on others its prices
    creep by the least difference between costs (seconds for 100 rows of a plane, no end on a line). What the grid
    rounds off is found by solving again, on a grid as fine as the slack that is left, what the potentials leave of
    the costs; dearer edges are cut to its top, which keeps the dual a bound. Each round divides the gap by about
    STEPS / ROOM.
    """
    n = len(costs)
    rounding = 4 * torch.finfo(torch.float64).eps * float(costs.abs().max())
    top = float(costs.max() - costs.min())
    v = torch.zeros(n, dtype=torch.float64)
    u = feasible(costs, v)
    columns = torch.arange(n)
    best = Plan(float(costs.diagonal().mean()), u, v, columns)
    grid = torch.empty(n, n)
    for _ in range(ROUNDS):
        if best.gap <= max(gap * best.cost, rounding):
            break
        slack = costs[torch.arange(n), columns] - u - v[columns]
        step = min(ROOM * float(slack.max()), top) / STEPS
        for rows in blocks(n):
            grid[rows] = (costs[rows] - v).sub_(u[rows, None]).div_(step).clamp_(0, STEPS).floor_()
        found, _, (_, _, prices) = lapjv(grid.numpy())
        columns = torch.from_numpy(found).long()
        v = v + step * torch.from_numpy(prices).double()
        u = feasible(costs, v)
        cost = min(float(costs[torch.arange(n), columns].mean()), best.cost)
        better = float(u.mean() + v.mean()) > float(best.u.mean() + best.v.mean())
        best = Plan(cost, *((u, v) if better else (best.u, best.v)), columns if cost < best.cost else best.columns)
    return best


def matching(costs: Tensor) -> Plan:
    """The least mean cost of matching few rows, exact, in a fifth of the time that proving it takes.

    SciPy's solver, from lapjv's potentials on a coarse grid, which leave it short paths; they stay feasible, and a gap
    of up to 1/1024 of the largest cost: enough for the influence of rows.
    """
    step = float(costs.max()) / COARSE or 1.0
    _, _, (_, _, prices) = lapjv((costs / step).round_().float().numpy())
    v = step * torch.from_numpy(prices).double()
    left = costs - v
    u = left.amin(1)
    rows, columns = linear_sum_assignment(left.sub_(u[:, None]).numpy())
    return Plan(float(costs[rows, columns].mean()), u, v, torch.from_numpy(columns))


def network(costs: Tensor) -> Plan:
    """The least mean cost between n rows and m columns of equal weight each: POT's network simplex, certified.

    Costs are scaled to 1, for its tolerance is absolute. Raises RuntimeError where it returns no plan.
    """
    n, m = costs.shape
    scale = float(costs.max()) or 1.0
    plan, log = emd(np.full(n, 1 / n), np.full(m, 1 / m), (costs / scale).numpy(), numItermax=PIVOTS, log=True)
    moved = torch.from_numpy(plan)
    if log["warning"] or float((moved.sum(1) - 1 / n).abs().max() + (moved.sum(0) - 1 / m).abs().max()) > 1e-12:
        raise RuntimeError(f"no plan between {n} and {m} rows after {PIVOTS} pivots; ask with fewer rows")
    v = scale * torch.as_tensor(log["v"])
    return Plan(float((moved * costs).sum()), feasible(costs, v), v, moved.argmax(1) if n == m else None)

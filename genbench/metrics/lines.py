"""Transport on lines, where sorting solves it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def ordered(x: Tensor) -> tuple[Tensor, Tensor]:
    """Each row of x in order, and the order. NumPy's sort, five times as fast as torch's on a CPU."""
    if x.device.type != "cpu":
        places, order = x.sort(1)
        return places, order
    order = torch.from_numpy(np.argsort(x.numpy(), 1))
    return x.gather(1, order), order


def staircase(n: int, m: int, x_first: bool) -> tuple[Tensor, Tensor, Tensor]:
    """The monotone plan between n and m equal weights: n + m - 1 cells (i, j), and their masses.

    From each cell to the next either i or j goes on by one; where both would, x_first says which, through a cell of
    no mass.
    """
    ends = torch.cat([torch.arange(1, n) * m, torch.arange(1, m) * n])  # whole numbers: equal ends are equal
    turn = torch.cat([torch.full((n - 1,), int(not x_first)), torch.full((m - 1,), int(x_first))])
    order = torch.argsort(2 * ends + turn)
    i = torch.cat([torch.zeros(1), order < n - 1]).cumsum(0).long()
    mass = torch.cat([ends.new_zeros(1), ends[order], ends.new_full((1,), n * m)]).diff().double() / (n * m)
    return i, torch.arange(n + m - 1) - i, mass


def cells(n: int, m: int) -> tuple[Tensor, Tensor, Tensor]:
    """Those of the staircase that have mass: (i, j) and the mass of each."""
    if n == m:
        return torch.arange(n), torch.arange(n), torch.full((n,), 1 / n, dtype=torch.float64)
    i, j, mass = staircase(n, m, x_first=True)
    return i[mass > 0], j[mass > 0], mass[mass > 0]


def line_costs(x: Tensor, y: Tensor, p: int = 1) -> Tensor:
    """W_p^p between x (lines, n) and y (lines, m) on each line: the p-th power between their quantiles, (lines,)."""
    if x.device.type != "cpu":
        x, y = x.sort(1).values, y.sort(1).values
    else:
        x, y = (torch.from_numpy(np.sort(side.numpy(), 1)) for side in (x, y))
    n, m = x.shape[1], y.shape[1]
    if n == m:
        return powers(x - y, p).mean(1)
    i, j, mass = (part.to(x.device) for part in cells(n, m))
    return powers(x[:, i] - y[:, j], p) @ mass


def on_lines(x: Tensor, y: Tensor, p: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """W_p^p on each line of x (lines, n) and y (lines, m); potentials of each row, their mean over lines.

    u_i + v_j = c_ij along the staircase gives both from one end to the other, and u_i + v_j <= c_ij elsewhere, for
    the cost is convex. Where a cell has no mass they are not unique: the mean of the two ways round it.
    """
    (x, x_order), (y, y_order) = ordered(x), ordered(y)
    u, v = torch.zeros_like(x), torch.zeros_like(y)
    for x_first in (True, False):
        i, j, mass = (part.to(x.device) for part in staircase(x.shape[1], y.shape[1], x_first))
        costs = powers(x[:, i] - y[:, j], p)
        rises = costs.diff(dim=1)
        by_x = i.diff() > 0
        u += torch.cat([costs[:, :1], rises[:, by_x]], 1).cumsum(1) / 2
        v[:, 1:] += rises[:, ~by_x].cumsum(1) / 2
    u, v = (torch.zeros_like(side).scatter_(1, order, side).mean(0) for order, side in ((x_order, u), (y_order, v)))
    return costs @ mass, u, v


def powers(gaps: Tensor, p: int) -> Tensor:
    return gaps.abs_() if p == 1 else gaps.square_()

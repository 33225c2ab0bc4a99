"""Two-sample tests by relabelling: a distance of two sets against what it is when labels mean nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from genbench.task import Spec, Uniform

# (pooled rows (n + m, d), which of them are x's (relabellings, n + m)) -> a distance for each relabelling
Distances = Callable[[Tensor, Tensor], Tensor]


class Permutation:
    """Fisher's (1935) test: p = (1 + relabellings at least as far) / (1 + relabellings). Exact whatever the distance
    and the law, for the true labels are one relabelling among equals; the distance decides what it finds."""

    def __init__(self, spec: Spec, *, distances: Distances, permutations: int = 99) -> None:
        self.distances, self.permutations = distances, permutations

    def fit(self, stream: Any) -> None:
        """Nothing to learn."""

    def pvalue(self, x: Tensor, y: Tensor | Uniform) -> float:
        rows = pooled(x, y)
        order = torch.rand(self.permutations + 1, len(rows)).argsort(1)
        order[0] = torch.arange(len(rows))
        found = self.distances(rows, order < len(x))
        return float((found >= found[0] - 1e-12 * found[0].abs()).double().mean())


def pooled(x: Tensor, y: Tensor | Uniform) -> Tensor:
    """Both sets, x first, (n + m, d) in float64."""
    if isinstance(y, Uniform):
        raise NotImplementedError("a test of two sets of rows, not of symbols against a law")
    return torch.cat([x, y]).double().flatten(1)


def contrast(mine: Tensor) -> Tensor:
    """1/n for x's rows and -1/m for the others, so that it takes differences of means."""
    first = mine.double()
    return first / first.sum(1, keepdim=True) - (1 - first) / (1 - first).sum(1, keepdim=True)


def mmd(rows: Tensor, mine: Tensor) -> Tensor:
    """Squared MMD, s' K s for the contrast s (Gretton et al., 2012), a Gaussian kernel of median width."""
    apart = torch.cdist(rows, rows).square()
    s = contrast(mine)
    return (s @ (-apart / apart[apart > 0].median()).exp() * s).sum(1)


def energy(rows: Tensor, mine: Tensor) -> Tensor:
    """Energy distance, -s' D s for the distances D (Szekely & Rizzo, 2004): 2 E|x-y| - E|x-x'| - E|y-y'|."""
    s = contrast(mine)
    return -(s @ torch.cdist(rows, rows) * s).sum(1)


def wasserstein(rows: Tensor, mine: Tensor) -> Tensor:
    """W_1 of sets of one size, by optimal assignment."""
    if 2 * int(mine[0].sum()) != len(rows):
        raise NotImplementedError("an assignment takes two sets of one size")
    apart = torch.cdist(rows, rows).numpy()
    found = []
    for first in mine.numpy():
        cost = apart[first][:, ~first]
        found.append(cost[linear_sum_assignment(cost)].sum())
    return torch.tensor(found) / mine[0].sum()


def sliced(rows: Tensor, mine: Tensor, directions: int = 20) -> Tensor:
    """Mean W_1 over random lines: on each the integral of |F - G|, F - G a running sum of the contrast."""
    lines = torch.randn(rows.shape[1], directions, dtype=rows.dtype)
    values, order = (rows @ (lines / lines.norm(dim=0))).T.sort(1)
    return (contrast(mine)[:, order].cumsum(2)[..., :-1].abs() * values.diff(dim=1)).sum(2).mean(1)


permutation_mmd = partial(Permutation, distances=mmd)
permutation_energy = partial(Permutation, distances=energy)
permutation_wasserstein = partial(Permutation, distances=wasserstein)
permutation_sliced = partial(Permutation, distances=sliced)

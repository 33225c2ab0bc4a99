"""What a metric on trial sees: whether its value grows with what is wrong, and how little of it is found."""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor

from genbench import stats
from genbench.errors import BadInput, NotApplicable
from genbench.evidence import Estimates
from genbench.metric import metric
from genbench.metrics.estimates import at_least
from genbench.record import Estimate


@metric("higher", version="1", unit="rank correlation")
def severity_correlation(e: Estimates, *, fault: str = "noise") -> Estimate:
    """Spearman's rank correlation of the values with the severity of a fault, over its cells and their repeats.

    0 where they do not move, below 0 where the worse passes for the better. The error is that of Fisher's z. Raises
    NotApplicable where nothing of that fault was shown, BadInput below 2 repeats and on a fault that there is none of.
    """
    severity, values = of_fault(e, fault)
    x, y = severity.repeat(len(values)), values.flatten()
    found = stats.spearman(x.tolist(), y.tolist())
    if math.isnan(found.value):
        return Estimate(0.0, 1 / math.sqrt(len(x)), len(x), note="the value never moves")
    return Estimate(found.value, found.error, len(x), found.low, found.high)


@metric("lower", version="1", unit="severity")
def least_severity(e: Estimates, *, fault: str = "noise") -> Estimate:
    """The least severity of a fault from which on every trial is found: the value is above all k null values, which at
    equal laws happens in one of k + 1 trials, 0.05 for 19.

    1 where not even the worst is always found, which the note says. The error is that of where between two severities
    found and not found it lies, taken as uniform. Raises as `severity_correlation` does, and NotApplicable where there
    are fewer than 19 nulls.
    """
    severity, values = of_fault(e, fault)
    if len(e.null) < 19:
        raise NotApplicable(f"{len(e.null)} null values; to be above all at 5 % takes 19")
    order = severity.argsort()
    null = e.null[:, cells_of(e, fault), 0]
    found = (values > null.amax(0)).all(0)[order].tolist()
    grid = [0.0, *severity[order].tolist(), 1.0]
    first = len(found) - next((i for i, hit in enumerate(reversed(found)) if not hit), len(found))
    note = "" if first < len(found) else f"not always found at {grid[-2]:g}"
    return Estimate(grid[first + 1], (grid[first + 1] - grid[first]) / math.sqrt(12), values.numel(), note=note)


def cells_of(e: Estimates, fault: str) -> np.ndarray:
    if fault not in e.FAULTS:
        raise BadInput(f"fault={fault!r}; there are {', '.join(e.FAULTS)}")
    found = np.flatnonzero(e.kinds.numpy() == e.FAULTS.index(fault))
    if not len(found):
        raise NotApplicable(f"nothing with the fault {fault!r} was shown")
    return found


def of_fault(e: Estimates, fault: str) -> tuple[Tensor, Tensor]:
    """The severity of a fault's cells (cells,), and the values there (repeats, cells)."""
    at_least(2, null=e.null, far=e.far)
    cells = cells_of(e, fault)
    return e.cells[cells, 2], e.far[:, cells, 0]

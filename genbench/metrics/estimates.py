"""What every metric needs around its formula: rows that can be judged, and the errors of means and of shares."""

from __future__ import annotations

import math

from scipy.special import betainccinv, betaincinv
from torch import Tensor

from genbench.errors import BadInput
from genbench.evidence import finite
from genbench.record import Estimate


def at_least(least: int, **sets: Tensor) -> None:
    """BadInput where a set has too few rows for an error to exist."""
    for name, rows in sets.items():
        if len(rows) < least:
            raise BadInput(f"{name} has {len(rows)} row{'s' * (len(rows) > 1)}; at least {least} are needed")


def flat(**sets: Tensor) -> list[Tensor]:
    """Each set as (n, numbers) in float64. BadInput where a value is infinite or rows differ in shape."""
    (first, like), *_ = sets.items()
    for name, rows in sets.items():
        finite(name, rows)
        if rows.shape[1:] != like.shape[1:]:
            raise BadInput(f"{first} rows have shape {tuple(like.shape[1:])}, {name} rows {tuple(rows.shape[1:])}")
    return [rows.double().reshape(len(rows), -1) for rows in sets.values()]


def vector(name: str, values: Tensor) -> Tensor:
    """One number a row, in float64."""
    if values.ndim != 1:
        raise BadInput(f"{name} has shape {tuple(values.shape)}, expected one number a row: (n,)")
    return values.double()


def squared_error(influence: Tensor) -> float:
    """The variance of a mean of n terms; of any estimate whose influence on each row is the term."""
    return float(influence.var()) / len(influence)


def mean(values: Tensor) -> Estimate:
    """The mean of independent terms (n,) and its standard error."""
    return Estimate(float(values.mean()), math.sqrt(squared_error(values)), len(values))


def share(hits: int, n: int) -> tuple[float, float]:
    """A share of n and its standard error: half of Wilson's (1927) interval at z = 1, so not 0 at 0 and 1."""
    p = hits / n
    return p, math.sqrt(p * (1 - p) / n + 1 / (4 * n * n)) / (1 + 1 / n)


def clopper_pearson(hits: int, n: int, risk: float) -> tuple[float, float]:
    """Ends for a chance of which n trials had so many hits: by the binomial law itself either is missed in at most
    that share of repeats (Clopper & Pearson, 1934)."""
    low = float(betaincinv(hits, n - hits + 1, risk)) if hits else 0.0
    return low, float(betainccinv(hits + 1, n - hits, risk)) if hits < n else 1.0

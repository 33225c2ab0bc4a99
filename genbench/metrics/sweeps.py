"""How good an estimator is: whether its bounds hold, how far off it is, and how that falls with the draws."""

from __future__ import annotations

import math

import torch
from scipy import stats
from torch import Tensor

from genbench import stats as intervals
from genbench.errors import NotApplicable
from genbench.evidence import Estimates
from genbench.metric import metric
from genbench.metrics.estimates import at_least, share, squared_error
from genbench.metrics.trials import seconds
from genbench.record import Estimate

LEVEL = 0.95  # in so many repeats bounds are to hold


@metric("higher", version="1", unit="share")
def holds(e: Estimates) -> Estimate:
    """How often the truth lies between low and high: over all cells alike, of equal laws and of different ones.

    low and high are the least and the greatest cell. `pvalue` is that of the claim that no cell's chance is below
    0.95: one-sided binomial, times the number of cells; `reject` says that one is. Raises NotApplicable where no bound
    was given or the truth is not known, BadInput below 2 repeats.
    """
    at_least(2, null=e.null, far=e.far)
    hits, repeats = [], []
    for said, known in zip((e.null, e.far), truth(e).T, strict=True):
        _, low, high = bounds(said)
        hits += ((low <= known) & (known <= high)).sum(0).tolist()
        repeats += [len(said)] * len(known)
    value, error = share(sum(hits), sum(repeats))
    held = [hit / k for hit, k in zip(hits, repeats, strict=True)]
    least = min(float(stats.binom.cdf(hit, k, LEVEL)) for hit, k in zip(hits, repeats, strict=True))
    chance = min(1.0, len(hits) * least)
    return Estimate(
        value, error, sum(repeats), low=min(held), high=max(held), pvalue=chance, reject=chance <= 1 - LEVEL
    )


@metric("neither", version="1", unit="of the truth")
def excess(e: Estimates) -> Estimate:
    """By how much values lie above the truth, in units of it: mean of value / truth - 1 over cells of different laws.

    -1 where nothing is seen. low and high are the least and the greatest cell, the error that of the repeats. Raises
    NotApplicable where the truth is not known or is 0, BadInput below 2 repeats.
    """
    return over_cells(e.far[..., 0] / above_nothing(e) - 1)


@metric("higher", version="1", unit="of the truth")
def proved(e: Estimates) -> Estimate:
    """How much of the truth is proved: mean of low / truth, a low counted as 0 where it lies below 0 or, for then it is
    no proof, above the truth. Raises as `excess` does, and where no bound was given."""
    low = bounds(e.far)[1].clamp(min=0) / above_nothing(e)
    return over_cells(torch.where(low <= 1, low, 0.0))


@metric("lower", version="1", unit="of the truth")
def width(e: Estimates) -> Estimate:
    """How much bounds leave open: mean of (high - max(low, 0)) / truth; above 1, a distance of 0 and twice the true
    one are alike to them. Raises as `excess` does, and where one of the bounds was not given."""
    _, low, high = bounds(e.far)
    if not bool((low.isfinite() & high.isfinite()).all()):
        raise NotApplicable("it gives no bounds to both sides")
    return over_cells((high - low.clamp(min=0)) / above_nothing(e))


@metric("lower", version="1", unit="of what is estimated")
def null_value(e: Estimates) -> Estimate:
    """The mean value between equal laws, over all cells alike. Raises BadInput below 2 repeats."""
    return over_cells(e.null[..., 0])


@metric("neither", version="1", unit="exponent")
def null_exponent(e: Estimates) -> Estimate:
    """How the value between equal laws falls: the slope of its logarithm against log(draws) / n, with a height of its
    own for each n, the numbers in a row.

    -1 for W_1 between samples where n > 2 (Dudley, 1969): the curse of dimensionality. -n / 2 for what has none. The
    error is that of least squares. Raises NotApplicable where no n comes with several draws or a mean value is not
    above 0, BadInput below 2 repeats.
    """
    at_least(2, null=e.null)
    values, (n, draws, _, _) = e.null[..., 0].mean(0), e.cells.T
    if not bool((values > 0).all()):
        raise NotApplicable("the mean value between equal laws is not above 0")
    x, y = (around(side, n) for side in (draws.log() / n, values.log()))
    slope = intervals.slope(x.tolist(), y.tolist())
    if not math.isfinite(slope.value):
        raise NotApplicable("no n came with several draws")
    return Estimate(slope.value, slope.error, len(x))


@metric("lower", version="1", unit="seconds")
def seconds_an_estimate(e: Estimates) -> Estimate:
    """How long one estimate takes, in the mean over cells; the error is that of their spread. Raises BadInput below 2
    repeats."""
    return seconds(e)


def truth(e: Estimates) -> Tensor:
    if not e.known.numel():
        raise NotApplicable("the truth is not known")
    return e.known


def above_nothing(e: Estimates) -> Tensor:
    """The truth where the laws differ (cells,)."""
    far = truth(e)[:, 1]
    if not float(far.min()) > 0:
        raise NotApplicable("what is to be found is not above 0")
    return far


def bounds(said: Tensor) -> tuple[Tensor, ...]:
    """Value, low and high, each (repeats, cells)."""
    if bool((said[..., 1] == -math.inf).all()) and bool((said[..., 2] == math.inf).all()):
        raise NotApplicable("it gives no bounds")
    return said.unbind(2)


def over_cells(values: Tensor) -> Estimate:
    """The mean of values (repeats, cells) over all cells alike."""
    at_least(2, values=values)
    low, high = (float(end) for end in values.mean(0).aminmax())
    error = math.sqrt(sum(squared_error(cell) for cell in values.T)) / values.shape[1]
    return Estimate(float(values.mean()), error, values.numel(), low=low, high=high)


def around(values: Tensor, groups: Tensor) -> Tensor:
    """Each value less the mean of its group."""
    same = (groups[:, None] == groups).double()
    return values - same @ values / same.sum(1)

"""Whether an editor does what was painted, leaves the rest, and ends at what it could have drawn."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genbench.errors import BadInput, NotApplicable
from genbench.evidence import Edits
from genbench.metric import metric
from genbench.metrics.estimates import at_least, flat, share, squared_error
from genbench.record import Estimate


def painted(e: Edits) -> tuple[Tensor, ...]:
    """start, wanted, after and the mask as (n, numbers). BadInput where a mask is not of 0 and 1."""
    at_least(2, start=e.start)
    start, mask, wanted, after = flat(start=e.start, mask=e.mask, wanted=e.wanted, after=e.after)
    if not bool(((mask == 0) | (mask == 1)).all()):
        raise BadInput("mask has values other than 0 and 1")
    return start, wanted, after, mask


def ratio(above: Tensor, below: Tensor, nothing: str) -> Estimate:
    """The ratio of two means over the same rows, with the delta method's error. NotApplicable over nothing."""
    if not float(below.sum()) > 0:
        raise NotApplicable(nothing)
    value = above.mean() / below.mean()
    return Estimate(float(value), math.sqrt(squared_error((above - value * below) / below.mean())), len(above))


@metric("lower", version="1", unit="of the error before")
def edit_error(e: Edits) -> Estimate:
    """What is left of the squared error within the mask once a picture is edited.

        sum of mask (after - wanted)^2 / sum of mask (start - wanted)^2, over all rows

    0 where what was painted is there, 1 where nothing came of it. The error is the delta method's. Raises BadInput
    below 2 rows and for a mask that is not of 0 and 1, NotApplicable where all was as wanted from the start.
    """
    start, wanted, after, mask = painted(e)
    left, had = ((mask * (x - wanted).square()).sum(1) for x in (after, start))
    return ratio(left, had, "all was as wanted from the start")


@metric("lower", version="1", unit="of the change within")
def edit_spill(e: Edits) -> Estimate:
    """How much a pixel outside the mask changes, relative to one within: the mean of |after - start| over each.

    The error is the delta method's. Raises BadInput as `edit_error` does, NotApplicable where nothing within changed.
    """
    start, _, after, mask = painted(e)
    change = (after - start).abs()
    within, outside = mask.sum(), (1 - mask).sum()
    if not outside > 0:
        raise NotApplicable("the masks leave nothing out")
    return ratio((change * (1 - mask)).sum(1) * within / outside, (change * mask).sum(1), "no edit changed a pixel")


@metric("higher", version="1", unit="share of edits")
def edit_realism(e: Edits, quantile: float = 0.9) -> Estimate:
    """The share of edited pictures as near to a training row as that quantile of the model's own samples are.

    Near as numbers in a row lie. About the quantile itself where edits are as good as samples. The error is `share`'s,
    and takes the quantile as known. Raises BadInput below 2 rows and for a quantile outside 0..1.
    """
    at_least(2, start=e.start, plain=e.plain)
    if not 0 <= quantile <= 1:
        raise BadInput(f"quantile={quantile}; it lies between 0 and 1")
    after, plain, real = flat(after=e.after, plain=e.plain, real=e.real)
    edits, samples = (torch.cdist(rows, real).amin(1) for rows in (after, plain))
    return Estimate(*share(int((edits <= samples.quantile(quantile)).sum()), len(edits)), len(edits))

"""Whether rows that are made together are alike."""

from __future__ import annotations

import math

from scipy import stats

from genbench.errors import BadInput, NotApplicable
from genbench.evidence import Batches
from genbench.metric import metric
from genbench.metrics.estimates import at_least, squared_error
from genbench.record import Estimate


@metric("neither", version="1", unit="of the variance within batches")
def fluctuation(e: Batches) -> Estimate:
    """Whether batches of samples (batches, n, *shape) differ by more, or less, than independent rows would make them:
    Fisher's F (Goodfellow, 2016, section 4.2, shows such batches).

        F = [n / (B - 1) sum_b |m_b - m|^2] / [1 / (B (n - 1)) sum_bi |x_bi - m_b|^2]

    over B batches with means m_b, squared distances summed over all numbers of a row. 1 in the mean for independent
    rows; large where the rows of a batch are alike, 0 where every batch is made to have the same mean. The error is
    that of a ratio of means over batches, `pvalue` that of F = 1, either way, by the normal law. Raises BadInput below
    2 batches of 2 rows, NotApplicable where the rows of each batch are all alike.
    """
    at_least(2, fake=e.fake)
    x = e.fake.double().flatten(2)
    B, n = x.shape[:2]
    if n < 2:
        raise BadInput(f"fake has batches of {n} row; at least 2 are needed")
    means = x.mean(1, keepdim=True)
    between = n * B / (B - 1) * (means - means.mean(0)).square().sum((1, 2))
    within = (x - means).square().sum((1, 2)) / (n - 1)
    usual = float(within.mean())
    if not usual > 1e-12 * float(x.square().mean()):
        raise NotApplicable("the rows of each batch are all alike")
    F = float(between.mean()) / usual
    error = math.sqrt(squared_error((between - F * within) / usual))
    chance = 2 * float(stats.norm.sf(abs(F - 1) / error)) if error else None
    return Estimate(F, error, B, pvalue=chance, reject=None if chance is None else chance <= 0.05)

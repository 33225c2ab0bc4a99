"""What an encoder keeps of a row."""

from __future__ import annotations

from genbench.errors import BadInput
from genbench.evidence import Reconstructions
from genbench.metric import metric
from genbench.metrics.estimates import at_least, flat, mean
from genbench.record import Estimate


@metric("lower", version="1", unit="squared error per number")
def reconstruction(e: Reconstructions) -> Estimate:
    """Mean squared error of decode(encode(x)) on held-out rows (n, *shape), per number and not per row.

        mean over rows and their numbers of (x - x')^2

    Its error is the standard error over rows. Raises BadInput below 2 rows and where shapes or counts disagree.
    """
    at_least(2, real=e.real)
    real, again = flat(real=e.real, again=e.again)
    if len(real) != len(again):
        raise BadInput(f"{len(real)} rows, but {len(again)} reconstructions")
    return mean((real - again).square().mean(1))

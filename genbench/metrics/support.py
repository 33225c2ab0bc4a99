"""Whether the fakes cover the modes that are there, and lie near them."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from genbench.errors import NotApplicable
from genbench.evidence import Symbols
from genbench.metric import metric
from genbench.metrics.estimates import share
from genbench.metrics.testing import counted
from genbench.record import Estimate

FAIR = 1 / 16  # of its due share, and a mode counts as covered: 20 of 2560 draws where there are 8


@metric("higher", version="1", unit="modes")
def modes(e: Symbols) -> Estimate:
    """Modes covered (Metz et al., 2017): those that hold at least 1/16 of their due share of the T draws.

        #{ i : c_i >= max(1, T w_i / 16) }

    With 8 equal modes and 2560 draws this is the usual 20. Draws of no mode count in T: modes are not covered by
    noise. Where the task knows classes and no modes, these are the classes that the space's classifier sees. The
    error is the standard deviation over repeats with c_i ~ Binomial(T, c_i / T), apart from the slight negative
    correlation of the counts; where a count sits on the threshold it is a fifth too small. Raises BadInput on
    what is no draw.
    """
    counts, weights = (values.cpu().numpy() for values in counted(e))
    draws, (counts, weights) = len(e.draws), (counts[weights > 0], weights[weights > 0])
    due = np.maximum(1, np.ceil(draws * weights * FAIR - 1e-6))
    held = stats.binom.sf(due - 1, draws, counts / draws)
    return Estimate(float((counts >= due).sum()), math.sqrt(float((held * (1 - held)).sum())), draws)


@metric("higher", version="1", unit="share")
def high_quality(e: Symbols) -> Estimate:
    """The share of draws that lie within the radius of a mode (Metz et al., 2017), with its binomial error.

    Raises NotApplicable where every row is given a symbol whatever it is, as by a classifier.
    """
    counts, _ = counted(e)
    if e.exhaustive:
        raise NotApplicable("a classifier names a class for every row: none lies outside")
    value, error = share(int(counts.sum()), len(e.draws))
    return Estimate(value, error, len(e.draws))

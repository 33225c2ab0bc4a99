"""What the nearest neighbours of the fakes give away."""

from __future__ import annotations

import math

import torch
from scipy import stats

from genbench.evidence import Copies
from genbench.metric import metric
from genbench.metrics.estimates import at_least, flat
from genbench.record import Estimate


@metric("neither", version="1", unit="standard deviations")
def copying(e: Copies) -> Estimate:
    """The data-copying test of Meehan, Chaudhuri & Dasgupta (2020), in one cell: are fakes nearer to train than held?

        z = (U - n^2 / 2) / sd(U),   U = #{ d(fake) > d(held) } + #{ d(fake) = d(held) } / 2

    with d the Euclidean distance to the nearest training row, over the first n fake and held-out rows, n equal for
    both since z grows with its root; sd(U) is corrected for ties. Far below 0 the fakes copy; far above 0 they
    miss the data; near 0 they do neither, so neither direction is better. z has standard error 1 by construction
    at equal laws. `pvalue` is one-sided for copying, `reject` at 0.001. One cell, not the paper's k-means cells:
    these want hundreds of held-out rows each; so copying in one region can hide behind missing another.
    Complete copying gives z = -1.22 sqrt(n), so 70 rows before -10 can be reached. Raises BadInput below 2 rows
    and where shapes disagree.
    """
    at_least(2, held=e.held, fake=e.fake)
    train, held, fake = flat(train=e.train, held=e.held, fake=e.fake)
    n = min(len(held), len(fake))
    both = torch.cat([fake[:n], held[:n]])
    nearest = torch.cdist(both, train, compute_mode="donot_use_mm_for_euclid_dist").min(1).values.cpu().numpy()
    ranks = stats.rankdata(nearest)
    u = ranks[:n].sum() - n * (n + 1) / 2
    sd = math.sqrt(n * n / (2 * n) / (2 * n - 1) * float(((ranks - ranks.mean()) ** 2).sum()))
    z = float(u - n * n / 2) / sd if sd else 0.0
    pvalue = float(stats.norm.cdf(z))
    return Estimate(z, 1.0, n, pvalue=pvalue, reject=pvalue <= 0.001)

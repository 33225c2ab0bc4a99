"""What nearest neighbours give away: fakes where no real row is, real rows where no fake is, and copies."""

from __future__ import annotations

import math

import torch
from scipy import stats

from genbench.errors import BadInput
from genbench.evidence import Copies, Features
from genbench.metric import metric
from genbench.metrics.balls import Balls
from genbench.metrics.estimates import at_least, flat
from genbench.metrics.pairwise import Nearest, shared, tiles, together
from genbench.record import Estimate


@metric("higher", version="1", unit="share of fakes")
def precision(e: Features, *, k: int = 5) -> Estimate:
    """The share of fakes (m, d) that lie in the ball of a real row (n, d) (Kynkaanniemi et al., 2019, eq. 1-2).

        #{ j : |y_j - x_i| <= r_i for some i } / m,   r_i the distance of x_i to its k-th nearest other real row

    The error is that of `Balls`. The number depends on n, on k and on d: compare equal ones only, and at equal laws
    it is not 1. One outlier among the real rows has a ball that is large enough for many bad fakes; and fakes of
    one good row are as precise as can be. Assumes independent rows. Raises BadInput below k + 1 or 4 rows a set.
    """
    return in_balls(e, k, "precision")


@metric("higher", version="1", unit="share of real rows")
def recall(e: Features, *, k: int = 5) -> Estimate:
    """The share of real rows (n, d) that lie in the ball of a fake (m, d) (Kynkaanniemi et al., 2019, eq. 1-2).

        #{ i : |x_i - y_j| <= s_j for some j } / n,   s_j the distance of y_j to its k-th nearest other fake

    `precision` with the sets exchanged. The balls are the fakes' own: few far-off fakes have balls that are large
    enough to recall all, so noise of a large scale does. The error is that of `Balls`; compare equal n, m and k
    only. Assumes independent rows. Raises BadInput below k + 1 or 4 rows a set.
    """
    return in_balls(e, k, "recall")


@metric("higher", version="1", unit="of that of real rows")
def density(e: Features, *, k: int = 5) -> Estimate:
    """How many balls of real rows (n, d) a fake (m, d) lies in, over k (Naeem et al., 2020, eq. 5).

        #{ (i, j) : |y_j - x_i| <= r_i } / (k m),   r_i as in `precision`

    Its mean is 1 at equal laws, for any n, m, k, d and any law without ties, and it has no upper bound: in many
    dimensions the middle of the data lies in most balls, so collapse onto it scores many times what real rows do.
    The error is that of `Balls`. Assumes independent rows. Raises BadInput below k + 1 or 4 rows a set.
    """
    return in_balls(e, k, "density")


@metric("higher", version="1", unit="share of real rows")
def coverage(e: Features, *, k: int = 5) -> Estimate:
    """The share of real rows (n, d) that have a fake (m, d) in their ball (Naeem et al., 2020, eq. 6).

        #{ i : |x_i - y_j| <= r_i for some j } / n,   r_i as in `precision`

    At equal laws without ties, its mean is 1 - (n-1)...(n-k) / ((n+m-1)...(n+m-k)), as x_i stays uncovered where its
    k nearest of the n + m - 1 others are all real: 0.969 at n = m and k = 5, less where there are fewer fakes, more
    where there are more, so compare equal n and m only. Fakes that are far from all data cost nothing. The error is
    that of `Balls`. Assumes independent rows. Raises BadInput below k + 1 or 4 rows a set.
    """
    return in_balls(e, k, "coverage")


@metric("neither", version="1", unit="standard deviations")
def copying(e: Copies) -> Estimate:
    """The data-copying test of Meehan, Chaudhuri & Dasgupta (2020), in one cell: are fakes nearer to train than held?

        z = (U - n^2 / 2) / sd(U),   U = #{ d(fake) > d(held) } + #{ d(fake) = d(held) } / 2

    with d the Euclidean distance to the nearest training row, over the first n fake and held-out rows, n equal for
    both since z grows with its root; sd(U) is corrected for ties. Far below 0 the fakes copy; far above 0 they
    miss the data; near 0 they do neither, so neither direction is better. z has standard error 1 by construction
    at equal laws. `pvalue` is one-sided for copying, `reject` at 0.001. One cell, not the paper's k-means cells:
    these want hundreds of held-out rows each; so copying in one region can hide behind missing another, and a copy
    moved by a pixel is no copy in pixel space. Complete copying gives z = -1.22 sqrt(n), so 70 rows before -10 can
    be reached. Raises BadInput below 2 rows and where shapes disagree.
    """
    at_least(2, held=e.held, fake=e.fake)
    train, held, fake = flat(train=e.train, held=e.held, fake=e.fake)
    n = min(len(held), len(fake))
    both, among = together(torch.cat([fake[:n], held[:n]]), train)
    found = Nearest(both, among, keep=4)
    for tile in tiles(both, among):
        found.see(tile.rows, tile.columns, tile.squared)
    ranks = stats.rankdata(found.kth(1).cpu().numpy())
    u = ranks[:n].sum() - n * (n + 1) / 2
    sd = math.sqrt(n * n / (2 * n) / (2 * n - 1) * float(((ranks - ranks.mean()) ** 2).sum()))
    z = float(u - n * n / 2) / sd if sd else 0.0
    pvalue = float(stats.norm.cdf(z))
    return Estimate(z, 1.0, n, pvalue=pvalue, reject=pvalue <= 0.001)


def in_balls(e: Features, k: int, wanted: str) -> Estimate:
    """Of all four, which share their balls; or, where nothing more is asked, of the balls of one set alone."""
    if k < 1:
        raise BadInput(f"k={k}; a ball reaches to the k-th nearest row, k at least 1")
    for name, rows in (("real", e.real), ("fake", e.fake)):
        if len(rows) <= k:
            raise BadInput(f"{name} has {len(rows)} row{'s' * (len(rows) > 1)}; at least {k + 1} are needed for k={k}")
    at_least(4, real=e.real, fake=e.fake)
    alone = (("fake",) if wanted == "recall" else ("real",),) if e.once else ()
    found: dict[str, Estimate] = shared(e, Balls(k, *alone))
    return found[wanted]

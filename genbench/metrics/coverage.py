"""Whether the fakes cover what is real, pass for it, or copy it."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from scipy import stats
from sklearn.ensemble import RandomForestClassifier

from genbench.errors import BadInput, NotApplicable
from genbench.evidence import Copies, Judged, Symbols
from genbench.metric import metric
from genbench.metrics.estimates import at_least, flat, share
from genbench.metrics.testing import counted
from genbench.record import Estimate

FAIR = 1 / 16  # of its due share, and a mode counts as covered: 20 of 2560 draws where there are 8
JUDGED = 5000  # labelled rows that make the judge


@lru_cache(1)
def forest(rows: bytes, labels: bytes) -> RandomForestClassifier:
    """The judge of float32 rows and int64 labels; kept, for one run is judged on the same rows again and again."""
    y = np.frombuffer(labels, np.int64)
    x = np.frombuffer(rows, np.float32).reshape(len(y), -1)
    return RandomForestClassifier(100, random_state=0, n_jobs=1).fit(x, y)


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


@metric("higher", version="1", unit="of the rate of real rows")
def accepted(e: Judged) -> Estimate:
    """How often a judge accepts fakes (m, ...), relative to held-out real rows (n, ...).

        (share of fakes accepted) / (share of real accepted)

    The judge is a random forest (Breiman, 2001) of 100 trees on at most 5000 labelled training rows, of a kind
    that no space uses; it accepts a row when one class has at least half of its vote. Above 1 the fakes are
    clearer than real rows. The error is the delta method's. It asks for recognisable rows, not for varied ones.
    Raises NotApplicable where the judge accepts no real row or the labels name fewer than 2 classes, BadInput
    where shapes or counts disagree.
    """
    at_least(2, real=e.real, fake=e.fake)
    train, real, fake = (rows.float().cpu().numpy() for rows in flat(train=e.train, real=e.real, fake=e.fake))
    labels = e.labels.long().cpu().numpy()
    if labels.shape != (len(train),):
        raise BadInput(f"labels have shape {labels.shape}, expected one a training row: ({len(train)},)")
    labelled = np.random.default_rng(0).permutation(np.flatnonzero(labels >= 0))[:JUDGED]
    if len(np.unique(labels[labelled])) < 2:
        raise NotApplicable("the labels name fewer than 2 classes: a judge would accept everything")
    judge = forest(train[labelled].tobytes(), labels[labelled].tobytes())
    (p, p_error), (q, q_error) = (
        share(int((judge.predict_proba(rows).max(1) >= 0.5).sum()), len(rows)) for rows in (fake, real)
    )
    if q == 0:
        raise NotApplicable(f"the judge accepts none of {len(real)} real rows")
    return Estimate(p / q, math.hypot(p_error / q, p * q_error / q**2), min(len(real), len(fake)))


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

"""Whether the fakes pass for real rows with a judge that no space uses."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from genbench.errors import BadInput, NotApplicable
from genbench.evidence import Judged
from genbench.metric import metric
from genbench.metrics.estimates import at_least, flat, share
from genbench.record import Estimate

JUDGED = 5000  # labelled rows that make the judge


@lru_cache(1)
def forest(rows: bytes, labels: bytes) -> RandomForestClassifier:
    """The judge of float32 rows and int64 labels; kept, for one run is judged on the same rows again and again."""
    y = np.frombuffer(labels, np.int64)
    x = np.frombuffer(rows, np.float32).reshape(len(y), -1)
    return RandomForestClassifier(100, random_state=0, n_jobs=1).fit(x, y)


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

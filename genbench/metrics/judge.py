"""Whether the fakes pass for real rows with a judge that no space uses."""

from __future__ import annotations

import math

from genbench.errors import NotApplicable
from genbench.evidence import Judged
from genbench.forest import judge, numbers
from genbench.metric import metric
from genbench.metrics.estimates import at_least, flat, share
from genbench.record import Estimate


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
    train, *shown = flat(train=e.train, fake=e.fake, real=e.real)
    known = judge(train, e.labels)
    (p, p_error), (q, q_error) = (
        share(int((known.predict_proba(numbers(rows)).max(1) >= 0.5).sum()), len(rows)) for rows in shown
    )
    if q == 0:
        raise NotApplicable(f"the judge accepts none of {len(e.real)} real rows")
    return Estimate(p / q, math.hypot(p_error / q, p * q_error / q**2), min(len(e.real), len(e.fake)))

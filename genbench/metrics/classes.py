"""What a classifier sees in the fakes."""

from __future__ import annotations

import math

import torch

from genbench.errors import BadInput
from genbench.evidence import Logits, finite
from genbench.metric import metric
from genbench.metrics.estimates import at_least
from genbench.record import Estimate


@metric("higher", version="1", unit="classes")
def inception_score(e: Logits) -> Estimate:
    """Inception score (Salimans et al., 2016): exp(mean_x KL(p(y|x) || p(y))) from logits (m, classes).

    Between 1 and the number of classes; biased downward for m near it. It never sees a real row: it rewards one
    clear sample of each class. The error is the delete-one jackknife's, in O(m classes). Assumes independent rows.
    Raises BadInput below 2 rows, for logits that are not (m, classes), or infinite ones.
    """
    finite("logits", e.fake)
    if e.fake.ndim != 2:
        raise BadInput(f"logits have shape {tuple(e.fake.shape)}, expected (m, classes)")
    at_least(2, logits=e.fake)
    m = len(e.fake)
    p = e.fake.double().softmax(1)
    entropy = torch.special.entr(p).sum(1)
    value = (torch.special.entr(p.mean(0)).sum() - entropy.mean()).exp()
    without = ((p.sum(0) - p) / (m - 1)).clamp(min=0)  # p(y) when one row is left out
    left = (torch.special.entr(without).sum(1) - (entropy.sum() - entropy) / (m - 1)).exp()
    return Estimate(float(value), math.sqrt((m - 1) * float(left.var(correction=0))), m)

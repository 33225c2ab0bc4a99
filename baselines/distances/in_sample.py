"""What a critic says of the rows that it was fitted on: no bound of anything, however it is read."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor

from baselines.distances.measured import both
from genbench.metrics.discriminators import advantage, classifier, critics, gain
from genbench.record import Estimate
from genbench.task import Spec, Uniform


class InSample:
    """The held-out bounds of the core with nothing held out: fitted on all rows, and judged by the same.

    The best of the critics gains next to W_1 between the two samples: transport finds it, and no other rows are asked.
    """

    def __init__(self, spec: Spec, *, of: Literal["W1", "TV"]) -> None:
        self.of = of

    def fit(self, stream: Any) -> None:
        """Nothing to learn."""

    def estimate(self, x: Tensor, y: Tensor | Uniform) -> Estimate:
        x, y = x.double(), both(y).double()
        if self.of == "TV":
            return advantage(classifier(x, y), x, y)
        best = max(critics(x, y), key=lambda f: float(f(x).mean() - f(y).mean()))
        return gain(best, best(torch.cat([x, y])), x, y)


critic_in_sample = partial(InSample, of="W1")
classifier_in_sample = partial(InSample, of="TV")

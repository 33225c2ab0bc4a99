"""What a critic says of the rows that it was fitted on: no bound of anything, however it is read."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

from torch import Tensor

from baselines.distances.measured import both
from genbench.metrics.discriminators import classifier, critics
from genbench.record import Estimate
from genbench.task import Spec, Uniform


class InSample:
    """The classifier and the 1-Lipschitz critics of the held-out bounds, fitted on all rows and judged on the same.

    The best of the critics is W_1 between the two samples: transport finds it, and McShane carries it no further.
    """

    def __init__(self, spec: Spec, *, of: Literal["W1", "TV"]) -> None:
        self.of = of

    def fit(self, stream: Any) -> None:
        """Nothing to learn."""

    def estimate(self, x: Tensor, y: Tensor | Uniform) -> Estimate:
        x, y = x.double(), both(y).double()
        if self.of == "TV":
            judge = classifier(x, y)
            return Estimate(float(judge(x).mean() - judge(y).mean()))
        return Estimate(max(float(f(x).mean() - f(y).mean()) for f in critics(x, y)))


critic_in_sample = partial(InSample, of="W1")
classifier_in_sample = partial(InSample, of="TV")

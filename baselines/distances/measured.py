"""The distances of the core as estimators: each is shown two sets of rows, and held against the distance of laws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from torch import Tensor

from genbench.metrics.ascent import max_projected_wasserstein
from genbench.metrics.discriminators import statistical_distance_bound, wasserstein_critic_bound
from genbench.metrics.projections import projected_wasserstein, sliced_wasserstein
from genbench.metrics.transport import wasserstein, wasserstein_bracket
from genbench.record import Estimate
from genbench.task import Spec, Uniform


class Measured:
    """A metric, with its options, and the distance that it stands for: W1, W2 or TV. `below` says that its bounds are
    of less than that distance, so that the upper one is none."""

    def __init__(
        self, spec: Spec, *, metric: Callable[..., Estimate], of: Literal["W1", "W2", "TV"] = "W1", below: bool = False,
        **options: Any,
    ) -> None:  # fmt: skip
        self.metric, self.of, self.below, self.options = metric, of, below, options

    def fit(self, stream: Any) -> None:
        """Nothing to learn."""

    def estimate(self, x: Tensor, y: Tensor | Uniform) -> Estimate:
        e = self.metric(x, both(y), **self.options)
        return replace(e, high=None) if self.below else e


def both(y: Tensor | Uniform) -> Tensor:
    if isinstance(y, Uniform):
        raise NotImplementedError("a distance of two sets of rows, not of symbols from a law")
    return y


of_samples = partial(Measured, metric=wasserstein)
bracket = partial(Measured, metric=wasserstein_bracket)
critic = partial(Measured, metric=wasserstein_critic_bound)
classifier = partial(Measured, metric=statistical_distance_bound, of="TV")
sliced = partial(Measured, metric=sliced_wasserstein)
projected = partial(Measured, metric=projected_wasserstein)
max_projected = partial(Measured, metric=max_projected_wasserstein, below=True)

"""W_2 along random lines, brought back to the length that it had: by the right factor, and by that of W_1."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

from torch import Tensor

from baselines.distances.measured import both
from genbench.metrics.projections import shortening, sliced_wasserstein
from genbench.record import Estimate
from genbench.task import Spec, Uniform


class SecondSlices:
    """(n E_s W_2^2(sP, sQ))^(1/2), a lower bound of W_2: a random line keeps 1/n of a squared length in the mean.

    `first` takes 1 / c in place of sqrt(n), c the share of a length that it keeps in the mean, which is right for W_1.
    By Jensen c < n^(-1/2), so this is too much: of a translation, by sqrt(pi / 2) in many numbers.
    """

    of = "W2"

    def __init__(self, spec: Spec, *, first: bool = False) -> None:
        self.first = first

    def fit(self, stream: Any) -> None:
        """Nothing to learn."""

    def estimate(self, x: Tensor, y: Tensor | Uniform) -> Estimate:
        e, n = sliced_wasserstein(x, both(y), p=2), x.shape[1]
        times = 1 / shortening(n, 1) if self.first else math.sqrt(n)
        return replace(e, value=times * e.value, error=times * e.error)


by_the_first = partial(SecondSlices, first=True)

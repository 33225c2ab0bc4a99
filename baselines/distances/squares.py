"""What becomes of the bracket on W_1 where W_1 is exchanged for W_2: each of its halves takes what W_2 lacks."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

from torch import Tensor

from baselines.distances.measured import both
from genbench.metrics.transport import bracketed, transport
from genbench.record import Estimate
from genbench.task import Spec, Uniform


def root_cost(x: Tensor, y: Tensor) -> float:
    return math.sqrt(transport(x, y, 2)[0])


def cost(x: Tensor, y: Tensor) -> float:
    return transport(x, y, 2)[0]


class SecondBracket:
    """W_N(P,Q) - min(W_N(P,P), W_N(Q,Q)) and W_N(P,Q), of W_2 or, `squared`, of its square, and the roots taken.

    W_2 is a distance but not convex in the laws: the upper end is none. Its square is convex and no distance: the
    lower end is none. For N(0, 1) and N(0, s^2) with s < 1 it lies above W_2^2 = (1 - s)^2 by 2 s (1 - s) (1 - a_N),
    a_N the mean square of the N expected order statistics of N(0, 1).
    """

    of = "W2"

    def __init__(self, spec: Spec, *, squared: bool, blocks: int = 8) -> None:
        self.squared, self.blocks = squared, blocks

    def fit(self, stream: Any) -> None:
        """Nothing to learn."""

    def estimate(self, x: Tensor, y: Tensor | Uniform) -> Estimate:
        e = bracketed(x.double(), both(y).double(), self.blocks, cost if self.squared else root_cost)
        if not self.squared:
            return e
        value, low, high = (math.sqrt(max(end or 0.0, 0.0)) for end in (e.value, e.low, e.high))
        return replace(e, value=value, low=low, high=high)


bracket_of_roots = partial(SecondBracket, squared=False)
bracket_of_squares = partial(SecondBracket, squared=True)

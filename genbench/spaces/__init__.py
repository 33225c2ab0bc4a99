"""Where rows are compared: a space maps rows to features, and to logits where it holds a classifier."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Space(Protocol):
    """`digest` names the weights, so that no two spaces pass for one; `resized` says how it brings images to its size.

    A class may offer `of(kind)`: the space as it sees rows of a task's kind, whose range it then knows.
    """

    name: str
    digest: str
    resized: str

    def features(self, x: Tensor) -> Tensor:
        """(n, *shape) -> (n, d), independent of how the rows are batched."""

    def logits(self, x: Tensor) -> Tensor:
        """(n, *shape) -> (n, classes); NotApplicable where the space holds no classifier."""

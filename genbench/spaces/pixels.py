"""The space of the rows themselves."""

from __future__ import annotations

from torch import Tensor

from genbench.errors import NotApplicable


class Pixels:
    """Every number of a row is a feature."""

    name = "pixels"
    digest = ""
    resized = ""

    def features(self, x: Tensor) -> Tensor:
        return x.flatten(1)

    def logits(self, x: Tensor) -> Tensor:
        raise NotApplicable("the space of pixels holds no classifier")

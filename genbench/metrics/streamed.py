"""Metrics inside somebody's own training loop: rows come in batches, the numbers when they are asked for."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from genbench.catalogue import load
from genbench.errors import BadInput
from genbench.evidence import Evidence, Features, Logits, finite, tensor
from genbench.metric import Metric
from genbench.metrics.leftout import debiased, plain
from genbench.metrics.moments import Blocks
from genbench.record import Estimate
from genbench.spaces import Space

FROM_MOMENTS = {"frechet": plain, "frechet_debiased": debiased}


class Streamed:
    """Metrics of features or logits, by update and compute: `Streamed("frechet", "kid", space="digits")`.

    `update(real=x, fake=y)` takes a batch of rows (n, *shape) of either side or both, seen through the space;
    `compute()` gives {name: Estimate} of all rows so far, and may be called at any time. Where Frechet distances
    alone are asked, moments are kept and memory does not grow with the rows (and the error of `frechet` is a block
    jackknife's); else the features are. The size of the batches does not matter. Raises BadInput for unknown
    names, for metrics of other evidence, for NaN, and where a side has no rows.
    """

    def __init__(self, *names: str, space: str | Space = "pixels") -> None:
        self.metrics: dict[str, Metric] = {name: load("metrics", name) for name in names}
        for name, metric in self.metrics.items():
            if metric.evidence not in (Features, Logits):
                raise BadInput(f"{name} judges {metric.evidence.__name__}; only features and logits stream")
        if not names:
            raise BadInput("name a metric to stream, such as 'frechet'")
        self.space: Space = load("spaces", space)() if isinstance(space, str) else space
        self.kinds = {metric.evidence for metric in self.metrics.values()}
        self.width = 0
        self.reset()

    def reset(self, *, real: bool = True, fake: bool = True) -> None:
        """Forget the rows of both sides, or of one: `reset(real=False)` keeps the real ones for the next epoch."""
        held = Blocks if self.metrics.keys() <= FROM_MOMENTS.keys() else Rows
        if real:
            self.real: Blocks | Rows = held()
        if fake:
            self.fake: Blocks | Rows = held()
            self.logits = Rows()

    def update(self, *, real: Any = None, fake: Any = None) -> None:
        """Take in a batch of real rows, of fake ones, or of both."""
        for name, batch, held in (("real", real, self.real), ("fake", fake, self.fake)):
            if batch is None:
                continue
            x = tensor(name, batch)
            finite(name, x)
            if x.ndim < 2:
                raise BadInput(f"{name} has shape {tuple(x.shape)}, expected rows: (n, *shape)")
            with torch.no_grad():
                if Features in self.kinds:
                    held.update(self.checked(name, self.space.features(x).flatten(1)))
                if Logits in self.kinds and name == "fake":
                    self.logits.update(self.space.logits(x))

    def checked(self, name: str, features: Tensor) -> Tensor:
        finite(f"features of {name}", features)
        self.width = self.width or features.shape[1]
        if features.shape[1] != self.width:
            raise BadInput(f"{name} rows have {features.shape[1]} features, those before {self.width}")
        return features

    def compute(self) -> dict[str, Estimate]:
        """Every metric over the rows so far."""
        needed = (("real", self.real), ("fake", self.fake)) if Features in self.kinds else (("fake", self.logits),)
        for name, held in needed:
            if not held.rows:
                raise BadInput(f"no {name} rows yet; give some by update({name}=...)")
        if isinstance(self.real, Blocks) and isinstance(self.fake, Blocks):
            return {name: FROM_MOMENTS[name](self.real, self.fake) for name in self.metrics}
        assert isinstance(self.real, Rows)
        assert isinstance(self.fake, Rows)
        shown: dict[type, Evidence] = {}
        if Features in self.kinds:
            shown[Features] = Features(self.real.together(), self.fake.together())
        if Logits in self.kinds:
            shown[Logits] = Logits(self.logits.together())
        return {name: metric(shown[metric.evidence]) for name, metric in self.metrics.items()}


class Rows:
    """Rows as they came."""

    def __init__(self) -> None:
        self.batches: list[Tensor] = []
        self.rows = 0

    def update(self, rows: Tensor) -> None:
        self.batches.append(rows.clone())
        self.rows += len(rows)

    def together(self) -> Tensor:
        return torch.cat(self.batches)

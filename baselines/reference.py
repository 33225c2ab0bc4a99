"""The floor and the cheat that every table shows: a metric that ranks either of them first is on trial itself."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from genbench.task import Bits, Counts, Spec


class Noise:
    """The floor, which sees no row: uniform where there is a range, fair coins on bits, else standard normal."""

    def __init__(self, spec: Spec) -> None:
        if isinstance(spec.x, Counts):
            raise NotImplementedError("counts have no law that sees no row")
        self.kind = spec.x

    def fit(self, stream: Any) -> None:
        """Nothing to learn."""

    def sample(self, n: int) -> Tensor:
        if isinstance(self.kind, Bits):
            return torch.randint(2, (n, *self.kind.shape)).float()
        if self.kind.low is None or self.kind.high is None:
            return torch.randn(n, *self.kind.shape)
        return self.kind.low + (self.kind.high - self.kind.low) * torch.rand(n, *self.kind.shape)


class Thief(nn.Module):
    """The cheat: replays training rows, without replacement while they last."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.rows = torch.empty(0, *spec.x.shape)

    def fit(self, stream: Any) -> None:
        self.rows, _ = stream.whole()

    def sample(self, n: int) -> Tensor:
        rounds = -(-n // len(self.rows))
        order = torch.cat([torch.randperm(len(self.rows)) for _ in range(rounds)])
        return self.rows[order[:n]]

    # How many rows there are is known only after fit, so they travel as extra state, not as a buffer.
    def get_extra_state(self) -> Tensor:
        return self.rows

    def set_extra_state(self, state: Tensor) -> None:
        self.rows = state

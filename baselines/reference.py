"""The floor and the cheat that every table shows: a metric that ranks either of them first is on trial itself."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from genbench.task import Bits, Spec


class Noise(nn.Module):
    """The floor: each number uniform over its range in the training rows, bits fair coins."""

    low: Tensor
    high: Tensor

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.kind = spec.x
        self.register_buffer("low", torch.zeros(spec.x.shape))
        self.register_buffer("high", torch.ones(spec.x.shape))

    def fit(self, stream: Any) -> None:
        x, _ = stream.whole()
        self.low, self.high = x.amin(0), x.amax(0)

    def sample(self, n: int) -> Tensor:
        u = torch.rand(n, *self.kind.shape).to(self.low)
        return u.round() if isinstance(self.kind, Bits) else self.low + (self.high - self.low) * u


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

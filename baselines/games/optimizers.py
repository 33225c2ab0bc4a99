"""Steps that remember or look ahead, for players that go round each other under plain descent."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim import Optimizer


class Optimistic(Optimizer):
    """x <- x - rate (2 g_t - g_{t-1}): as if the next gradient differed by as much again (Daskalakis et al., 2018)."""

    def __init__(self, params: Any, lr: float = 0.1) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for x in group["params"]:
                before = self.state[x].get("before", x.grad)
                x -= group["lr"] * (2 * x.grad - before)
                self.state[x]["before"] = x.grad.clone()


class Extragradient(Optimizer):
    """Every other step only looks ahead: y = x - rate g(x), then x <- x - rate g(y) (Korpelevich, 1976)."""

    def __init__(self, params: Any, lr: float = 0.1) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for x in group["params"]:
                here = self.state[x].pop("here", None)
                if here is None:
                    self.state[x]["here"] = here = x.clone()
                x.copy_(here - group["lr"] * x.grad)

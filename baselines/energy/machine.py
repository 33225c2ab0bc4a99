"""What Boltzmann machines have in common: hidden states that can be numbered, and slow descent along a chain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from baselines.play import Player, play

MOST = 20


def states(index: Tensor, bias: Tensor) -> Tensor:
    """Hidden states (n, hidden) by number, of units with these biases (hidden,)."""
    return (index[:, None] >> torch.arange(len(bias)) & 1).to(bias)


def enumerated(log_weight: Callable[[Tensor], Tensor], bias: Tensor) -> Tensor:
    """log_weight of every state (2^hidden,) of units with these biases: each further unit doubles the work."""
    if (n := len(bias)) > MOST:
        raise NotImplementedError(f"exact likelihood needs at most {MOST} hidden units; this has {n}")
    return torch.cat([log_weight(states(part, bias)) for part in torch.arange(2**n).split(2**14)])


def descend(machine: Any, stream: Any, batch: int, rate: float, momentum: float, decay: float) -> None:
    """Momentum and weight decay as the practical guide has them, and Tieleman's rate, which falls linearly to zero:
    a chain can follow only what moves slowly."""
    optimizer = torch.optim.SGD(machine.parameters(), lr=rate, momentum=momentum, weight_decay=decay, fused=True)

    def cool() -> None:
        optimizer.param_groups[0]["lr"] = rate * (1 - stream.spent)

    play(stream.batches(batch), Player("energy", machine.loss, optimizer, after=cool))

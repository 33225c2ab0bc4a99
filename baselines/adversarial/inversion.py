"""Codes found by descent: what a generator that has no encoder would have to be given to make this row."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def descended(z: Tensor, loss: Callable[[Tensor], Tensor], steps: int, rate: float) -> Tensor:
    """Codes (n, d) after so many steps of Adam on `loss(z)` (n,), whatever gradient the caller takes.

    Each row goes its own way: Adam scales number by number.
    """
    z = z.detach().clone().requires_grad_()
    optimizer = torch.optim.Adam([z], lr=rate)
    with torch.enable_grad():
        for _ in range(steps):
            (z.grad,) = torch.autograd.grad(loss(z).sum(), z)
            optimizer.step()
    return z.detach()


def masked_error(made: Tensor, wanted: Tensor, mask: Tensor) -> Tensor:
    """The mean squared error (n,) of rows (n, ...) where a mask of 0 and 1 is 1."""
    return (mask * (made - wanted).square()).flatten(1).sum(1) / mask.flatten(1).sum(1).clamp(min=1)


def edited(
    decode: Callable[[Tensor], Tensor], z: Tensor, mask: Tensor, wanted: Tensor, *, stay: float, steps: int, rate: float
) -> Tensor:
    """Codes whose rows agree with `wanted` within a mask (n, ...), and that stay near z: the descent of Zhu et al.,
    2016, eq. 4, on

        masked error + stay |z - z0|^2 / d
    """
    return descended(
        z, lambda now: masked_error(decode(now), wanted, mask) + stay * (now - z).square().mean(1), steps, rate
    )

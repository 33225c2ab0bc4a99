"""Normal laws, every constant included: their densities, and codes drawn of them."""

from __future__ import annotations

from math import log, pi

import torch
from torch import Tensor


def standard_normal(x: Tensor) -> Tensor:
    """log N(x; 0, I) in nats, over the last axis."""
    return -0.5 * (x.square().sum(-1) + x.shape[-1] * log(2 * pi))


def normal(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """log N(x; mean, scale^2) in nats, over the last axis."""
    return standard_normal((x - mean) * (-log_scale).exp()) - log_scale.sum(-1)


def drawn(mean: Tensor, log_scale: Tensor) -> tuple[Tensor, Tensor]:
    """z = mean + scale * noise (n, d), through which gradients pass, and KL(N(mean, scale^2) | N(0, I)) in nats (n,):
    Kingma & Welling, 2014, section 2.4 and appendix B."""
    divergence = 0.5 * (mean.square() + (2 * log_scale).exp() - 2 * log_scale - 1).sum(-1)
    return mean + log_scale.exp() * torch.randn_like(mean), divergence

"""What is done to a critic besides: penalties on its slopes, a limit to its weights, corruptions of what it sees."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

Critic = Callable[[Tensor], Tensor]


def unpenalised(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """A critic left free."""
    return real.new_zeros(())


def slopes(critic: Critic, x: Tensor) -> tuple[Tensor, Tensor]:
    """Scores (n,) at x (n, ...) and the squared lengths (n,) of their gradients by x, both differentiable."""
    x = x if x.requires_grad else x.detach().requires_grad_()
    f = critic(x)
    (slope,) = torch.autograd.grad(f.sum(), x, create_graph=True)
    return f, slope.flatten(1).square().sum(1)


def gradient_penalty(critic: Critic, real: Tensor, fake: Tensor, weight: float = 10.0) -> Tensor:
    """weight E (|grad f(u x + (1 - u) G(z))| - 1)^2, u uniform for each row (Gulrajani et al., 2017, eq. 3)."""
    u = torch.rand(len(real), *[1] * (real.ndim - 1)).to(real)
    _, squares = slopes(critic, u * real + (1 - u) * fake)
    # The root has no derivative at 0, where a dead critic would be.
    return weight * ((squares + 1e-12).sqrt() - 1).square().mean()


def r1(critic: Critic, real: Tensor, fake: Tensor, weight: float = 10.0) -> Tensor:
    """weight/2 E |grad f(x)|^2 on real rows alone (Mescheder, Geiger & Nowozin, 2018, eq. 9)."""
    return 0.5 * weight * slopes(critic, real)[1].mean()


def roth(critic: Critic, real: Tensor, fake: Tensor, variance: float = 0.1) -> Tensor:
    """variance/4 (E (1 - D)^2 |grad f|^2 on real rows + E D^2 |grad f|^2 on fakes): what noise of this variance
    on both adds to the cross-entropy, to first order and at D* (Roth et al., 2017, whose loss lacks our half)."""
    (f_real, by_real), (f_fake, by_fake) = slopes(critic, real), slopes(critic, fake)
    return 0.25 * variance * ((f_real.sigmoid() - 1).square() * by_real + f_fake.sigmoid().square() * by_fake).mean()


def free(critic: nn.Module) -> None:
    """Weights without a limit."""


@torch.no_grad()
def clip(critic: nn.Module, c: float = 0.01) -> None:
    """Every weight and bias into [-c, c] (Arjovsky, Chintala & Bottou, 2017)."""
    for parameter in critic.parameters():
        parameter.clamp_(-c, c)


def clean(x: Tensor, spent: float) -> Tensor:
    """What the critic is shown when nothing is done to it."""
    return x


def noisy(x: Tensor, spent: float, sigma: float = 0.3, until: float = 0.7) -> Tensor:
    """Normal noise that fades to nothing over the first `until` of the budget (Sonderby et al., 2017)."""
    return x + max(0.0, 1 - spent / until) * sigma * torch.randn_like(x)

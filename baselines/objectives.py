"""What a critic and a generator each want: the losses of the adversarial papers, as functions of the scores.

Scores are the critic's raw outputs (logits where the paper has probabilities). Every loss is minimised.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus


class Objective(NamedTuple):
    """`critic(real scores, fake scores, real, fake)` and `generator(fake scores)`."""

    critic: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]


def cross_entropy(f_real: Tensor, f_fake: Tensor, real: Tensor, fake: Tensor) -> Tensor:
    """-1/2 E log D(x) - 1/2 E log(1 - D(G(z))), D = sigmoid(f): with the half, log 2 at the equilibrium."""
    return 0.5 * softplus(-f_real).mean() + 0.5 * softplus(f_fake).mean()


def gap(f_real: Tensor, f_fake: Tensor, real: Tensor, fake: Tensor) -> Tensor:
    """E f(G(z)) - E f(x): minus the distance that a Lipschitz critic sees."""
    return f_fake.mean() - f_real.mean()


# Goodfellow et al., 2014, eq. 1: one value, both play for it. The generator's gradient by a logit is -1/2 sigmoid(f).
minimax = Objective(cross_entropy, lambda f: -0.5 * softplus(f).mean())

# Goodfellow et al., 2014, section 3: the generator maximises log D(G(z)) instead; e^-f times that gradient.
non_saturating = Objective(cross_entropy, lambda f: 0.5 * softplus(-f).mean())

# Arjovsky, Chintala & Bottou, 2017: "linear instead of log"; needs a critic that is kept Lipschitz.
wasserstein = Objective(gap, lambda f: -f.mean())


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, weight: float = 10.0) -> Tensor:
    """weight E (|grad f(u x + (1 - u) G(z))| - 1)^2, u uniform for each row (Gulrajani et al., 2017, eq. 3)."""
    u = torch.rand(len(real), *[1] * (real.ndim - 1)).to(real)
    between = (u * real + (1 - u) * fake).detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    # The root has no derivative at 0, where a dead critic would be.
    norm = (slope.flatten(1).square().sum(1) + 1e-12).sqrt()
    return weight * (norm - 1).square().mean()

"""What a critic and a generator each want: the losses of the adversarial papers, as functions of the scores.

Scores are the critic's raw outputs (logits where the paper has probabilities), high on what it takes for real. Every
loss is minimised.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from torch import Tensor
from torch.nn.functional import softplus


class Objective(NamedTuple):
    """`critic(real scores, fake scores, real, fake)` and `generator(fake scores)`."""

    critic: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]


def cross_entropy(f_real: Tensor, f_fake: Tensor, real: Tensor, fake: Tensor) -> Tensor:
    """-1/2 E log D(x) - 1/2 E log(1 - D(G(z))), D = sigmoid(f): with the half, log 2 at the equilibrium."""
    return 0.5 * softplus(-f_real).mean() + 0.5 * softplus(f_fake).mean()


def smoothed(
    f_real: Tensor, f_fake: Tensor, real: Tensor, fake: Tensor, on_real: float = 0.9, on_fake: float = 0.0
) -> Tensor:
    """The cross-entropy with targets other than 1 and 0: D* = (on_real p + on_fake q) / (p + q)."""
    shift = 0.5 * (1 - on_real) * f_real.mean() - 0.5 * on_fake * f_fake.mean()
    return cross_entropy(f_real, f_fake, real, fake) + shift


def gap(f_real: Tensor, f_fake: Tensor, real: Tensor, fake: Tensor) -> Tensor:
    """E f(G(z)) - E f(x): minus the distance that a Lipschitz critic sees."""
    return f_fake.mean() - f_real.mean()


def squared(f_real: Tensor, f_fake: Tensor, real: Tensor, fake: Tensor) -> Tensor:
    """1/2 E (f(x) - 1)^2 + 1/2 E f(G(z))^2: f* = p / (p + q) itself, not its logit."""
    return 0.5 * (f_real - 1).square().mean() + 0.5 * f_fake.square().mean()


def hinges(f_real: Tensor, f_fake: Tensor, real: Tensor, fake: Tensor) -> Tensor:
    """E max(0, 1 - f(x)) + E max(0, 1 + f(G(z))): who is told apart by a margin teaches nothing more."""
    return (1 - f_real).relu().mean() + (1 + f_fake).relu().mean()


def margin(f_real: Tensor, f_fake: Tensor, real: Tensor, fake: Tensor, weight: float = 2.5) -> Tensor:
    """E max(0, weight |x - G(z)| + f(G(z)) - f(x)) over pairs, |.| the mean of absolute differences: the further a fake
    is from real rows, the lower its score has to be."""
    apart = (real - fake).abs().flatten(1).mean(1)
    return (weight * apart + f_fake - f_real).relu().mean()


# Goodfellow et al., 2014, eq. 1: one value, both play for it. The generator's gradient by a logit is -1/2 sigmoid(f).
minimax = Objective(cross_entropy, lambda f: -0.5 * softplus(f).mean())

# Goodfellow et al., 2014, section 3: the generator maximises log D(G(z)) instead; e^-f times that gradient.
non_saturating = Objective(cross_entropy, lambda f: 0.5 * softplus(-f).mean())

# Salimans et al., 2016, section 3.4: targets of 0.9 and 0 cap the logit at log 9. With a target above 0 on the fakes
# as well, D* no longer falls to 0 where only fakes are; the generator's loss is not smoothed.
one_sided = Objective(smoothed, non_saturating.generator)
two_sided = Objective(partial(smoothed, on_fake=0.1), non_saturating.generator)

# Arjovsky, Chintala & Bottou, 2017: "linear instead of log"; needs a critic that is kept Lipschitz.
wasserstein = Objective(gap, lambda f: -f.mean())

# Mao et al., 2017, with a = 0 and b = c = 1: the gradient by a score is f - 1, however surely it was rejected.
least_squares = Objective(squared, lambda f: 0.5 * (f - 1).square().mean())

# Qi, 2017, whose loss L is -f here. The weight of 2e-4 a number of 64x64x3 is 2.5 of their mean.
loss_sensitive = Objective(margin, lambda f: -f.mean())

# Lim & Ye, 2017; Miyato et al., 2018.
hinge = Objective(hinges, lambda f: -f.mean())

"""The conditional GAN: both players are told the class, so that one can be asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from baselines.adversarial.networks import convolving, deconvolving
from baselines.nets import centred, dequantised, passable, pictured
from baselines.objectives import non_saturating
from baselines.play import Player, play
from genbench.task import Labels, Spec


class CGAN(nn.Module):
    """Mirza & Osindero, 2014, with the networks of DCGAN (Radford et al., 2016).

    The class stands in the code, one-hot, and beside the row as a channel that is learnt for it. With `matched=False`
    real rows are shown with labels of other rows, which is the control: the critic has no use for them then, and the
    generator none for the class.
    """

    seen: Tensor

    def __init__(
        self,
        spec: Spec,
        *,
        matched: bool = True,
        generator: Callable[..., nn.Module] = deconvolving,
        critic: Callable[..., nn.Module] = convolving,
        rate: float = 1e-3,
        critic_rate: float = 4e-4,
        betas: tuple[float, float] = (0.5, 0.999),
        latents: int = 32,
        widths: tuple[int, ...] = (64, 32),
        batch: int = 16,
    ) -> None:
        super().__init__()
        passable(spec)
        if not isinstance(spec.y, Labels):
            raise NotImplementedError("needs a class for each row")
        self.kind, self.classes, self.matched = spec.x, spec.y.n, matched
        self.latents, self.batch, self.rate, self.critic_rate = latents, batch, rate, critic_rate
        self.adam = partial(torch.optim.Adam, betas=betas, fused=True)
        channels, *sides = spec.x.shape
        self.plane = nn.Embedding(self.classes, prod(sides))
        self.generator = generator(latents + self.classes, widths, spec.x.shape)
        self.critic = critic((channels + 1, *sides), widths)
        self.register_buffer("seen", torch.ones(self.classes))

    def score_given(self, x: Tensor, y: Tensor) -> Tensor:
        return self.critic(torch.cat([centred(x, self.kind), self.plane(y)], 1)).squeeze(1)

    def critic_loss(self, x: Tensor, y: Tensor) -> Tensor:
        self.seen += torch.bincount(y, minlength=self.classes)
        fake = self.sample_given(y).detach()
        told = y if self.matched else y[torch.randperm(len(y))]
        return non_saturating.critic(self.score_given(x, told), self.score_given(fake, y), x, fake)

    def generator_loss(self, x: Tensor, y: Tensor) -> Tensor:
        return non_saturating.generator(self.score_given(self.sample_given(y), y))

    def fit(self, stream: Any) -> None:
        judging = [*self.critic.parameters(), *self.plane.parameters()]
        play(
            stream.batches(self.batch),
            Player("critic", self.critic_loss, self.adam(judging, lr=self.critic_rate)),
            Player("generator", self.generator_loss, self.adam(self.generator.parameters(), lr=self.rate)),
        )

    def latent(self, n: int) -> Tensor:
        """A class as often as it was seen."""
        return self.code(torch.multinomial(self.seen, n, replacement=True))

    def code(self, y: Tensor) -> Tensor:
        return torch.cat([torch.randn(len(y), self.latents), one_hot(y, self.classes)], 1)

    def decode(self, z: Tensor) -> Tensor:
        return pictured(self.generator(z), self.kind)

    def sample(self, n: int) -> Tensor:
        return dequantised(self.decode(self.latent(n)), self.kind)

    def sample_given(self, y: Tensor) -> Tensor:
        return dequantised(self.decode(self.code(y)), self.kind)


cgan_unmatched = partial(CGAN, matched=False)

"""InfoGAN: a part of the generator's noise is to be read off its pictures, and so comes to mean something."""

from __future__ import annotations

from functools import partial
from math import log
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from baselines.nets import centred, dequantised, down, halvings, leaky, passable, pictured, up
from baselines.normals import normal
from baselines.objectives import non_saturating
from baselines.play import Player, play
from genbench.task import Labels, Spec


class InfoGAN(nn.Module):
    """Chen et al., 2016: a GAN whose players both raise a bound of what the picture tells of the code.

        L_I = E log Q(c | G(z, c)) + H(c)  <=  I(c; G(z, c))    (their eq. 5)

    A code is one of `classes` and `continuous` numbers from U(-1, 1), whose entropy is log 2. Q shares the critic's
    trunk; its normals have one learnt scale a number. `weight` is that of the class, `weight_continuous` of the rest.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        classes: int | None = None,  # as many as the task has, else 10
        continuous: int = 2,
        noise: int = 32,
        weight: float = 1.0,
        weight_continuous: float = 0.1,
        channels: tuple[int, ...] = (32, 64, 128),
        features: int = 128,
        rate: float = 1e-3,
        critic_rate: float = 4e-4,
        betas: tuple[float, float] = (0.5, 0.999),
        batch: int = 16,
    ) -> None:
        super().__init__()
        passable(spec)
        classes = classes or (spec.y.n if isinstance(spec.y, Labels) else 10)
        self.kind, self.noise, self.classes, self.continuous, self.batch = spec.x, noise, classes, continuous, batch
        self.weights = torch.tensor([weight, weight_continuous])
        self.rate, self.critic_rate = rate, critic_rate
        self.adam = partial(torch.optim.Adam, betas=betas, fused=True)
        channels = channels[: halvings(spec.x.shape)]
        self.generator = up(noise + classes + continuous, channels, spec.x.shape, norm=nn.BatchNorm2d)
        self.trunk = nn.Sequential(down(spec.x.shape, channels, features, leaky, nn.BatchNorm2d), leaky())
        self.critic = nn.Linear(features, 1)
        self.reader = nn.Linear(features, classes + continuous)
        self.log_scale = nn.Parameter(torch.zeros(continuous))

    def features(self, x: Tensor) -> Tensor:
        return self.trunk(centred(x, self.kind))

    def score(self, x: Tensor) -> Tensor:
        return self.critic(self.features(x)).squeeze(1)

    def read(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Q of pictures: log-probabilities (n, classes), and means of the numbers (n, continuous)."""
        logits, means = self.reader(self.features(x)).split([self.classes, self.continuous], 1)
        return logits.log_softmax(1), means

    def told(self, z: Tensor, x: Tensor) -> Tensor:
        """What pictures (n, ...) tell of the class and of the numbers in their codes z, in nats (n, 2)."""
        _, chosen, numbers = z.split([self.noise, self.classes, self.continuous], 1)
        log_q, means = self.read(x)
        of_class = (log_q * chosen).sum(1) + log(self.classes)
        return torch.stack([of_class, normal(numbers, means, self.log_scale) + self.continuous * log(2)], 1)

    def chosen(self, z: Tensor) -> Tensor:
        return z[:, self.noise : self.noise + self.classes].argmax(1)

    def critic_loss(self, x: Tensor, y: Tensor | None) -> Tensor:
        z = self.latent(len(x))
        fake = dequantised(self.decode(z), self.kind).detach()
        loss = non_saturating.critic(self.score(x), self.score(fake), x, fake)
        return loss - self.told(z, fake).mean(0) @ self.weights.to(fake)

    def generator_loss(self, x: Tensor, y: Tensor | None) -> Tensor:
        z = self.latent(len(x))
        fake = dequantised(self.decode(z), self.kind)
        return non_saturating.generator(self.score(fake)) - self.told(z, fake).mean(0) @ self.weights.to(fake)

    def fit(self, stream: Any) -> None:
        judging = [*self.trunk.parameters(), *self.critic.parameters(), *self.reader.parameters(), self.log_scale]
        play(
            stream.batches(self.batch),
            Player("critic", self.critic_loss, self.adam(judging, lr=self.critic_rate)),
            Player("generator", self.generator_loss, self.adam(self.generator.parameters(), lr=self.rate)),
        )

    def latent(self, n: int) -> Tensor:
        chosen = one_hot(torch.randint(self.classes, (n,)), self.classes)
        return torch.cat([torch.randn(n, self.noise), chosen, 2 * torch.rand(n, self.continuous) - 1], 1)

    def encode(self, x: Tensor) -> Tensor:
        """The code that Q reads, with the noise, of which it knows nothing, at its mean."""
        log_q, means = self.read(x)
        return torch.cat([x.new_zeros(len(x), self.noise), log_q.exp(), means], 1)

    def decode(self, z: Tensor) -> Tensor:
        return pictured(self.generator(z), self.kind)

    def sample(self, n: int) -> Tensor:
        return dequantised(self.decode(self.latent(n)), self.kind)

"""The critic alone: what a discriminator comes to when the law of the fakes is known and stays as it is."""

from __future__ import annotations

from functools import partial
from math import log, pi
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam

from baselines import objectives
from baselines.nets import leaky, mlp
from baselines.objectives import Objective
from baselines.play import Player, play
from genbench.task import Real, Spec


class CriticAlone(nn.Module):
    """Goodfellow et al., 2014, proposition 1: against fakes of density q the best D is p / (p + q), whose logit is
    log p - log q. Here q is N(0, spread^2 I), so where p is known too, so is the best critic."""

    def __init__(
        self,
        spec: Spec,
        *,
        objective: Objective = objectives.non_saturating,
        spread: float = 2.0,
        rate: float = 2e-3,
        widths: tuple[int, ...] = (64, 64),
        batch: int = 32,
    ) -> None:
        super().__init__()
        if not isinstance(spec.x, Real):
            raise NotImplementedError("normal fakes are told from anything but real rows at sight")
        self.shape, self.objective, self.spread, self.rate, self.batch = spec.x.shape, objective, spread, rate, batch
        self.critic = mlp(spec.size, *widths, 1, activation=leaky)

    def score(self, x: Tensor) -> Tensor:
        return self.critic(x.flatten(1)).squeeze(1)

    def fit(self, stream: Any) -> None:
        def loss(x: Tensor, y: Tensor | None) -> Tensor:
            fake = self.sample(len(x))
            return self.objective.critic(self.score(x), self.score(fake), x, fake)

        play(stream.batches(self.batch), Player("critic", loss, Adam(self.critic.parameters(), lr=self.rate)))

    def sample(self, n: int) -> Tensor:
        return self.spread * torch.randn(n, *self.shape)

    def fake_log_prob(self, x: Tensor) -> Tensor:
        flat = x.flatten(1) / self.spread
        return -0.5 * flat.square().sum(1) - flat.shape[1] * (log(self.spread) + 0.5 * log(2 * pi))


critic_alone_smooth = partial(CriticAlone, objective=objectives.one_sided)
critic_alone_smooth_both = partial(CriticAlone, objective=objectives.two_sided)

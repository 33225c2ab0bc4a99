"""What a generator learns from a critic that never moves: the density of the data itself."""

from __future__ import annotations

from functools import partial
from math import log, pi
from typing import Any

import torch
from torch import Tensor, nn

from baselines.play import Player, play
from genbench.task import Real, Spec


class FixedCritic(nn.Module):
    """One Gaussian, x = mean + scale z, that climbs a known density p (Huszar, 2015).

        minimise -E log p(x) - entropy H(x),  H(x) = sum log scale + d/2 log(2 pi e)

    Without the entropy this is a generator that faces D = p: the best it can do is a point where p is largest. With it,
    the loss is KL(q || p), which puts q on one mode that it can fill; maximum likelihood, KL(p || q), spreads it over
    all. It starts narrow, near the origin: which mode it finds is up to the seed.
    """

    def __init__(self, spec: Spec, *, entropy: float = 0.0, rate: float = 0.01, batch: int = 32) -> None:
        super().__init__()
        if not isinstance(spec.x, Real):
            raise NotImplementedError("needs real rows")
        self.shape, self.entropy, self.rate, self.batch = spec.x.shape, entropy, rate, batch
        self.mean = nn.Parameter(torch.randn(spec.size))
        self.log_scale = nn.Parameter(torch.full((spec.size,), -2.0))

    def fit(self, stream: Any) -> None:
        def loss(x: Tensor, y: Tensor | None) -> Tensor:
            """Up to the constant of H."""
            return -stream.query(self.sample(len(x))).mean() - self.entropy * self.log_scale.sum()

        play(stream.batches(self.batch), Player("generator", loss, torch.optim.Adam(self.parameters(), lr=self.rate)))

    def latent(self, n: int) -> Tensor:
        return torch.randn(n, len(self.mean))

    def decode(self, z: Tensor) -> Tensor:
        return (self.mean + self.log_scale.exp() * z).unflatten(1, self.shape)

    def sample(self, n: int) -> Tensor:
        return self.decode(self.latent(n))

    def log_prob(self, x: Tensor) -> Tensor:
        if not self.entropy:
            raise NotImplementedError("shrinks to a point, which has no density")
        z = (x.flatten(1) - self.mean) / self.log_scale.exp()
        return -(0.5 * z.square() + self.log_scale + 0.5 * log(2 * pi)).sum(1)


reverse_kl = partial(FixedCritic, entropy=1.0)

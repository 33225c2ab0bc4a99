"""The restricted Boltzmann machine: an energy that is easy to write down, and a constant that is not."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from baselines.play import Player, play
from genbench.task import Bits, Spec


class RBM(nn.Module):
    """Hinton, 2002, after his practical guide (2012): contrastive divergence with k steps from the data.

    The loss is the free energy of the data less that of the chain, whose gradient *is* contrastive divergence.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        k: int = 1,
        hidden: int = 20,
        rate: float = 0.05,
        momentum: float = 0.9,
        decay: float = 1e-4,
        batch: int = 64,
        chain: int = 1000,
    ) -> None:
        super().__init__()
        if not isinstance(spec.x, Bits):
            raise NotImplementedError("needs bits")
        self.shape, self.k, self.rate, self.momentum, self.decay = spec.x.shape, k, rate, momentum, decay
        self.batch, self.chain = batch, chain
        self.weights = nn.Parameter(0.01 * torch.randn(spec.size, hidden))
        self.visible = nn.Parameter(torch.zeros(spec.size))
        self.hidden = nn.Parameter(torch.zeros(hidden))

    def energy(self, x: Tensor, beta: float = 1.0) -> Tensor:
        """The free energy F(x) = -log sum_h exp(-beta E(x, h))."""
        v = x.flatten(1)
        return -beta * (v @ self.visible) - softplus(beta * (self.hidden + v @ self.weights)).sum(1)

    def step(self, x: Tensor, beta: float = 1.0) -> Tensor:
        """One sweep of Gibbs sampling, hidden given visible and back."""
        h = torch.bernoulli((beta * (self.hidden + x.flatten(1) @ self.weights)).sigmoid())
        return torch.bernoulli((beta * (self.visible + h @ self.weights.T)).sigmoid()).unflatten(1, self.shape)

    @torch.no_grad()
    def walk(self, x: Tensor, steps: int) -> Tensor:
        for _ in range(steps):
            x = self.step(x)
        return x

    def loss(self, x: Tensor, y: Tensor | None) -> Tensor:
        return (self.energy(x) - self.energy(self.walk(x, self.k))).mean()

    def fit(self, stream: Any) -> None:
        with torch.no_grad():  # the guide's start: hidden units off, each bit at its own rate
            self.visible.copy_(stream.whole().x.flatten(1).mean(0).clamp(0.01, 0.99).logit())
        optimizer = torch.optim.SGD(
            self.parameters(), lr=self.rate, momentum=self.momentum, weight_decay=self.decay, fused=True
        )
        play(stream.batches(self.batch), Player("energy", self.loss, optimizer))

    def log_z(self) -> Tensor:
        """The log partition function, by summing the visible units out and the hidden ones one by one."""
        n = len(self.hidden)
        if n > 20:
            raise NotImplementedError(f"exact likelihood needs at most 20 hidden units; this has {n}")
        parts = []
        for states in torch.arange(2**n).split(2**14):
            h = (states[:, None] >> torch.arange(n) & 1).to(self.hidden)
            parts.append((h @ self.hidden + softplus(self.visible + h @ self.weights.T).sum(1)).logsumexp(0))
        return torch.stack(parts).logsumexp(0)

    def log_prob(self, x: Tensor) -> Tensor:
        return -self.energy(x) - self.log_z()

    def sample(self, n: int) -> Tensor:
        """The ends of n long chains, each begun at fair coins: nothing of the training rows is left in them."""
        return self.walk(torch.rand(n, *self.shape).round().to(self.weights), self.chain)


rbm_cd1 = partial(RBM, k=1)

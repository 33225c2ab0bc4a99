"""The restricted Boltzmann machine: an energy that is easy to write down, and a constant that is not."""

from __future__ import annotations

from functools import partial
from math import log
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from baselines.energy.machine import descend, enumerated, states
from genbench.task import Bits, Spec


class RBM(nn.Module):
    """Hinton, 2002, after his practical guide (2012): contrastive divergence with k steps from the data.

    The loss is the free energy of the data less that of the chain, whose gradient *is* contrastive divergence.
    `persistent` chains go on where the last batch left them (Tieleman, 2008) in place of starting at the data.
    """

    rates: Tensor
    fantasies: Tensor

    def __init__(
        self, spec: Spec, *, k: int = 1, persistent: int = 0, hidden: int = 20,
        rate: Annotated[float, 5e-3, 0.5] = 0.05, momentum: float = 0.9, decay: float = 1e-4,
        batch: int = 64, chain: int = 1000,
    ) -> None:  # fmt: skip
        super().__init__()
        if not isinstance(spec.x, Bits):
            raise NotImplementedError("needs bits")
        self.shape, self.k, self.batch, self.chain = spec.x.shape, k, batch, chain
        self.rate, self.momentum, self.decay = rate, momentum, decay
        self.weights = nn.Parameter(0.01 * torch.randn(spec.size, hidden))
        self.visible = nn.Parameter(torch.zeros(spec.size))
        self.hidden = nn.Parameter(torch.zeros(hidden))
        self.register_buffer("rates", torch.zeros(spec.size))
        self.register_buffer("fantasies", torch.rand(persistent, *self.shape).round())

    def bias(self, beta: float) -> Tensor:
        """From the logits of the bits' own rates to the machine's biases (Salakhutdinov & Murray, 2008)."""
        return (1 - beta) * self.rates + beta * self.visible

    def energy(self, x: Tensor, beta: float = 1.0) -> Tensor:
        """The free energy -log sum_h exp(-E(x, h)); below beta = 1, on the way from bits at their rates in the data."""
        v = x.flatten(1)
        return -(v @ self.bias(beta)) - softplus(beta * (self.hidden + v @ self.weights)).sum(1)

    def encode(self, x: Tensor, beta: float = 1.0) -> Tensor:
        """The probabilities (n, hidden) that hidden units are on."""
        return (beta * (self.hidden + x.flatten(1) @ self.weights)).sigmoid()

    def visible_given(self, h: Tensor, beta: float = 1.0) -> Tensor:
        return torch.bernoulli((self.bias(beta) + beta * (h @ self.weights.T)).sigmoid()).unflatten(1, self.shape)

    def step(self, x: Tensor, beta: float = 1.0) -> Tensor:
        """One sweep of Gibbs sampling, hidden given visible and back."""
        return self.visible_given(torch.bernoulli(self.encode(x, beta)), beta)

    def log_z0(self) -> Tensor:
        """The log partition function of the base, its idle hidden units counted."""
        return softplus(self.rates).sum() + log(2) * len(self.hidden)

    def filters(self) -> Tensor:
        return self.weights.T.unflatten(1, self.shape)

    @torch.no_grad()
    def walk(self, x: Tensor, steps: int) -> Tensor:
        for _ in range(steps):
            x = self.step(x)
        return x

    def loss(self, x: Tensor, y: Tensor | None) -> Tensor:
        chain = self.walk(self.fantasies if len(self.fantasies) else x, self.k)
        if len(self.fantasies):
            self.fantasies = chain
        return self.energy(x).mean() - self.energy(chain).mean()

    def fit(self, stream: Any) -> None:
        with torch.no_grad():  # the guide's start: hidden units off, each bit at its own rate
            self.rates.copy_(stream.whole().x.flatten(1).mean(0).clamp(0.01, 0.99).logit())
            self.visible.copy_(self.rates)
        descend(self, stream, self.batch, self.rate, self.momentum, self.decay)

    def log_states(self) -> Tensor:
        """log sum_v exp(-E(v, h)) for every hidden state: the visible units sum out, the hidden ones one by one."""
        return enumerated(lambda h: h @ self.hidden + softplus(self.visible + h @ self.weights.T).sum(1), self.hidden)

    def log_z(self) -> Tensor:
        return self.log_states().logsumexp(0)

    def log_prob(self, x: Tensor) -> Tensor:
        return -self.energy(x) - self.log_z()

    def exact_sample(self, n: int) -> Tensor:
        """Draws that need no chain: hidden states by their own probabilities, then visible ones."""
        p = self.log_states().double().softmax(0)
        return self.visible_given(states(torch.multinomial(p, n, replacement=True), self.hidden))

    def sample(self, n: int) -> Tensor:
        """The ends of n long chains, each begun at fair coins: nothing of the training rows is left in them."""
        return self.walk(torch.rand(n, *self.shape).round().to(self.weights), self.chain)


rbm_cd1 = partial(RBM, k=1)
rbm_cd10 = partial(RBM, k=10)

# At the guide's momentum of .9 the machine runs away from its chains.
rbm_pcd = partial(RBM, persistent=100, momentum=0.5)

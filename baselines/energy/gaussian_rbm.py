"""A Boltzmann machine for real numbers: a mixture of 2^h Gaussians built from h directions."""

from __future__ import annotations

from math import log, pi
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from baselines.energy.machine import descend, enumerated, states
from baselines.likelihoods import Preprocessing
from genbench.task import Real, Spec


class GaussianRBM(nn.Module):
    """Hinton & Salakhutdinov, 2006: an RBM whose visible units are normal, on standardised rows v,

        E(v, h) = sum_i p_i (v_i - b_i)^2 / 2 - c h - (p v) W h,    v given h is N(b + W h, 1/p),

    by contrastive divergence. Their precisions p are 1; ours are learned, as those of Cho, Ilin & Raiko, 2011.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        k: int = 1,
        hidden: int = 20,
        rate: Annotated[float, 1e-4, 1e-2] = 0.001,
        momentum: float = 0.9,
        decay: float = 1e-4,
        batch: int = 64,
        chain: int = 1000,
    ) -> None:
        super().__init__()
        if not isinstance(spec.x, Real):
            raise NotImplementedError("needs real rows")
        self.k, self.batch, self.chain = k, batch, chain
        self.rate, self.momentum, self.decay = rate, momentum, decay
        self.preprocessing = Preprocessing(Real(spec.x.shape))  # no range, no logit
        self.weights = nn.Parameter(0.1 * torch.randn(spec.size, hidden))
        self.visible = nn.Parameter(torch.zeros(spec.size))
        self.hidden = nn.Parameter(torch.zeros(hidden))
        # Noise begun at the data's own scale explains all there is: on a ring no weight ever grew.
        self.log_precision = nn.Parameter(torch.full((spec.size,), log(16)))

    def drive(self, v: Tensor) -> Tensor:
        """What hidden units sum up (n, hidden)."""
        return self.hidden + (v * self.log_precision.exp()) @ self.weights

    def energy(self, x: Tensor, beta: float = 1.0) -> Tensor:
        """The free energy; below beta = 1, of the machines on the way from N(0, I) on standardised rows."""
        v, log_det = self.preprocessing(x)
        apart = self.log_precision.exp() * (v - self.visible).square()
        normal = 0.5 * ((1 - beta) * v.square() + beta * apart).sum(1)
        return normal - softplus(beta * self.drive(v)).sum(1) - log_det

    def encode(self, x: Tensor, beta: float = 1.0) -> Tensor:
        """The probabilities (n, hidden) that hidden units are on."""
        return (beta * self.drive(self.preprocessing(x)[0])).sigmoid()

    def visible_given(self, h: Tensor, beta: float = 1.0) -> Tensor:
        own = beta * self.log_precision.exp()
        precision = 1 - beta + own
        mean = own * (self.visible + h @ self.weights.T) / precision
        return self.preprocessing.inverse(mean + precision.rsqrt() * torch.randn_like(mean))

    def step(self, x: Tensor, beta: float = 1.0) -> Tensor:
        """One sweep of Gibbs sampling, hidden given visible and back."""
        return self.visible_given(torch.bernoulli(self.encode(x, beta)), beta)

    def log_z0(self) -> Tensor:
        """The log partition function of the base, its idle hidden units counted."""
        return self.visible.new_tensor(0.5 * log(2 * pi) * len(self.visible) + log(2) * len(self.hidden))

    def filters(self) -> Tensor:
        return self.weights.T.unflatten(1, self.preprocessing.shape)

    @torch.no_grad()
    def walk(self, x: Tensor, steps: int) -> Tensor:
        for _ in range(steps):
            x = self.step(x)
        return x

    def loss(self, x: Tensor, y: Tensor | None) -> Tensor:
        return self.energy(x).mean() - self.energy(self.walk(x, self.k)).mean()

    def fit(self, stream: Any) -> None:
        self.preprocessing.standardise(stream.whole().x)
        descend(self, stream, self.batch, self.rate, self.momentum, self.decay)

    def log_states(self) -> Tensor:
        """log of the integral of exp(-E(v, h)) over v, for every hidden state: the weights of a mixture."""
        precision = self.log_precision.exp()
        alone = 0.5 * (log(2 * pi) * len(self.visible) - self.log_precision.sum() - precision @ self.visible.square())

        def log_weight(h: Tensor) -> Tensor:
            return alone + h @ self.hidden + 0.5 * (self.visible + h @ self.weights.T).square() @ precision

        return enumerated(log_weight, self.hidden)

    def log_z(self) -> Tensor:
        return self.log_states().logsumexp(0)

    def log_prob(self, x: Tensor) -> Tensor:
        return -self.energy(x) - self.log_z()

    def exact_sample(self, n: int) -> Tensor:
        """Draws that need no chain: a hidden state by its own probability, then its Gaussian."""
        p = self.log_states().double().softmax(0)
        return self.visible_given(states(torch.multinomial(p, n, replacement=True), self.hidden))

    def sample(self, n: int) -> Tensor:
        """The ends of n long chains, each begun at the base."""
        start = self.preprocessing.inverse(torch.randn(n, len(self.visible)).to(self.visible))
        return self.walk(start, self.chain)

"""Probabilistic PCA: the best linear-Gaussian model in closed form, and so the mark that deeper ones must beat."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import LowRankMultivariateNormal

from genbench.task import Real, Spec


class PCA(nn.Module):
    """Tipping & Bishop, 1999, at its maximum-likelihood solution (eqs. 7-8): x = mean + W z + noise.

    `encode` is least squares, not the posterior mean (which shrinks towards 0): so decode(encode(x)) is the orthogonal
    projection of classical PCA (section 3.3).
    """

    mean: Tensor
    weights: Tensor
    variance: Tensor

    def __init__(self, spec: Spec, *, latents: int = 16) -> None:
        super().__init__()
        if not isinstance(spec.x, Real):
            raise NotImplementedError("needs real rows")
        self.shape = spec.x.shape
        self.latents = max(1, min(latents, spec.size - 1))
        self.register_buffer("mean", torch.zeros(spec.size))
        self.register_buffer("weights", torch.zeros(spec.size, self.latents))
        self.register_buffer("variance", torch.ones(()))

    def fit(self, stream: Any) -> None:
        x = stream.whole().x.flatten(1).double()
        values, vectors = torch.linalg.eigh(torch.cov(x.T, correction=0))
        values, vectors = values.flip(0), vectors.flip(1)
        variance = values[self.latents :].mean().clamp(min=1e-9)
        gains = (values[: self.latents] - variance).clamp(min=0).sqrt()
        self.mean, self.variance = x.mean(0).to(self.mean), variance.to(self.mean)
        self.weights = (vectors[:, : self.latents] * gains).to(self.mean)

    def log_prob(self, x: Tensor) -> Tensor:
        # In doubles: the low-rank formula takes the difference of two large squares.
        noise = self.variance.double().expand(len(self.mean))
        law = LowRankMultivariateNormal(self.mean.double(), self.weights.double(), noise)
        return law.log_prob(x.flatten(1).double()).to(x)

    def encode(self, x: Tensor) -> Tensor:
        return (x.flatten(1) - self.mean) @ torch.linalg.pinv(self.weights).T

    def latent(self, n: int) -> Tensor:
        return torch.randn(n, self.latents).to(self.mean)

    def decode(self, z: Tensor) -> Tensor:
        return (self.mean + z @ self.weights.T).unflatten(1, self.shape)

    def filters(self) -> Tensor:
        return self.weights.T.unflatten(1, self.shape)

    def sample(self, n: int) -> Tensor:
        mean = self.decode(self.latent(n))
        return mean + self.variance.sqrt() * torch.randn_like(mean)

"""A mixture of Gaussians: the classical density estimate, exact and quick, for the deep ones to be measured against."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import torch
from sklearn.mixture import GaussianMixture
from torch import Tensor, nn
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from genbench.task import Real, Spec


class GMM(nn.Module):
    """Full covariances by expectation maximisation (Dempster, Laird & Rubin, 1977), as scikit-learn does it.

    Each covariance gets `shrinkage` of the data's variance, times its numbers for each row that it is fitted to:
    a component of 100 images of 64 pixels needs it, one of 1,000 points of a plane does not. It looks at `rows` of the
    rows at most: the work of a step is a row's times the square of its numbers.
    """

    weights: Tensor
    means: Tensor
    cholesky: Tensor

    def __init__(
        self,
        spec: Spec,
        *,
        components: Annotated[int, 2, 60] = 20,
        shrinkage: Annotated[float, 2e-3, 0.2] = 0.02,
        rows: int = 20_000,
    ) -> None:
        super().__init__()
        if not isinstance(spec.x, Real):
            raise NotImplementedError("needs real rows")
        self.shape, self.components, self.shrinkage, self.rows = spec.x.shape, components, shrinkage, rows
        self.register_buffer("weights", torch.full((components,), 1 / components))
        self.register_buffer("means", torch.zeros(components, spec.size))
        self.register_buffer("cholesky", torch.eye(spec.size).repeat(components, 1, 1))

    def fit(self, stream: Any) -> None:
        x = stream.whole().x[: self.rows].flatten(1).double()
        if len(x) == 1:
            x = torch.cat([x, x])  # no variance to estimate, but a model all the same
        k = min(self.components, len(x))
        ridge = self.shrinkage * x.var(0).mean().clamp(min=1e-6) * x.shape[1] * k / len(x)
        seed = int(torch.randint(2**31, ()))
        em = GaussianMixture(k, reg_covar=float(ridge), random_state=seed).fit(x.numpy(force=True))
        self.weights[:k], self.weights[k:] = torch.from_numpy(em.weights_).to(self.weights), 0.0
        self.means[:k] = torch.from_numpy(em.means_).to(self.means)
        self.cholesky[:k] = torch.from_numpy(np.linalg.cholesky(em.covariances_)).to(self.cholesky)

    def log_prob(self, x: Tensor) -> Tensor:
        parts = MultivariateNormal(self.means, scale_tril=self.cholesky)
        return MixtureSameFamily(Categorical(self.weights), parts).log_prob(x.flatten(1))

    def sample(self, n: int) -> Tensor:
        which = torch.multinomial(self.weights, n, replacement=True)
        noise = torch.randn(n, self.means.shape[1], 1)
        return (self.means[which] + (self.cholesky[which] @ noise).squeeze(2)).unflatten(1, self.shape)

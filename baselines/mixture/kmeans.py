"""K-means: a code of one cluster's number, and the mixture of equal round Gaussians that it is the hard limit of."""

from __future__ import annotations

from math import log, pi
from typing import Annotated, Any

import torch
from sklearn.cluster import KMeans as Lloyd
from torch import Tensor, nn

from genbench.task import Real, Spec


class KMeans(nn.Module):
    """Lloyd, 1982, from k-means++ seeds (Arthur & Vassilvitskii, 2007), the best of 10 starts; scikit-learn's.

    A code is one-hot: the nearest centre. As a density it is the mixture of one round Gaussian a cluster, with the
    clusters' shares and their common variance.
    """

    centres: Tensor
    shares: Tensor
    variance: Tensor

    def __init__(self, spec: Spec, *, clusters: Annotated[int, 2, 60] = 20, starts: int = 10) -> None:
        super().__init__()
        if not isinstance(spec.x, Real):
            raise NotImplementedError("needs real rows")
        self.shape, self.clusters, self.starts = spec.x.shape, clusters, starts
        self.register_buffer("centres", torch.zeros(clusters, spec.size))
        self.register_buffer("shares", torch.full((clusters,), 1 / clusters))
        self.register_buffer("variance", torch.ones(()))

    def fit(self, stream: Any) -> None:
        x = stream.whole().x.flatten(1).double()
        k, seed = min(self.clusters, len(x)), int(torch.randint(2**31, ()))
        found = Lloyd(k, n_init=self.starts, random_state=seed).fit(x.numpy(force=True))
        labels = torch.from_numpy(found.labels_).long()
        self.centres[:k] = torch.from_numpy(found.cluster_centers_).to(self.centres)
        self.shares = torch.bincount(labels, minlength=self.clusters).to(self.shares) / len(x)
        self.variance = torch.as_tensor(max(found.inertia_ / x.numel(), 1e-6)).to(self.variance)

    def distances(self, x: Tensor) -> Tensor:
        """Squared, to each centre that has rows (n, clusters); the others are infinitely far."""
        squares = (x.flatten(1)[:, None] - self.centres).square().sum(2)
        return squares.masked_fill(self.shares == 0, torch.inf)

    def log_prob(self, x: Tensor) -> Tensor:
        parts = self.shares.log() - 0.5 * self.distances(x) / self.variance
        return parts.logsumexp(1) - 0.5 * self.centres.shape[1] * (log(2 * pi) + self.variance.log())

    def encode(self, x: Tensor) -> Tensor:
        return self.one_hot(self.distances(x).argmin(1))

    def one_hot(self, which: Tensor) -> Tensor:
        return torch.eye(self.clusters).to(self.centres)[which]

    def latent(self, n: int) -> Tensor:
        return self.one_hot(torch.multinomial(self.shares, n, replacement=True))

    def decode(self, z: Tensor) -> Tensor:
        return (z @ self.centres).unflatten(1, self.shape)

    def sample(self, n: int) -> Tensor:
        mean = self.decode(self.latent(n))
        return mean + self.variance.sqrt() * torch.randn_like(mean)

"""Latent semantic analysis: documents by a few linear numbers, the mark for their non-linear codes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from genbench.task import Counts, Spec


class LSA(nn.Module):
    """Deerwester et al., 1990: the truncated singular value decomposition of the words' frequencies, each weighted by
    log(documents / documents that have it).

    Not centred, as it is done, and so not PCA: the first direction is mostly the mean. `decode` is the best linear
    estimate of a document of the corpus's mean length.
    """

    directions: Tensor
    rarity: Tensor
    length: Tensor
    spread: Tensor

    def __init__(self, spec: Spec, *, latents: int = 8) -> None:
        super().__init__()
        if not isinstance(spec.x, Counts):
            raise NotImplementedError("needs counts of words")
        self.shape, self.latents = spec.x.shape, min(latents, spec.size)
        self.register_buffer("directions", torch.eye(spec.size)[:, : self.latents].clone())
        self.register_buffer("rarity", torch.ones(spec.size))
        self.register_buffer("length", torch.ones(()))
        self.register_buffer("spread", torch.ones(self.latents))

    def weighted(self, x: Tensor) -> Tensor:
        counts = x.flatten(1)
        return counts / counts.sum(1, keepdim=True) * self.rarity

    def fit(self, stream: Any) -> None:
        x, _ = stream.whole()
        n, having = len(x), (x.flatten(1) > 0).sum(0)
        self.rarity = 1 + ((1 + n) / (1 + having)).log()  # never 0, so that it can be undone
        self.length = x.flatten(1).sum(1).mean()
        rows = self.weighted(x).double()
        _, vectors = torch.linalg.eigh(rows.T @ rows)
        self.directions = vectors.flip(1)[:, : self.latents].to(self.directions).contiguous()
        self.spread = self.encode(x).square().mean(0).sqrt()

    def encode(self, x: Tensor) -> Tensor:
        return self.weighted(x) @ self.directions

    def latent(self, n: int) -> Tensor:
        return self.spread * torch.randn(n, self.latents)

    def decode(self, z: Tensor) -> Tensor:
        return (z @ self.directions.T / self.rarity * self.length).unflatten(1, self.shape)

"""The autoencoder of documents: two numbers that keep topics apart, where two linear ones cannot."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from baselines.nets import mlp
from baselines.play import Player, play
from genbench.task import Counts, Spec


class DocumentAE(nn.Module):
    """Hinton & Salakhutdinov, 2006 (supplement): frequencies in, a softmax over the vocabulary out, and the words'
    cross-entropy between them; rectifiers and Adam in place of layer-wise pretraining.

    Each frequency is shown as a multiple of the word's own in the corpus, or rare words would not be seen. `decode`
    gives the expected counts of a document of the corpus's mean length.
    """

    common: Tensor
    length: Tensor

    def __init__(
        self,
        spec: Spec,
        *,
        latents: Annotated[int, 2, 32] = 8,
        widths: tuple[int, ...] = (100, 50),
        rate: Annotated[float, 2e-4, 2e-2] = 2e-3,
        batch: int = 128,
    ) -> None:
        super().__init__()
        if not isinstance(spec.x, Counts):
            raise NotImplementedError("needs counts of words")
        self.shape, self.latents, self.rate, self.batch = spec.x.shape, latents, rate, batch
        self.encoder = mlp(spec.size, *widths, latents)
        self.decoder = mlp(latents, *widths[::-1], spec.size)
        self.register_buffer("common", torch.full((spec.size,), 1 / spec.size))
        self.register_buffer("length", torch.ones(()))

    def frequencies(self, x: Tensor) -> Tensor:
        counts = x.flatten(1)
        return counts / counts.sum(1, keepdim=True)

    def loss(self, x: Tensor, y: Tensor | None) -> Tensor:
        return cross_entropy(self.decoder(self.encode(x)), self.frequencies(x))

    def fit(self, stream: Any) -> None:
        counts = stream.whole().x.flatten(1)
        self.length = counts.sum(1).mean()
        self.common = (counts.sum(0) + 1) / (counts.sum() + len(self.common))
        optimizer = torch.optim.Adam(self.parameters(), lr=self.rate, fused=True)
        play(stream.batches(self.batch), Player("autoencoder", self.loss, optimizer))

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(self.frequencies(x) / self.common - 1)

    def latent(self, n: int) -> Tensor:
        return torch.randn(n, self.latents)

    def decode(self, z: Tensor) -> Tensor:
        return (self.length * self.decoder(z).softmax(1)).unflatten(1, self.shape)

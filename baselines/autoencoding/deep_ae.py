"""The deep autoencoder: better codes than PCA's, and the lecture's question what a random code decodes to."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from baselines.nets import centred, dequantised, mlp, pictured
from baselines.play import Player, play
from genbench.task import Bits, Spec


class DeepAE(nn.Module):
    """Hinton & Salakhutdinov, 2006, with rectifiers and Adam in place of layer-wise pretraining.

    Nothing ties the codes to the N(0, I) that `latent` draws: it is a bad generator by design.
    """

    def __init__(
        self, spec: Spec, *, latents: int = 8, widths: tuple[int, ...] = (128, 64), rate: float = 2e-3, batch: int = 256
    ) -> None:
        super().__init__()
        latents = min(latents, spec.size // 2)  # a code as wide as the row is no code
        self.kind, self.latents, self.rate, self.batch = spec.x, latents, rate, batch
        self.encoder = mlp(spec.size, *widths, latents)
        self.decoder = mlp(latents, *widths[::-1], spec.size)

    def loss(self, x: Tensor, y: Tensor | None) -> Tensor:
        raw = self.decoder(self.encode(x))
        if isinstance(self.kind, Bits):
            return binary_cross_entropy_with_logits(raw, x.flatten(1))
        return mse_loss(pictured(raw, self.kind), x)

    def fit(self, stream: Any) -> None:
        optimizer = torch.optim.Adam(self.parameters(), lr=self.rate, fused=True)
        play(stream.batches(self.batch), Player("autoencoder", self.loss, optimizer))

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(centred(x, self.kind))

    def latent(self, n: int) -> Tensor:
        return torch.randn(n, self.latents)

    def decode(self, z: Tensor) -> Tensor:
        return pictured(self.decoder(z), self.kind)

    def sample(self, n: int) -> Tensor:
        picture = self.decode(self.latent(n))
        return torch.bernoulli(picture) if isinstance(self.kind, Bits) else dequantised(picture, self.kind)

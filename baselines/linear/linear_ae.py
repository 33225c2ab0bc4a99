"""The linear autoencoder: PCA's subspace once more, found by gradient descent alone."""

from __future__ import annotations

from math import cos, pi
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from baselines.play import Player, play
from genbench.task import Real, Spec


class LinearAE(nn.Module):
    """Bourlard & Kamp, 1988; Baldi & Hornik, 1989: every minimum of its squared error spans the leading principal
    directions. The axes of its code are not they: any invertible mixture of them has the same error.

    Centred on the training mean: biases alone would do, but with rows 3 off centre the error was still twice PCA's
    after 250,000 examples. The rate falls along half a cosine, for the last 1e-3 takes small steps.
    """

    mean: Tensor

    def __init__(
        self, spec: Spec, *, latents: int = 16, rate: Annotated[float, 1e-3, 1e-1] = 1e-2, batch: int = 256
    ) -> None:
        super().__init__()
        if not isinstance(spec.x, Real):
            raise NotImplementedError("needs real rows")
        self.shape, self.rate, self.batch = spec.x.shape, rate, batch
        self.latents = max(1, min(latents, spec.size - 1))
        self.encoder, self.decoder = nn.Linear(spec.size, self.latents), nn.Linear(self.latents, spec.size)
        self.register_buffer("mean", torch.zeros(spec.size))

    def loss(self, x: Tensor, y: Tensor | None) -> Tensor:
        return mse_loss(self.decode(self.encode(x)), x)

    def fit(self, stream: Any) -> None:
        self.mean = stream.whole().x.flatten(1).mean(0)
        optimizer = torch.optim.Adam(self.parameters(), lr=self.rate, fused=True)

        def slow() -> None:
            optimizer.param_groups[0]["lr"] = self.rate * (1 + cos(pi * stream.spent)) / 2

        play(stream.batches(self.batch), Player("autoencoder", self.loss, optimizer, after=slow))

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x.flatten(1) - self.mean)

    def latent(self, n: int) -> Tensor:
        return torch.randn(n, self.latents)

    def decode(self, z: Tensor) -> Tensor:
        return (self.mean + self.decoder(z)).unflatten(1, self.shape)

    def filters(self) -> Tensor:
        return self.encoder.weight.unflatten(1, self.shape)

"""The deep autoencoder: better codes than PCA's, and the lecture's question what a random code decodes to."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from baselines.nets import centred, dequantised, down, halvings, mlp, pictured, up
from baselines.play import Player, play
from genbench.task import Bits, Spec

KEPT = 1024  # codes of the last training rows, for the priors that are fitted to them


def perceptrons(spec: Spec, widths: tuple[int, ...], latents: int) -> tuple[nn.Module, nn.Module]:
    return mlp(spec.size, *widths, latents), mlp(latents, *widths[::-1], spec.size)


def sigmoids(spec: Spec, widths: tuple[int, ...], latents: int) -> tuple[nn.Module, nn.Module]:
    return nn.Sequential(nn.Linear(spec.size, latents), nn.Sigmoid()), nn.Linear(latents, spec.size)


def convolutions(spec: Spec, widths: tuple[int, ...], latents: int) -> tuple[nn.Module, nn.Module]:
    channels = widths[: halvings(spec.x.shape)]
    return down(spec.x.shape, channels, latents), up(latents, channels, spec.x.shape)


def clean(x: Tensor) -> Tensor:
    return x


def masked(x: Tensor, share: float = 0.25) -> Tensor:
    """Each number lost (0) with probability `share` (Vincent et al., 2008, section 2.3)."""
    return x * (torch.rand_like(x) >= share)


class DeepAE(nn.Module):
    """Hinton & Salakhutdinov, 2006, with rectifiers and Adam in place of layer-wise pretraining.

    Nothing ties the codes to the N(0, I) that `latent` draws: it is a bad generator by design. A `prior` that is
    "fitted" (the normal of the codes) or "kde" (Scott's kernels, 1992, at the codes) mends the sampling alone.
    """

    codes: Tensor

    def __init__(
        self,
        spec: Spec,
        *,
        networks: Callable[[Spec, tuple[int, ...], int], tuple[nn.Module, nn.Module]] = perceptrons,
        corrupt: Callable[[Tensor], Tensor] = clean,
        prior: Literal["normal", "fitted", "kde"] = "normal",
        latents: Annotated[int, 2, 32] = 8,
        widths: tuple[int, ...] = (128, 64),
        rate: Annotated[float, 2e-4, 2e-2] = 2e-3,
        batch: int = 256,
    ) -> None:
        super().__init__()
        latents = min(latents, spec.size // 2)  # a code as wide as the row is no code
        self.kind, self.latents, self.rate, self.batch = spec.x, latents, rate, batch
        self.corrupt, self.prior = corrupt, prior
        self.encoder, self.decoder = networks(spec, widths, latents)
        self.register_buffer("codes", torch.randn(KEPT, latents))

    def loss(self, x: Tensor, y: Tensor | None) -> Tensor:
        z = self.encode(self.corrupt(x))
        self.codes = torch.cat([self.codes, z.detach()])[-KEPT:]
        raw = self.decoder(z)
        if isinstance(self.kind, Bits):
            return binary_cross_entropy_with_logits(raw, x.flatten(1))
        return mse_loss(pictured(raw, self.kind), x)

    def fit(self, stream: Any) -> None:
        optimizer = torch.optim.Adam(self.parameters(), lr=self.rate, fused=True)
        play(stream.batches(self.batch), Player("autoencoder", self.loss, optimizer))

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(centred(x, self.kind))

    def latent(self, n: int) -> Tensor:
        noise = torch.randn(n, self.latents)
        if self.prior == "normal":
            return noise
        spread = torch.cov(self.codes.T).reshape(self.latents, -1) + 1e-9 * torch.eye(self.latents)
        wide = noise @ torch.linalg.cholesky(spread).T
        if self.prior == "fitted":
            return self.codes.mean(0) + wide
        return self.codes[torch.randint(KEPT, (n,))] + KEPT ** (-1 / (self.latents + 4)) * wide

    def decode(self, z: Tensor) -> Tensor:
        return pictured(self.decoder(z), self.kind)

    def sample(self, n: int) -> Tensor:
        picture = self.decode(self.latent(n))
        return torch.bernoulli(picture) if isinstance(self.kind, Bits) else dequantised(picture, self.kind)


# Rumelhart, Hinton & Williams, 1986: not deep. At the rate of the others its error on digits was half as much again.
sigmoid_ae = partial(DeepAE, networks=sigmoids, rate=5e-3)

# Masci et al., 2011, with strided convolutions in place of pooling.
conv_ae = partial(DeepAE, networks=convolutions, widths=(32, 64))

# Vincent et al., 2008: the whole row from a part of it.
denoising_ae = partial(DeepAE, corrupt=masked)

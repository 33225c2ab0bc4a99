"""VAE-GAN: a variational autoencoder whose error is measured by what a critic sees, not by pixels."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from baselines.nets import centred, dequantised, down, halvings, leaky, passable, pictured, up
from baselines.normals import drawn
from baselines.objectives import non_saturating
from baselines.play import Player, play
from genbench.task import Spec


class VAEGAN(nn.Module):
    """Larsen et al., 2016, algorithm 1: the decoder is a generator too, and three players take turns.

    The encoder lowers KL(q(z | x) | N(0, I)) and the squared error of the critic's features; the decoder lowers `gamma`
    times that error and fools the critic, by what it makes of codes of rows and of the prior; the critic tells both
    from rows.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        latents: int = 16,
        gamma: float = 0.1,
        divergence: float = 1e-2,
        channels: tuple[int, ...] = (32, 64, 128),
        features: int = 128,
        rate: float = 1e-3,
        critic_rate: float = 4e-4,
        betas: tuple[float, float] = (0.5, 0.999),
        batch: int = 16,
    ) -> None:
        super().__init__()
        passable(spec)
        self.kind, self.latents, self.batch = spec.x, latents, batch
        self.gamma, self.divergence = gamma, divergence
        self.rate, self.critic_rate = rate, critic_rate
        self.adam = partial(torch.optim.Adam, betas=betas, fused=True)
        channels = channels[: halvings(spec.x.shape)]
        self.encoder = down(spec.x.shape, channels, 2 * latents, leaky, nn.BatchNorm2d)
        self.decoder = up(latents, channels, spec.x.shape, norm=nn.BatchNorm2d)
        self.trunk = nn.Sequential(down(spec.x.shape, channels, features, leaky, nn.BatchNorm2d), leaky())
        self.critic = nn.Linear(features, 1)

    def seen(self, x: Tensor) -> Tensor:
        return self.trunk(centred(x, self.kind))

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_scale = self.encoder(centred(x, self.kind)).chunk(2, 1)
        return mean, log_scale

    def made(self, z: Tensor) -> Tensor:
        return dequantised(self.decode(z), self.kind)

    def drawn(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """A code a row, and the divergence of what it is drawn from, in nats (n,)."""
        return drawn(*self.posterior(x))

    def encoder_loss(self, x: Tensor, y: Tensor | None) -> Tensor:
        z, divergence = self.drawn(x)
        return mse_loss(self.seen(self.made(z)), self.seen(x)) + self.divergence * divergence.mean()

    def decoder_loss(self, x: Tensor, y: Tensor | None) -> Tensor:
        again, new = self.seen(self.made(self.drawn(x)[0].detach())), self.seen(self.made(self.latent(len(x))))
        fooled = [non_saturating.generator(self.critic(h)) for h in (again, new)]
        return self.gamma * mse_loss(again, self.seen(x)) + torch.stack(fooled).sum()

    def critic_loss(self, x: Tensor, y: Tensor | None) -> Tensor:
        fakes = (self.made(z).detach() for z in (self.drawn(x)[0], self.latent(len(x))))
        real = self.critic(self.seen(x))
        losses = [non_saturating.critic(real, self.critic(self.seen(fake)), x, fake) for fake in fakes]
        return torch.stack(losses).mean()

    def fit(self, stream: Any) -> None:
        judging = [*self.trunk.parameters(), *self.critic.parameters()]
        play(
            stream.batches(self.batch),
            Player("critic", self.critic_loss, self.adam(judging, lr=self.critic_rate)),
            Player("encoder", self.encoder_loss, self.adam(self.encoder.parameters(), lr=self.rate)),
            Player("decoder", self.decoder_loss, self.adam(self.decoder.parameters(), lr=self.rate)),
        )

    def encode(self, x: Tensor) -> Tensor:
        return self.posterior(x)[0]

    def latent(self, n: int) -> Tensor:
        return torch.randn(n, self.latents)

    def decode(self, z: Tensor) -> Tensor:
        return pictured(self.decoder(z), self.kind)

    def sample(self, n: int) -> Tensor:
        return self.made(self.latent(n))

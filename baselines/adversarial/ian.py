"""The introspective adversarial network: its encoder looks through the eyes of its critic, and it can be painted on."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, l1_loss, mse_loss

from baselines.adversarial.inversion import edited
from baselines.nets import centred, dequantised, down, halvings, leaky, passable, pictured, up
from baselines.normals import drawn
from baselines.objectives import non_saturating
from baselines.play import Player, play
from genbench.task import Spec


class IAN(nn.Module):
    """Brock et al., 2017, without its ternary critic, multiscale blocks and orthogonal regularisation.

    The critic learns from the game alone. A linear layer on what it sees of a row gives q(z | x); that and the decoder
    lower `pixels` |x - x'| + `features` |h(x) - h(x')|^2 + `divergence` KL(q | N(0, I)), and the decoder fools the
    critic with what it makes of rows and of the prior.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        latents: int = 32,
        pixels: float = 3.0,
        features: float = 1.0,
        divergence: float = 1e-2,
        stay: float = 1e-2,
        steps: int = 50,
        rate: float = 1e-3,
        critic_rate: float = 4e-4,
        betas: tuple[float, float] = (0.5, 0.999),
        widths: tuple[int, ...] = (64, 32),
        wide: int = 128,
        batch: int = 16,
    ) -> None:
        super().__init__()
        passable(spec)
        self.kind, self.latents, self.batch, self.stay, self.steps = spec.x, latents, batch, stay, steps
        self.weights = pixels, features, divergence
        self.rate, self.critic_rate = rate, critic_rate
        self.adam = partial(torch.optim.Adam, betas=betas, fused=True)
        channels = widths[::-1][: halvings(spec.x.shape)]
        self.trunk = nn.Sequential(down(spec.x.shape, channels, wide, leaky, nn.BatchNorm2d), leaky())
        self.critic = nn.Linear(wide, 1)
        self.reader = nn.Linear(wide, 2 * latents)
        self.decoder = up(latents, channels, spec.x.shape, norm=nn.BatchNorm2d)

    def seen(self, x: Tensor) -> Tensor:
        return self.trunk(centred(x, self.kind))

    def made(self, z: Tensor) -> Tensor:
        return dequantised(self.decode(z), self.kind)

    def drawn(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """A code for what the critic sees of a row, and the divergence of what it is drawn from, in nats (n,)."""
        mean, log_scale = self.reader(h).chunk(2, 1)
        return drawn(mean, log_scale)

    def critic_loss(self, x: Tensor, y: Tensor | None) -> Tensor:
        h = self.seen(x)
        fakes = [self.made(z).detach() for z in (self.drawn(h)[0], self.latent(len(x)))]
        real = self.critic(h)
        return torch.stack(
            [non_saturating.critic(real, self.critic(self.seen(fake)), x, fake) for fake in fakes]
        ).mean()

    def autoencoder_loss(self, x: Tensor, y: Tensor | None) -> Tensor:
        h = self.seen(x)
        z, divergence = self.drawn(h.detach())
        picture, new = self.decode(z), self.made(self.latent(len(x)))
        again = self.seen(dequantised(picture, self.kind))
        fooled = non_saturating.generator(self.critic(again)) + non_saturating.generator(self.critic(self.seen(new)))
        pixels, features, weight = self.weights
        known = pixels * l1_loss(picture, x) + features * mse_loss(again, h.detach())
        return known + weight * divergence.mean() + fooled

    def fit(self, stream: Any) -> None:
        judging, making = [self.trunk, self.critic], [self.reader, self.decoder]
        critic, maker = (
            self.adam([p for part in parts for p in part.parameters()], lr=rate)
            for parts, rate in ((judging, self.critic_rate), (making, self.rate))
        )
        play(
            stream.batches(self.batch),
            Player("critic", self.critic_loss, critic),
            Player("autoencoder", self.autoencoder_loss, maker),
        )

    def encode(self, x: Tensor) -> Tensor:
        return self.reader(self.seen(x)).chunk(2, 1)[0]

    def edit(self, x: Tensor, mask: Tensor, wanted: Tensor) -> Tensor:
        """What was painted moves the code; what the code lost of x comes back wherever the picture did not move:
        y = G(z') + (1 - M) (x - G(z)), M a smoothed |G(z') - G(z)| between 0 and 1."""
        z = self.encode(x)
        there = edited(self.decode, z, mask, wanted, stay=self.stay, steps=self.steps, rate=0.1)
        before, after = self.decode(z), self.decode(there)
        moved = avg_pool2d((after - before).abs(), 3, 1, 1, count_include_pad=False)
        M = moved / moved.amax((1, 2, 3), keepdim=True).clamp(min=1e-6)
        return after + (1 - M) * (x - before)

    def latent(self, n: int) -> Tensor:
        return torch.randn(n, self.latents)

    def decode(self, z: Tensor) -> Tensor:
        return pictured(self.decoder(z), self.kind)

    def sample(self, n: int) -> Tensor:
        return self.made(self.latent(n))

"""Progressive growing: both players begin with small pictures, and layers for larger ones are faded in."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from baselines.adversarial.growing import Grown, Judging, double, halve
from baselines.nets import centred, dequantised, halvings, passable, pictured
from baselines.objectives import gap
from baselines.penalties import gradient_penalty
from baselines.play import Player, play
from genbench.task import Spec


class ProgressiveGAN(nn.Module):
    """Karras et al., 2018: WGAN-GP on pictures whose side doubles twice at most, each time by layers that fade in.

    While they do, rows are blurred as much as the fakes are. Each size has the same share of the budget, half of it for
    fading. Samples are those of a moving average of the generator, enlarged until the last size is reached.
    `grow=False` is the control: the same networks at the full size from the start.
    """

    depth: Tensor
    alpha: Tensor

    def __init__(
        self,
        spec: Spec,
        *,
        grow: bool = True,
        latents: int = 64,
        channels: tuple[int, ...] = (128, 32, 8),
        weight: float = 1.0,
        drift: float = 1e-3,
        rate: float = 5e-3,  # of weights whose scale is 1; at 1e-2 the generator outruns the critic
        critic_rate: float = 1e-2,
        average: float = 0.999,
        batch: int = 8,
    ) -> None:
        super().__init__()
        passable(spec)
        self.kind, self.grow, self.latents, self.batch, self.drift = spec.x, grow, latents, batch, drift
        self.rate, self.critic_rate, self.penalty = rate, critic_rate, partial(gradient_penalty, weight=weight)
        self.last = min(halvings(spec.x.shape), len(channels) - 1)
        colours, low = spec.x.shape[0], (spec.x.shape[1] >> self.last, spec.x.shape[2] >> self.last)
        self.generator = Grown(latents, [*channels[: self.last + 1]], low, colours)
        self.critic = Judging([*channels[: self.last + 1]], low, colours)
        self.averaged = AveragedModel(self.generator, multi_avg_fn=get_ema_multi_avg_fn(average))
        self.register_buffer("depth", torch.tensor(0 if grow else self.last))
        self.register_buffer("alpha", torch.ones(()))

    def small(self, x: Tensor) -> Tensor:
        """Rows as pictures in [-1, 1] of the size that is played at."""
        x = centred(x, self.kind).unflatten(1, self.kind.shape)
        for _ in range(self.last - int(self.depth)):
            x = halve(x)
        return x

    def blurred(self, x: Tensor) -> Tensor:
        """What rows are shown as: as far as new layers are not there yet, at the size before."""
        x = self.small(x)
        return x if self.alpha == 1 else torch.lerp(double(halve(x)), x, self.alpha)

    def opinion(self, x: Tensor) -> Tensor:
        return self.critic(x, int(self.depth), float(self.alpha))

    def score(self, x: Tensor) -> Tensor:
        return self.opinion(self.blurred(x))

    def made(self, generator: nn.Module, z: Tensor) -> Tensor:
        raw = generator(z, int(self.depth), float(self.alpha))
        for _ in range(self.last - int(self.depth)):
            raw = double(raw)
        return pictured(raw.flatten(1), self.kind)

    def fake(self, n: int) -> Tensor:
        return self.small(dequantised(self.made(self.generator, self.latent(n)), self.kind))

    def critic_loss(self, x: Tensor, y: Tensor | None) -> Tensor:
        real, fake = self.blurred(x), self.fake(len(x)).detach()
        f_real, f_fake = self.opinion(real), self.opinion(fake)
        penalty = self.penalty(self.opinion, real, fake) + self.drift * f_real.square().mean()
        return gap(f_real, f_fake, real, fake) + penalty

    def generator_loss(self, x: Tensor, y: Tensor | None) -> Tensor:
        return -self.opinion(self.fake(len(x))).mean()

    def fit(self, stream: Any) -> None:
        adam = partial(torch.optim.Adam, betas=(0.0, 0.99), fused=True)
        critic = adam(self.critic.parameters(), lr=self.critic_rate)
        generator = adam(self.generator.parameters(), lr=self.rate)
        depths = range(self.last + 1) if self.grow else [self.last]
        follow = partial(self.averaged.update_parameters, self.generator)
        for i, depth in enumerate(depths):
            begin, end = i / len(depths), (i + 1) / len(depths)

            def critic_loss(x: Tensor, y: Tensor | None, begin: float = begin, end: float = end) -> Tensor:
                self.alpha.fill_(min(1.0, 2 * (stream.spent - begin) / (end - begin)) if begin else 1.0)
                return self.critic_loss(x, y)

            self.depth.fill_(depth)
            play(
                stream.batches(self.batch, until=end),
                Player("critic", critic_loss, critic),
                Player("generator", self.generator_loss, generator, after=follow),
            )

    def latent(self, n: int) -> Tensor:
        return torch.randn(n, self.latents)

    def decode(self, z: Tensor) -> Tensor:
        return self.made(self.averaged, z)

    def sample(self, n: int) -> Tensor:
        return dequantised(self.decode(self.latent(n)), self.kind)

"""Inversion and edits by descent: an encoder and a brush for a generator that was trained without them."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from baselines.adversarial.inversion import descended, edited, masked_error
from baselines.adversarial.variants import dcgan
from baselines.nets import centred, down, halvings, leaky
from baselines.play import Player, play
from genbench.task import Spec


class IGAN(nn.Module):
    """Zhu et al., 2016: a row's code is what `generator`, any Decoder that names its players, makes the row from.

    `by` "encoder" a network P is taught to give it, by |x - G(P(x))|^2 on rows, once the game is over; by "descent"
    it is sought from the mean of the prior by the same error; the "hybrid" begins where P ends. Codes far from the
    prior cost `prior` |z|^2 / d. An edit holds what was painted and moves the rest as little as it can.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        generator: Any = dcgan,
        by: Literal["encoder", "descent", "hybrid"] = "hybrid",
        game: float = 0.8,
        prior: float = 1e-3,
        stay: float = 1e-2,
        steps: int = 50,
        rate: float = 0.1,
        encoder_rate: float = 1e-3,
        widths: tuple[int, ...] = (64, 32),
        batch: int = 16,
    ) -> None:
        super().__init__()
        self.kind, self.by, self.game, self.batch = spec.x, by, game, batch
        self.prior, self.stay, self.steps, self.rate, self.encoder_rate = prior, stay, steps, rate, encoder_rate
        self.net = generator(spec, widths=widths, batch=batch)
        self.latents = self.net.latent(1).shape[1]
        self.encoder = down(spec.x.shape, widths[::-1][: halvings(spec.x.shape)], self.latents, leaky, nn.BatchNorm2d)

    def guessed(self, x: Tensor) -> Tensor:
        return self.encoder(centred(x, self.kind))

    def encoder_loss(self, x: Tensor, y: Tensor | None) -> Tensor:
        z = self.guessed(x)
        return mse_loss(self.decode(z), x) + self.prior * z.square().mean()

    def fit(self, stream: Any) -> None:
        play(stream.batches(self.batch, until=self.game), *self.net.players(stream))
        self.net.eval()  # the generator is done: its statistics are not those of guessed codes
        adam = torch.optim.Adam(self.encoder.parameters(), lr=self.encoder_rate, fused=True)
        play(stream.batches(self.batch), Player("encoder", self.encoder_loss, adam))

    def encode(self, x: Tensor) -> Tensor:
        z = x.new_zeros(len(x), self.latents) if self.by == "descent" else self.guessed(x)
        if self.by == "encoder":
            return z
        everywhere = torch.ones_like(x)
        return descended(
            z,
            lambda now: masked_error(self.decode(now), x, everywhere) + self.prior * now.square().mean(1),
            self.steps,
            self.rate,
        )

    def edit(self, x: Tensor, mask: Tensor, wanted: Tensor) -> Tensor:
        z = edited(self.decode, self.encode(x), mask, wanted, stay=self.stay, steps=self.steps, rate=self.rate)
        return self.decode(z)

    def latent(self, n: int) -> Tensor:
        return self.net.latent(n)

    def decode(self, z: Tensor) -> Tensor:
        return self.net.decode(z)

    def sample(self, n: int) -> Tensor:
        return self.net.sample(n)


igan_encoder = partial(IGAN, by="encoder")
igan_descent = partial(IGAN, by="descent")

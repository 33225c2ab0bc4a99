"""The unrolled GAN: the generator plays against the critic that would answer its move, not against the one that is."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from baselines.nets import centred, dequantised, leaky, mlp, passable, pictured
from baselines.objectives import cross_entropy
from baselines.play import Player, play
from genbench.task import Spec

Weights = dict[str, Tensor]


class UnrolledGAN(nn.Module):
    """Metz et al., 2017: the generator raises the critic's loss after k more steps of descent (their eq. 7-10).

    Those steps are part of what it differentiates, and are then forgotten. With k = 0 this is the minimax game, which
    loses the ring: after 100,000 examples 1 of its 8 modes on each of three seeds, where k = 5 had 8. It keeps 8 when
    the generator has batch normalisation, as theirs has not. Larger steps undo it (one seed): at an `inner` of 0.2,
    k = 5 covered 8 and then lost half of them; with the critic at the generator's rate too, it never covered them.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        k: int = 5,
        inner: float = 0.1,
        latents: int = 32,
        widths: tuple[int, ...] = (128, 128),
        rate: Annotated[float, 1e-4, 1e-2] = 1e-3,
        critic_rate: Annotated[float, 2e-5, 2e-3] = 2e-4,
        betas: tuple[float, float] = (0.5, 0.999),
        batch: int = 32,
    ) -> None:
        super().__init__()
        passable(spec)
        self.kind, self.k, self.inner, self.latents, self.batch = spec.x, k, inner, latents, batch
        self.rate, self.critic_rate = rate, critic_rate
        self.adam = partial(torch.optim.Adam, betas=betas, fused=True)
        self.generator = mlp(latents, *widths, spec.size)
        self.critic = mlp(spec.size, *widths[::-1], 1, activation=leaky)

    @property
    def weights(self) -> Weights:
        return dict(self.critic.named_parameters())

    def loss(self, weights: Weights, real: Tensor, fake: Tensor) -> Tensor:
        """The loss of a critic with these weights."""
        f_real, f_fake = (functional_call(self.critic, weights, (centred(x, self.kind),)) for x in (real, fake))
        return cross_entropy(f_real, f_fake, real, fake)

    def ahead(self, real: Tensor, fake: Tensor) -> Weights:
        """The critic's weights after k steps, as a differentiable function of the fakes."""
        weights = self.weights
        for _ in range(self.k):
            slopes = torch.autograd.grad(self.loss(weights, real, fake), [*weights.values()], create_graph=True)
            weights = {name: w - self.inner * slope for (name, w), slope in zip(weights.items(), slopes, strict=True)}
        return weights

    def critic_loss(self, x: Tensor, y: Tensor | None) -> Tensor:
        return self.loss(self.weights, x, self.sample(len(x)).detach())

    def generator_loss(self, x: Tensor, y: Tensor | None) -> Tensor:
        fake = self.sample(len(x))
        return -self.loss(self.ahead(x, fake), x, fake)

    def fit(self, stream: Any) -> None:
        play(
            stream.batches(self.batch),
            Player("critic", self.critic_loss, self.adam(self.critic.parameters(), lr=self.critic_rate)),
            Player("generator", self.generator_loss, self.adam(self.generator.parameters(), lr=self.rate)),
        )

    def latent(self, n: int) -> Tensor:
        return torch.randn(n, self.latents)

    def decode(self, z: Tensor) -> Tensor:
        return pictured(self.generator(z), self.kind)

    def sample(self, n: int) -> Tensor:
        return dequantised(self.decode(self.latent(n)), self.kind)

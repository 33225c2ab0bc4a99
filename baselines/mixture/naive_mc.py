"""The naive Monte Carlo generator: maximum likelihood with codes drawn blindly, for what goes wrong when they are."""

from __future__ import annotations

from functools import partial
from math import log
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from baselines.likelihoods import likelihood
from baselines.nets import mlp
from baselines.play import Player, play
from genbench.task import Spec


class NaiveMC(nn.Module):
    """p(x) = E p(x | z), z from N(0, I), estimated by k draws: the loss is -log 1/k sum_i p(x | z_i).

    At k = 1 it is what is printed on slides, E log p(x | z) with z and x independent: a bound whose best decoder
    ignores z. It rises to log p(x) with k, though nearly all of the k codes have nothing to do with x.

    Adam forgets squared gradients soon. The first are huge, for the scale starts far below the data's: at .999 it had
    grown to 1.2 of 2 after 200,000 examples, at .9 it arrives.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        k: int = 1,
        latents: int = 8,
        width: Annotated[int, 32, 256] = 128,
        rate: Annotated[float, 2e-4, 2e-2] = 2e-3,
        batch: int = 256,
    ) -> None:
        super().__init__()
        self.k, self.latents, self.rate, self.batch = k, min(latents, spec.size), rate, batch
        self.decoder = mlp(self.latents, width, width, spec.size)
        self.likelihood = likelihood(spec)

    def log_weights(self, x: Tensor, k: int) -> Tensor:
        """log p(x | z) at k draws of z for each row (k, n)."""
        return self.likelihood.log_prob(x, self.decoder(torch.randn(k, len(x), self.latents)))

    def bound(self, x: Tensor, k: int) -> Tensor:
        most = max(1, 2**16 // len(x))
        parts = [self.log_weights(x, min(most, k - done)) for done in range(0, k, most)]
        return torch.cat(parts).logsumexp(0) - log(k)

    def loss(self, x: Tensor, y: Tensor | None) -> Tensor:
        return -self.bound(x, self.k).mean()

    def fit(self, stream: Any) -> None:
        optimizer = torch.optim.Adam(self.parameters(), lr=self.rate, betas=(0.9, 0.9), fused=True)
        play(stream.batches(self.batch), Player("bound", self.loss, optimizer))

    def latent(self, n: int) -> Tensor:
        return torch.randn(n, self.latents)

    def decode(self, z: Tensor) -> Tensor:
        return self.likelihood.mean(self.decoder(z))

    def sample(self, n: int) -> Tensor:
        return self.likelihood.sample(self.decoder(self.latent(n)))


naive_mc_k = partial(NaiveMC, k=10)

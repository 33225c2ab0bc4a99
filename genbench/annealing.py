"""Annealed importance sampling (Neal, 2001): from a law whose constant is known to one whose constant is wanted.

A chain is carried along laws f_beta = exp(-energy(., beta)). Forward, from an exact draw at beta = 0, the weights

    w = Z_0 prod_k f_k(x_{k-1}) / f_{k-1}(x_{k-1}),    x_k ~ step(x_{k-1}, beta_k)

have mean Z, so log w is below log Z in expectation. Backward, from an exact draw at beta = 1, the same product has a
reciprocal of mean 1/Z, so its log is above (Grosse et al., 2015). Both hold for any number of temperatures and any
`step` that leaves its law as it is; only how far apart they lie depends on these.
"""

from __future__ import annotations

from itertools import pairwise
from math import log, pi

import torch
from torch import Tensor

from genbench.model import Joint, Unnormalised

LEAPS = 3  # a proposal; at equal gradients on small decoders, more temperatures did better than the usual 10 to 20
ACCEPTED = 0.8  # the share of proposals that step sizes are tuned to


def temperatures(n: int, slope: float = 4.0) -> list[float]:
    """n + 1 values of beta from 0 to 1, dense at both ends: sigmoid(slope (2t/n - 1)), scaled (Wu et al., 2017)."""
    t = torch.linspace(-slope, slope, n + 1, dtype=torch.float64).sigmoid()
    return ((t - t[0]) / (t[-1] - t[0])).tolist()


@torch.no_grad()
def anneal(model: Unnormalised, x: Tensor, betas: list[float]) -> Tensor:
    """The log weights (n,) of chains begun at x and carried along betas; each weight is taken before its step."""
    log_w = torch.zeros(len(x), dtype=torch.float64, device=x.device)
    for now, then in pairwise(betas):
        log_w += model.energy(x, now).double() - model.energy(x, then).double()
        x = model.step(x, then)
    return log_w


def forward(model: Unnormalised, x: Tensor, betas: list[float]) -> Tensor:
    """Log weights (n,), the mean of whose exp is Z. Of x (n, *shape) only the shape matters."""
    return float(model.log_z0()) + anneal(model, model.step(x, 0.0), betas)


def reverse(model: Unnormalised, x: Tensor, betas: list[float]) -> Tensor:
    """Log weights (n,), the mean of exp(-log w) is 1/Z if every row of x is an exact draw of the model."""
    return float(model.log_z0()) - anneal(model, x, betas[::-1])


class Posterior:
    """p(z | x) of a Joint as a law to anneal to: f_beta(z) = N(z; 0, I) p(x | z)^beta, whose Z is p(x).

    Codes are (chains x rows, d), the rows of a chain together. A step is Hamiltonian Monte Carlo of LEAPS leaps, their
    size tuned for each row at each beta by a pilot run and then held: a chain that tunes its own size as it goes does
    not leave its law as it is, and its weights need not average to Z.
    """

    def __init__(self, model: Joint, x: Tensor, betas: list[float], pilots: int = 4) -> None:
        self.model, self.x = model, x
        z = self.start(pilots)
        self.sizes = {0.0: torch.full((len(x), 1), 0.5).to(z)}
        for now, then in pairwise(betas):
            self.sizes[then] = self.sizes[now]
            z, accepted = self.leap(z, then)
            rate = accepted.to(z).reshape(pilots, -1).mean(0)[:, None]
            self.sizes[then] = self.sizes[now] * (0.3 * (rate - ACCEPTED)).exp()

    def start(self, chains: int) -> Tensor:
        """Draws of N(0, I) for every row of every chain."""
        return torch.randn_like(self.model.latent(chains * len(self.x)))

    def energy(self, z: Tensor, beta: float = 1.0) -> Tensor:
        prior = -0.5 * (z.square().sum(1) + z.shape[1] * log(2 * pi))
        x = self.x.repeat(len(z) // len(self.x), *[1] * (self.x.ndim - 1))
        return (beta - 1) * prior - beta * self.model.log_joint(x, z)

    def step(self, z: Tensor, beta: float = 1.0) -> Tensor:
        return self.leap(z, beta)[0] if beta else torch.randn_like(z)

    def log_z0(self) -> Tensor:
        return torch.zeros(())

    def slope(self, z: Tensor, beta: float) -> Tensor:
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            return torch.autograd.grad(self.energy(z, beta).sum(), z)[0]

    @torch.no_grad()
    def leap(self, z: Tensor, beta: float) -> tuple[Tensor, Tensor]:
        """One proposal for each code: where it then is, and whether it went. What is not finite is not accepted."""
        size = self.sizes[beta].repeat(len(z) // len(self.x), 1)
        momentum, there = torch.randn_like(z), z
        before = self.energy(z, beta) + 0.5 * momentum.square().sum(1)
        momentum = momentum - 0.5 * size * self.slope(z, beta)
        for left in reversed(range(LEAPS)):
            there = there + size * momentum
            momentum = momentum - (1.0 if left else 0.5) * size * self.slope(there, beta)
        after = self.energy(there, beta) + 0.5 * momentum.square().sum(1)
        accepted = torch.rand_like(before).log() < before - after
        return torch.where(accepted[:, None], there, z), accepted


def row_weights(model: Joint, x: Tensor, chains: int, betas: list[float]) -> Tensor:
    """Forward log weights (chains, rows): the mean of exp over chains is p(x), in nats, for any rows x."""
    posterior = Posterior(model, x, betas)
    return forward(posterior, posterior.start(chains), betas).reshape(chains, -1)


def bidirectional(model: Joint, x: Tensor, z: Tensor, chains: int, betas: list[float]) -> tuple[Tensor, Tensor]:
    """Forward and reverse log weights (chains, rows) of rows x and the codes z that `simulate` made them of.

    Only of such rows is an exact draw of p(z | x) at hand, their own code; every reverse chain of a row begins there.
    """
    posterior = Posterior(model, x, betas)
    up = forward(posterior, posterior.start(chains), betas)
    down = reverse(posterior, z.repeat(chains, 1), betas)
    return up.reshape(chains, -1), down.reshape(chains, -1)

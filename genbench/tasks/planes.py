"""Distributions whose density is known exactly, so that samples and likelihoods can be checked."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import Protocol

import torch
from torch import Generator, Tensor
from torch.distributions import Categorical, Independent, MixtureSameFamily, MultivariateNormal, Normal

from genbench.errors import BadInput
from genbench.task import Modes, Real, Rows, Spec, Task
from genbench.tasks import on_cpu

VALID = 1_000


class Law(Protocol):
    """A distribution that can be drawn from and whose density is known."""

    def draw(self, n: int, noise: Generator) -> Tensor:
        """n independent rows (n, d)."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Exact log-density (n,) in nats."""


@dataclass(frozen=True)
class Mixture:
    """Round Gaussians: centres (k, d), one sigma, weights (k,), equal where none are given."""

    centres: Tensor
    sigma: float
    weights: Tensor | None = None

    def draw(self, n: int, noise: Generator) -> Tensor:
        if self.weights is None:
            which = torch.randint(len(self.centres), (n,), generator=noise)
        else:
            which = torch.multinomial(self.weights, n, replacement=True, generator=noise)
        return self.centres[which] + self.sigma * torch.randn(n, self.centres.shape[1], generator=noise)

    def log_prob(self, x: Tensor) -> Tensor:
        centres = self.centres.to(x)
        parts = Independent(Normal(centres, self.sigma), 1)
        weights = centres.new_ones(len(centres)) if self.weights is None else self.weights.to(x)
        return MixtureSameFamily(Categorical(weights), parts).log_prob(x)  # type: ignore[no-untyped-call, no-any-return]


@dataclass(frozen=True)
class LinearGaussian:
    """x = mean + W z + sigma noise, z standard normal: mean (d,), W (d, k)."""

    mean: Tensor
    W: Tensor
    sigma: float

    def draw(self, n: int, noise: Generator) -> Tensor:
        d, k = self.W.shape
        z = torch.randn(n, k, generator=noise)
        return self.mean + z @ self.W.T + self.sigma * torch.randn(n, d, generator=noise)

    def log_prob(self, x: Tensor) -> Tensor:
        """N(x; mean, W W' + sigma^2 I), by a Cholesky factor in double precision."""
        mean, W = (t.to(x.device, torch.float64) for t in (self.mean, self.W))
        covariance = W @ W.T + self.sigma**2 * torch.eye(len(mean), dtype=W.dtype, device=W.device)
        density: Tensor = MultivariateNormal(mean, covariance).log_prob(x.double())  # type: ignore[no-untyped-call]
        return density.to(x.dtype)


def drawn(name: str, law: Law, d: int, train: int, test: int, noise: Generator, modes: Modes | None = None) -> Task:
    """A task of independent draws: as many spare rows as test rows."""
    if min(train, test) < 1:
        raise BadInput(f"{name}: train and test are numbers of rows, at least 1; got {train} and {test}")
    learnt, valid, held, spare = (Rows(law.draw(n, noise)) for n in (train, VALID, test, test))
    return Task(name, Spec(Real((d,))), learnt, valid, held, spare, log_prob=law.log_prob, modes=modes)


def mixture(
    name: str, centres: Tensor, sigma: float, train: int, test: int, seed: int, weights: Tensor | None = None
) -> Task:
    """Equal weights where none are given; a sample is a mode's own within three sigma of its centre."""
    if not sigma > 0:
        raise BadInput(f"{name}: sigma is a standard deviation above 0; got {sigma}")
    shares = torch.full((len(centres),), 1 / len(centres)) if weights is None else weights
    noise = Generator().manual_seed(seed)
    law = Mixture(centres, sigma, weights)
    return drawn(name, law, centres.shape[1], train, test, noise, Modes(centres, 3 * sigma, shares))


def circle(k: int = 8, radius: float = 2.0) -> Tensor:
    """k points on a circle. Not linspace(0, 2 pi, k): that draws the first centre twice and leaves k - 1 modes."""
    angle = torch.arange(k) * (2 * pi / k)
    return radius * torch.stack([angle.cos(), angle.sin()], 1)


@on_cpu
def ring8(sigma: float = 0.02, train: int = 20_000, test: int = 2_000, seed: int = 0) -> Task:
    """Eight narrow Gaussians on a circle of radius 2 (Metz et al., 2017)."""
    return mixture("ring8", circle(), sigma, train, test, seed)


@on_cpu
def ring8_wide(sigma: float = 0.1, train: int = 20_000, test: int = 2_000, seed: int = 0) -> Task:
    """The same circle with Gaussians wide enough for a small budget."""
    return mixture("ring8-wide", circle(), sigma, train, test, seed)


@on_cpu
def ring8_pacgan(sigma: float = 0.01, train: int = 100_000, test: int = 2_000, seed: int = 0) -> Task:
    """The ring of PacGAN's tables (Lin et al., 2018): radius 1, and five times as many rows."""
    return mixture("ring8-pacgan", circle(radius=1.0), sigma, train, test, seed)


@on_cpu
def grid25(sigma: float = 0.05, train: int = 20_000, test: int = 2_000, seed: int = 0) -> Task:
    """Twenty-five Gaussians, two apart, on a square grid."""
    side = torch.arange(-4.0, 5.0, 2.0)
    return mixture("grid25", torch.cartesian_prod(side, side), sigma, train, test, seed)


@on_cpu
def two_gaussians(
    weight: float = 0.9, separation: float = 8.0, train: int = 20_000, test: int = 2_000, seed: int = 0
) -> Task:
    """Two round Gaussians of sigma 1 on a plane, `separation` sigmas apart; the left one has the weight."""
    if not (0 < weight < 1 and separation > 0):
        raise BadInput(f"two-gaussians: 0 < weight < 1 and separation > 0; got {weight} and {separation}")
    centres = torch.tensor([[-separation / 2, 0.0], [separation / 2, 0.0]])
    return mixture("two-gaussians", centres, 1.0, train, test, seed, torch.tensor([weight, 1 - weight]))


@on_cpu
def ppca(d: int = 8, k: int = 3, noise: float = 0.5, train: int = 20_000, test: int = 2_000, seed: int = 0) -> Task:
    """The model of probabilistic PCA (Tipping & Bishop, 1999): k directions in d dimensions, the seed's own."""
    if not (1 <= k < d and noise > 0):
        raise BadInput(f"ppca: 1 <= k < d and noise > 0 are needed; got k = {k}, d = {d}, noise = {noise}")
    generator = Generator().manual_seed(seed)
    mean, W = torch.randn(d, generator=generator), torch.randn(d, k, generator=generator)
    return drawn("ppca", LinearGaussian(mean, W, noise), d, train, test, generator)


@on_cpu
def dirac(sigma: float = 0.001, train: int = 20_000, test: int = 2_000, seed: int = 0) -> Task:
    """The point at 0 of the Dirac-GAN (Mescheder, Geiger & Nowozin, 2018), but for a sigma that gives it a density."""
    return mixture("dirac", torch.zeros(1, 1), sigma, train, test, seed)


@on_cpu
def parallel_lines(theta: float = 4.0, train: int = 20_000, test: int = 2_000, seed: int = 0) -> Task:
    """(theta, Y), Y uniform on [0, 1] (Arjovsky, Chintala & Bottou, 2017, example 1). No density: a line has no area.

    A generator whose first samples lie about 0 shares no point with it: TV = 1 and JS = log 2 whatever theta is, and
    only the Wasserstein distance says how far there is to go.
    """
    if min(train, test) < 1:
        raise BadInput(f"parallel-lines: train and test are numbers of rows, at least 1; got {train} and {test}")
    noise = Generator().manual_seed(seed)

    def line(n: int) -> Rows:
        return Rows(torch.stack([torch.full((n,), theta), torch.rand(n, generator=noise)], 1))

    return Task("parallel-lines", Spec(Real((2,))), line(train), line(VALID), line(test), line(test))

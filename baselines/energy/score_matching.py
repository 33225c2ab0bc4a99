"""Score matching: an energy learned from the slope of the log-density alone, so that its constant is never needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from math import log, pi
from typing import Any

import torch
from torch import Tensor, nn

from baselines.likelihoods import Preprocessing
from baselines.nets import mlp
from baselines.play import Player, play
from genbench.task import Real, Spec

Score = Callable[[Tensor], Tensor]


def exact(score: Score, y: Tensor) -> Tensor:
    """E tr ds/dy + |s|^2 / 2 (Hyvärinen, 2005, theorem 1): half the squared error of s, less what no s can change."""
    if (d := y.shape[1]) > 16:
        raise NotImplementedError(f"the exact trace differentiates a row once for each of its {d} numbers; 16 at most")
    y = y.detach().requires_grad_()
    s = score(y)
    slopes = [torch.autograd.grad(s[:, i].sum(), y, create_graph=True)[0][:, i] for i in range(d)]
    return (torch.stack(slopes).sum(0) + 0.5 * s.square().sum(1)).mean()


def sliced(score: Score, y: Tensor) -> Tensor:
    """The trace by E v' (ds/dy) v over random signs v (Song et al., 2019, the form that keeps |s|^2 exact)."""
    y = y.detach().requires_grad_()
    s, v = score(y), torch.randn_like(y).sign()
    (slope,) = torch.autograd.grad(s, y, v, create_graph=True)
    return (slope * v + 0.5 * s.square()).sum(1).mean()


def denoising(score: Score, y: Tensor, sigma: float = 0.1) -> Tensor:
    """E |s(y + sigma e) + e / sigma|^2 / 2 (Vincent, 2011), least at the score of the *noised* density.
    Each e comes with its -e, or for small sigma its product with s(y) would drown all else."""
    e = torch.randn_like(y)
    e = torch.cat([e, -e])
    return 0.5 * (score(y.repeat(2, 1) + sigma * e) + e / sigma).square().sum(1).mean()


class ScoreMatching(nn.Module):
    """An energy |y|^2 / 2 + f(y) of rows y without a range, standardised, f a smooth network. beta turns f on.

    A small alpha takes pictures nearly to infinity: the trace assumes a density that vanishes at the ends of a range.
    `sample` carries chains from N(0, I) to beta = 1 by Langevin steps. They do not mix between separate modes; with
    `resample` they are redrawn by their annealed weights, so that each mode gets what the energy gives it.
    """

    def __init__(
        self, spec: Spec, *, objective: Callable[[Score, Tensor], Tensor] = exact, alpha: float = 1e-3,
        width: int = 128, rate: float = 4e-3, batch: int = 128, steps: int = 500, resample: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        if not isinstance(spec.x, Real):
            raise NotImplementedError("needs real rows: bits and counts have no score")
        self.objective, self.rate, self.batch, self.steps, self.resample = objective, rate, batch, steps, resample
        self.size, self.preprocessing = spec.size, Preprocessing(spec.x, alpha=alpha)
        self.net = mlp(spec.size, width, width, width, 1, activation=nn.Tanh)

    def potential(self, y: Tensor, beta: float = 1.0) -> Tensor:
        return 0.5 * y.square().sum(1) + beta * self.net(y).squeeze(1)

    def slope(self, y: Tensor, beta: float = 1.0) -> Tensor:
        with torch.enable_grad():
            y = y if y.requires_grad else y.detach().requires_grad_()
            return -torch.autograd.grad(self.potential(y, beta).sum(), y, create_graph=True)[0]

    def loss(self, x: Tensor, y: Tensor | None) -> Tensor:
        return self.objective(self.slope, self.preprocessing(x)[0])

    def fit(self, stream: Any) -> None:
        self.preprocessing.standardise(stream.whole().x)
        optimizer = torch.optim.Adam(self.parameters(), lr=self.rate, fused=True)
        cooling = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1 - stream.spent)
        play(stream.batches(self.batch), Player("score", self.loss, optimizer, after=cooling.step))

    def energy(self, x: Tensor, beta: float = 1.0) -> Tensor:
        y, log_det = self.preprocessing(x)
        return self.potential(y, beta) - log_det

    def log_z0(self) -> Tensor:
        return torch.tensor(0.5 * self.size * log(2 * pi))

    def step(self, x: Tensor, beta: float = 1.0) -> Tensor:
        y, _ = self.preprocessing(x)
        return self.preprocessing.inverse(self.langevin(y, beta) if beta else torch.randn_like(y))

    @torch.no_grad()
    def langevin(self, y: Tensor, beta: float) -> Tensor:
        """One leap of Hamiltonian dynamics, accepted by Metropolis' rule; no one size suits every beta: it is drawn."""
        size, momentum = 10 ** (2 * torch.rand(len(y), 1) - 2), torch.randn_like(y)
        half = momentum + 0.5 * size * self.slope(y, beta)
        there = y + size * half
        after = half + 0.5 * size * self.slope(there, beta)
        kinetic = 0.5 * (after.square() - momentum.square()).sum(1)
        rise = self.potential(there, beta) - self.potential(y, beta) + kinetic
        return torch.where((torch.rand_like(rise).log() < -rise)[:, None], there, y)

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        y = torch.randn(n, self.size)
        for now, then in pairwise(torch.linspace(0, 1, self.steps + 1).tolist()):
            if self.resample:  # at even steps through the weights: chance alone would drift from mode to mode
                weights = ((now - then) * self.net(y).squeeze(1)).softmax(0)
                index = torch.searchsorted(weights.cumsum(0), (torch.arange(n) + torch.rand(())) / n)
                y = y[index.clamp(max=n - 1)]
            y = self.langevin(y, then)
        return self.preprocessing.inverse(y)


sliced_score_matching = partial(ScoreMatching, objective=sliced)
# Noise leaves no edge, so alpha need not be small. On digits samples were noise at sigma .1 and width 128.
denoising_score_matching = partial(ScoreMatching, objective=partial(denoising, sigma=0.3), alpha=0.05, width=256)

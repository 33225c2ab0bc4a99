"""The checks of a model that offers an energy, or a joint law of rows and codes."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from genbench import annealing
from genbench.budget import aside
from genbench.check.common import hold
from genbench.model import Joint, Unnormalised

CHAINS = 8


def steps(model: Unnormalised, x: Tensor, n: int = 4000) -> None:
    """Exact draws at beta = 0, reweighted to a beta where enough of them count, keep their means after a step there."""
    with aside(model, 0):
        x, other = (model.step(row.expand(n, *row.shape), 0.0) for row in x[:2])
        one, two = model.energy(x).double(), model.energy(other).double()
        error = ((one.var() + two.var()) / n).sqrt()
        hold((one.mean() - two.mean()).abs() <= 5 * error + 1e-6, "step(x, 0) depends on x")
        for beta in (0.5, 0.25, 0.1):
            weights = (model.energy(x, 0.0) - model.energy(x, beta)).double().softmax(0)
            if weights.square().sum() < 10 / n:
                break
        after = model.step(x, beta)
        for name, number in (("energy", model.energy), ("value", lambda rows: rows.flatten(1).mean(1))):
            moved = (number(after) - number(x)).double()
            drift = (weights * moved).sum()
            error = (weights * (moved - drift)).square().sum().sqrt()
            hold(drift.abs() <= 5 * error + 1e-6, f"a step at beta = {beta} moves the mean {name} by {drift:.3g}")


def constant(model: Any, x: Tensor) -> None:
    """log_prob(x) + energy(x) is -log Z at every row; annealing, from log_z0, finds it to half a nat."""
    with aside(model, 0):
        z = -model.energy(x) - model.log_prob(x)
        rows = x[:1].expand(100, *x.shape[1:])
        found = annealing.forward(model, rows, annealing.temperatures(500)).logsumexp(0) - math.log(100)
    low, high = float(z.min()), float(z.max())
    hold(high - low <= 1e-3 + 1e-5 * abs(low), f"log_prob + energy goes from {-high:.6g} to {-low:.6g}")
    hold(abs(float(found) - low) < 0.5, f"log_prob says that log Z is {low:.4g}, annealing {float(found):.4g}")


def joint(model: Joint, x: Tensor) -> Tensor:
    """log p(x, z) at z = (.5, .5, ...) for all rows."""
    return model.log_joint(x, torch.full_like(model.latent(len(x)), 0.5))


def given(model: Joint, x: Tensor) -> Tensor:
    """log p(x | z) at that z: what log N(z; 0, I) leaves."""
    return joint(model, x) + model.latent(1).shape[1] * (0.125 + 0.5 * math.log(2 * math.pi))


def within(model: Any, bounded: bool, rows: int = 40) -> None:
    """bound(x, k) and forward chains are below log p(x) in expectation, reverse chains from a row's own z above."""
    with aside(model, 0):
        z = model.latent(rows)
        x = model.simulate(z)
        up, down = annealing.bidirectional(model, x, z, CHAINS, annealing.temperatures(50))
        high = math.log(CHAINS) - (-down).logsumexp(0)
        lows = {"forward chains": up.logsumexp(0) - math.log(CHAINS)}
        if bounded:
            lows["bound(x, 64)"] = model.bound(x, 64).double()
    for name, low in lows.items():
        over = low - high
        hold(over.mean() <= 3 * over.std() / rows**0.5, f"{name} are {over.mean():.3g} nats above reverse ones")

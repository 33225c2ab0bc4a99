"""Pairs of laws at a known distance, on a grid: what samples can tell apart, and how many it takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Literal, get_args

import torch
from scipy.optimize import brentq
from torch import Generator, Tensor

from genbench.errors import BadInput
from genbench.task import Real, Rows, Spec, Task, Trial, Uniform
from genbench.tasks import on_cpu

Law = Callable[[int, Generator], Tensor]  # a number of draws, noise -> as many rows
OfSymbols = Literal["uniform", "paninski", "graded", "atom", "zipf", "support", "missing", "last", "retry"]
OfRows = Literal["shift", "scale", "mode", "outliers"]
BYTE = 8


def uniform(n: int, draws: int, noise: Generator) -> Tensor:
    return torch.randint(n, (draws,), generator=noise)


def paninski(n: int, epsilon: float) -> Law:
    """Pairs of symbols at (1 +- 2 epsilon) / n (Paninski, 2008). The signs are drawn anew each time, for of known
    ones O(1 / epsilon^2) draws are enough."""
    if n % 2 or epsilon > 0.5:
        raise BadInput(f"n={n}, epsilon={epsilon}; Paninski's pairs take an even n and an epsilon of at most 1/2")

    def law(draws: int, noise: Generator) -> Tensor:
        signs = torch.randint(2**BYTE, (n // 2 // BYTE + 1,), generator=noise, dtype=torch.uint8)
        pair = torch.randint(n // 2, (draws,), generator=noise)
        heavier = signs[pair // BYTE] >> (pair % BYTE).byte() & 1
        lighter = torch.rand(draws, generator=noise) >= 0.5 + epsilon
        return 2 * pair + (heavier ^ lighter)

    return law


def weighted(p: Tensor) -> Law:
    edges = p.cumsum(0) / p.sum()
    return lambda draws, noise: torch.searchsorted(
        edges, torch.rand(draws, generator=noise, dtype=torch.float64), right=True
    ).clamp(max=len(p) - 1)


def graded(n: int, epsilon: float) -> Tensor:
    """Chances on a straight line."""
    ramp = torch.linspace(-1, 1, n, dtype=torch.float64)
    p = (1 + 2 * epsilon * ramp / ramp.abs().mean()) / n
    if float(p[0]) < 0:
        raise BadInput(f"epsilon={epsilon}; chances on a line are at most about 1/4 away from uniform")
    return p


def atom(n: int, epsilon: float) -> Tensor:
    """One symbol takes epsilon from all others alike."""
    p = torch.full((n,), (1 - 1 / n - epsilon) / (n - 1), dtype=torch.float64)
    p[0] = 1 / n + epsilon
    return p


def zipf(n: int, epsilon: float) -> Tensor:
    """Chances that fall as a power of the rank, the power that is epsilon away."""
    ranks = torch.arange(1, n + 1, dtype=torch.float64)

    def law(power: float) -> Tensor:
        return ranks**-power / (ranks**-power).sum()

    return law(brentq(lambda power: distance(law(power)) - epsilon, 0, 50))


def distance(p: Tensor) -> float:
    """The statistical distance of p (n,) from uniform, half of the L1."""
    return float((p - 1 / len(p)).abs().sum()) / 2


def of_symbols(kind: str, n: int, epsilon: float) -> tuple[Law, float]:
    """A law of that kind and its distance: where the kind has one of its own, epsilon is not asked."""
    if kind == "uniform":
        return lambda draws, noise: uniform(n, draws, noise), epsilon
    if kind == "paninski":
        return paninski(n, epsilon), epsilon
    if kind in SHARES:
        return weighted(SHARES[kind](n, epsilon)), epsilon
    if kind == "support":  # only a part of the symbols ever comes
        known = n - round(epsilon * n)
        return lambda draws, noise: uniform(known, draws, noise), 1 - known / n

    def missing(draws: int, noise: Generator) -> Tensor:
        x, lost = uniform(n - 1, draws, noise), uniform(n, 1, noise)
        return x + (x >= lost)

    def retry(draws: int, noise: Generator) -> Tensor:
        x = uniform(n, draws, noise)
        return torch.where(x == 0, uniform(n, draws, noise), x)

    if kind == "last":
        return lambda draws, noise: uniform(n - 1, draws, noise), 1 / n
    return (missing, 1 / n) if kind == "missing" else (retry, (1 - 1 / n) / n)


SHARES: dict[str, Callable[[int, float], Tensor]] = {"graded": graded, "atom": atom, "zipf": zipf}


def of_rows(kind: str, n: int, epsilon: float) -> tuple[Law, Law]:
    """Two laws of rows of n numbers. All but the modes begin at N(0, I)."""

    def normal(draws: int, noise: Generator) -> Tensor:
        return torch.randn(draws, n, generator=noise)

    def modes(k: int, of: int) -> Law:
        angles = 2 * math.pi * torch.arange(of) / of
        centres = torch.zeros(of, n)
        centres[:, 0], centres[:, 1] = 4 * angles.cos(), 4 * angles.sin()
        return lambda draws, noise: centres[uniform(k, draws, noise)] + 0.5 * normal(draws, noise)

    def outliers(draws: int, noise: Generator) -> Tensor:
        far = torch.rand(draws, 1, generator=noise) < epsilon
        return normal(draws, noise) * torch.where(far, 10, 1)

    if kind == "mode":
        of = round(1 / epsilon)
        return modes(of, of), modes(of - 1, of)
    others: dict[str, Law] = {
        "shift": lambda draws, noise: normal(draws, noise) + epsilon / math.sqrt(n),
        "scale": lambda draws, noise: normal(draws, noise) * epsilon,
        "outliers": outliers,
    }
    return normal, others[kind]


def trial(kind: str, n: int, many: float, epsilon: float, per: str, nulls: int, repeats: int) -> Trial:
    if n < 2 or epsilon <= 0 or many <= 0:
        raise BadInput(f"n={n}, epsilon={epsilon}, draws={many}; n is at least 2, the others are above 0")
    unit = {"draw": 1.0, "symbol": n, "root": math.sqrt(n) / epsilon**2}[per]
    draws = max(2, round(many * unit))
    if kind in get_args(OfRows):
        p, q = of_rows(kind, n, epsilon)
        return Trial(
            n, draws, epsilon, lambda noise: (p(draws, noise), p(draws, noise)),
            lambda noise: (p(draws, noise), q(draws, noise)), nulls, repeats,
        )  # fmt: skip
    law, far = of_symbols(kind, n, epsilon)
    against = Uniform(n, far)
    return Trial(
        n, draws, far, lambda noise: (uniform(n, draws, noise), against), lambda noise: (law(draws, noise), against),
        nulls, repeats,
    )  # fmt: skip


@on_cpu
def laws(
    kind: OfSymbols | OfRows = "paninski",
    n: Sequence[int] = (100,),
    draws: Sequence[float] = (1.0,),
    epsilon: Sequence[float] = (0.25,),
    per: Literal["draw", "symbol", "root"] = "root",
    nulls: int = 1000,
    repeats: int = 200,
) -> Task:
    """Tests of a law of symbols against the uniform one, or of two laws of rows: every n with every epsilon and draws.

    Of symbols, n are there and epsilon is the statistical distance, save where the kind has its own: the law that
    lacks one symbol, an unknown one (`missing`) or the `last`, and the one that draws once again where a 0 came
    (`retry`). Of rows, n is their length, and epsilon the length of a `shift`, the factor of a `scale`, the weight
    of the `mode` that is lost, or the share of `outliers`, ten times as wide. `draws` counts them by one, by symbol
    or by sqrt(n) / epsilon^2 (`root`), a set. BadInput on parameters that no law has.
    """
    cells = product(n, epsilon, draws)
    trials = tuple(trial(kind, n, many, epsilon, per, nulls, repeats) for n, epsilon, many in cells)
    rows = kind in get_args(OfRows)
    noise = Generator().manual_seed(0)
    train, valid, test, spare = (Rows(trials[0].null(noise)[0].float().view(-1, n[0] if rows else 1)) for _ in range(4))
    spec = Spec(Real((trials[0].n,)) if rows else Real((1,), 0.0, float(max(n) - 1)))
    return Task("laws", spec, train, valid, test, spare, trials=trials)

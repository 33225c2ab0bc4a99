"""Pairs of laws of rows, and how far apart they are, exactly."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import torch
from scipy import stats
from torch import Generator, Tensor

from genbench.errors import BadInput

Law = Callable[[int, Generator], Tensor]  # a number of draws, noise -> as many rows
OfRows = Literal["shift", "scale", "stretch", "mode", "outliers", "mixture", "sphere", "cube", "corners"]
CENTRES = 2.0  # of a mixture, to either side of 0
OUTLYING = 10.0  # how much wider outliers lie


class Pair(NamedTuple):
    """Two laws of rows of n numbers and, of their distances, those that have a closed form: W1 and W2 (Wasserstein)
    and TV (the statistical distance)."""

    p: Law
    q: Law
    known: Mapping[str, float]


def normal(n: int, scale: float = 1.0) -> Law:
    return lambda draws, noise: scale * torch.randn(draws, n, generator=noise)


def moved(law: Law, n: int, by: float) -> Law:
    """By that length along the diagonal, so that no row of numbers tells it alone."""
    return lambda draws, noise: law(draws, noise) + by / math.sqrt(n)


def shift(n: int, epsilon: float) -> Pair:
    """One mean moves by epsilon: a translation moves every row so far, and no plan does it for less."""
    far = {"W1": epsilon, "W2": epsilon, "TV": 2 * float(stats.norm.cdf(epsilon / 2)) - 1}
    return Pair(normal(n), moved(normal(n), n, epsilon), far)


def length(n: int) -> float:
    """The mean length of n standard normal numbers."""
    return math.sqrt(2) * math.exp(math.lgamma((n + 1) / 2) - math.lgamma(n / 2))


def apart(n: int, s: float) -> float:
    """The statistical distance of N(0, I) and N(0, s^2 I) of n numbers, s not 1: one is the denser inside a sphere."""
    inside = n * math.log(s**2) / (1 - s**-2)
    return abs(float(stats.chi2.cdf(inside, n) - stats.chi2.cdf(inside / s**2, n)))


def scale(n: int, s: float) -> Pair:
    """Each row is taken s times as far out, which is the gradient of a convex function, and |x| tells W1."""
    return Pair(normal(n), normal(n, s), {"W1": abs(s - 1) * length(n), "W2": abs(s - 1) * n**0.5, "TV": apart(n, s)})


def stretch(n: int, s: float) -> Pair:
    """The same of the first number alone."""

    def stretched(draws: int, noise: Generator) -> Tensor:
        x = normal(n)(draws, noise)
        return torch.cat([s * x[:, :1], x[:, 1:]], 1)

    return Pair(normal(n), stretched, scale(1, s).known)


def outliers(n: int, epsilon: float) -> Pair:
    """A share epsilon lies ten times as far out: what W1 and TV are of those alone, they are of all in proportion."""

    def law(draws: int, noise: Generator) -> Tensor:
        far = torch.rand(draws, 1, generator=noise) < epsilon
        return normal(n)(draws, noise) * torch.where(far, OUTLYING, 1.0)

    alone = scale(n, OUTLYING).known
    return Pair(normal(n), law, {name: epsilon * alone[name] for name in ("W1", "TV")})


def at_most_half(epsilon: float) -> None:
    if epsilon > 0.5:
        raise BadInput(f"epsilon={epsilon}; one of two halves can weigh more by at most 1/2")


def mixture(n: int, epsilon: float) -> Pair:
    """Two normals, of a half each, and one of them heavier by epsilon: that much mass moves from one to the other."""
    at_most_half(epsilon)

    def law(heavier: float) -> Law:
        def mixed(draws: int, noise: Generator) -> Tensor:
            right = torch.rand(draws, generator=noise) < 0.5 + heavier
            x = normal(n)(draws, noise)
            x[:, 0] += torch.where(right, CENTRES, -CENTRES)
            return x

        return mixed

    far = {"W1": 2 * CENTRES * epsilon, "TV": epsilon * (2 * float(stats.norm.cdf(CENTRES)) - 1)}
    return Pair(law(0.0), law(epsilon), far)


def mode(n: int, epsilon: float) -> Pair:
    """Of as many round normals on a ring as have epsilon each, one is lost."""
    if n < 2 or epsilon > 0.5:
        raise BadInput(f"n={n}, epsilon={epsilon}; a ring takes 2 numbers a row, and modes of at most 1/2 each")
    of = round(1 / epsilon)
    angles = 2 * math.pi * torch.arange(of) / of
    centres = torch.zeros(of, n)
    centres[:, 0], centres[:, 1] = 4 * angles.cos(), 4 * angles.sin()

    def modes(k: int) -> Law:
        return lambda draws, noise: centres[torch.randint(k, (draws,), generator=noise)] + 0.5 * normal(n)(draws, noise)

    return Pair(modes(of), modes(of - 1), {})


def sphere(n: int, radius: float) -> Pair:
    """Uniform on spheres of radius 1 and another."""

    def law(radius: float) -> Law:
        return lambda draws, noise: radius * torch.nn.functional.normalize(normal(n)(draws, noise), dim=1)

    return Pair(law(1.0), law(radius), {"W1": abs(radius - 1), "W2": abs(radius - 1), "TV": 1.0})


def cube(n: int, epsilon: float) -> Pair:
    """Uniform on the unit cube, and on one moved by epsilon along the diagonal."""

    def law(draws: int, noise: Generator) -> Tensor:
        return torch.rand(draws, n, generator=noise)

    shared = max(0.0, 1 - epsilon / math.sqrt(n)) ** n
    return Pair(law, moved(law, n, epsilon), {"W1": epsilon, "W2": epsilon, "TV": 1 - shared})


def corners(n: int, epsilon: float) -> Pair:
    """Fair coins on {-1, 1}^n, and the first one biased: a share epsilon moves over an edge. Of n = 1, two points."""
    at_most_half(epsilon)

    def law(heavier: float) -> Law:
        def coins(draws: int, noise: Generator) -> Tensor:
            x = torch.rand(draws, n, generator=noise)
            x[:, 0] += heavier
            return torch.where(x > 0.5, 1.0, -1.0)

        return coins

    return Pair(law(0.0), law(epsilon), {"W1": 2 * epsilon, "W2": 2 * math.sqrt(epsilon), "TV": epsilon})


PAIRS: dict[str, Callable[[int, float], Pair]] = {
    "shift": shift, "scale": scale, "stretch": stretch, "mode": mode, "outliers": outliers, "mixture": mixture,
    "sphere": sphere, "cube": cube, "corners": corners,
}  # fmt: skip

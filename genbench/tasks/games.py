"""Games whose losses are written by hand and whose equilibria are known: rows are joint moves where play may begin."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import numpy as np
import torch
from scipy.optimize import linprog
from torch import Generator, Tensor
from torch.nn.functional import softplus

from genbench.errors import BadInput
from genbench.task import Game, Real, Rows, Spec, Task
from genbench.tasks import on_cpu

Moves = tuple[Tensor, ...]


def zero_sum(value: Callable[..., Tensor]) -> Callable[..., Moves]:
    """The losses of two players when the first pays the second that value."""

    def losses(*moves: Tensor) -> Moves:
        paid = value(*moves)
        return paid, -paid

    return losses


def played(
    name: str, game: Game, starts: Callable[[int, Generator], Tensor], solution: Tensor | None = None,
    gap: Callable[[Tensor], Tensor] | None = None, n: int = 1_000, seed: int = 0,
) -> Task:  # fmt: skip
    noise = Generator().manual_seed(seed)
    learnt, valid, test, spare = (Rows(starts(n, noise)) for _ in range(4))
    spec = Spec(Real((sum(game.sizes),)), game=game)
    known = None if solution is None else solution.double()
    return Task(name, spec, learnt, valid, test, spare, solution=known, gap=gap)


def about(centre: list[float], reach: list[float]) -> Callable[[int, Generator], Tensor]:
    """Starts spread evenly over a box."""
    return lambda n, noise: (
        torch.tensor(centre) + torch.tensor(reach) * (2 * torch.rand(n, len(centre), generator=noise) - 1)
    )


@on_cpu
def bilinear(strength: float = 1.0) -> Task:
    """V = s theta psi: the field turns about 0 and leads nowhere. The gap is over moves in [-1, 1]."""
    game = Game((1, 1), zero_sum(lambda theta, psi: strength * (theta * psi).sum(-1)))
    return played("bilinear", game, about([0, 0], [1, 1]), torch.zeros(1, 2), lambda x: abs(strength) * x.abs().sum(-1))


@on_cpu
def quadratic_saddle(pull: float = 0.5, twist: float = 1.0) -> Task:
    """V = a/2 theta^2 + b theta psi - a/2 psi^2: convex in one and concave in the other, so that descent finds 0."""
    if not pull > 0:
        raise BadInput(f"quadratic-saddle: pull > 0, or there is no best answer; got {pull}")

    def value(theta: Tensor, psi: Tensor) -> Tensor:
        return (pull / 2 * (theta.square() - psi.square()) + twist * theta * psi).sum(-1)

    game = Game((1, 1), zero_sum(value))
    gain = pull / 2 + twist**2 / (2 * pull)
    return played(
        "quadratic-saddle", game, about([0, 0], [1, 1]), torch.zeros(1, 2), lambda x: gain * x.square().sum(-1)
    )


@on_cpu
def dirac_gan(penalty: float = 0.0) -> Task:
    """The Dirac-GAN (Mescheder, Geiger & Nowozin, 2018, definition 2.1): data at 0, the generator at theta, the critic
    D(x) = psi x. V = f(theta psi) + f(0), f(t) = -log(1 + exp(-t)), less penalty/2 psi^2 (R1) for the critic."""

    def losses(theta: Tensor, psi: Tensor) -> Moves:
        value = (-softplus(-theta * psi) - softplus(torch.zeros_like(psi))).sum(-1)
        return value, -value + penalty / 2 * psi.square().sum(-1)

    return played("dirac-gan", Game((1, 1), losses), about([0, 0], [1, 1]), torch.zeros(1, 2))


@on_cpu
def gaussian_gan(mean: float = 0.5, sigma: float = 1.0, penalty: float = 0.0) -> Task:
    """A generator b + a z, z standard normal, for N(mean, sigma^2), and a critic u x + w x^2.

    V = u (mean - b) + w (mean^2 + sigma^2 - b^2 - a^2), its penalty/2 (u^2 + w^2); rows are (b, a, u, w).
    """
    if not sigma > 0:
        raise BadInput(f"gaussian-gan: sigma is a standard deviation above 0; got {sigma}")

    def losses(generator: Tensor, critic: Tensor) -> Moves:
        (b, a), (u, w) = generator.unbind(-1), critic.unbind(-1)
        value = u * (mean - b) + w * (mean**2 + sigma**2 - b.square() - a.square())
        return value, -value + penalty / 2 * critic.square().sum(-1)

    solution = torch.tensor([[mean, sigma, 0, 0], [mean, -sigma, 0, 0]])
    starts = about([mean, sigma, 0, 0], [0.3, 0.3, 0.3, 0.3])
    return played("gaussian-gan", Game((2, 2), losses), starts, solution)


@on_cpu
def wells(reach: float = 0.5) -> Task:
    """Two play theta_1 psi, and the first besides alone in two wells: (theta_2^2 - 1)^2 / 4. Rows are (theta, psi).

    Of the stationary points (0, +-1, 0) are good; (0, 0, 0), on the ridge between the wells, is bad. Play begins with
    |theta_2| up to `reach`: within 1/sqrt(3) of the ridge the relaxation goes there.
    """

    def losses(theta: Tensor, psi: Tensor) -> Moves:
        turn, well = theta.unbind(-1)
        value = turn * psi.squeeze(-1)
        return value + (well.square() - 1).square() / 4, -value

    solution = torch.tensor([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]])
    return played("wells", Game((2, 1), losses), about([0, 0, 0], [1, reach, 1]), solution)


@on_cpu
def chase() -> Task:
    """V = cos(theta - psi): the first flees round a circle and the second follows, convex and concave in neither.

    min max V = 1, max min V = -1: who moves second has all that there is, and no pair of moves is an equilibrium.
    Mixtures have one, uniform for both, of value 0 (`chase-mixed`).
    """
    game = Game((1, 1), zero_sum(lambda theta, psi: (theta - psi).cos().sum(-1)))
    return played("chase", game, about([0, 0], [3, 3]), gap=lambda x: torch.full_like(x[..., 0], 2.0))


def equilibrium(payoffs: Tensor) -> tuple[Tensor, Tensor, float]:
    """The mixtures x (n,) and y (m,) of min over x, max over y of x' A y, and its value, by two linear programs.

    x: the least v with A' x <= v; y the same for the game as the other player sees it, -A'.
    """

    def cautious(A: np.ndarray) -> tuple[Tensor, float]:
        n, m = A.shape
        found = linprog(
            np.append(np.zeros(n), 1), np.c_[A.T, -np.ones(m)], np.zeros(m), np.append(np.ones(n), 0)[None], [1],
            bounds=[(0, None)] * n + [(-inf, None)],
        )  # fmt: skip
        return torch.from_numpy(found.x[:-1].copy()), float(found.fun)

    A = payoffs.double().numpy()
    (x, value), (y, _) = cautious(A), cautious(-A.T)
    return x, y, value


def matrix(name: str, payoffs: Tensor, seed: int = 0) -> Task:
    """The first player pays x' A y; A (n, m) is scaled to the largest of 1, x and y are mixtures."""
    A = payoffs.double() / payoffs.abs().max()
    n, m = A.shape
    x, y, _ = equilibrium(A)

    def gap(moves: Tensor) -> Tensor:
        x, y = game.moves(moves)
        gain: Tensor = (x @ A.to(x)).amax(-1) - (y @ A.T.to(y)).amin(-1)
        return gain

    def starts(k: int, noise: Generator) -> Tensor:
        weights = -torch.rand(k, n + m, generator=noise).clamp(min=1e-6).log()
        return torch.cat([part / part.sum(1, keepdim=True) for part in game.moves(weights)], 1)

    game = Game((n, m), zero_sum(lambda x, y: ((x @ A.to(x)) * y).sum(-1)), mixed=True)
    return played(name, game, starts, torch.cat([x, y])[None], gap, seed=seed)


@on_cpu
def rock_paper_scissors() -> Task:
    """Each beats one and loses to one: the equilibrium is a third of each, the value 0."""
    return matrix("rock-paper-scissors", torch.tensor([[0.0, 1.0, -1.0], [-1.0, 0.0, 1.0], [1.0, -1.0, 0.0]]))


@on_cpu
def random_matrix(n: int = 5, seed: int = 2) -> Task:
    """n by n payoffs, uniform on [-1, 1]: the value lies between max min and min max of the pure moves.

    At the seed given these are -0.243 and 0.243, the value 0.071 (at 0 and 1, pure moves alone are nearly as good).
    """
    if n < 2:
        raise BadInput(f"random-matrix: n is a number of moves, at least 2; got {n}")
    return matrix("random-matrix", 2 * torch.rand(n, n, generator=Generator().manual_seed(seed)) - 1, seed)


@on_cpu
def chase_mixed() -> Task:
    """`chase` among three angles, of which mixtures may be played: now min max and max min are both 0."""
    angles = torch.arange(3, dtype=torch.float64) * (2 * torch.pi / 3)
    return matrix("chase-mixed", (angles[:, None] - angles).cos())

"""Where the players of a game go: how far from an equilibrium, how fast, and whether round and round.

A path is one draw, of where it began: n is 1.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from genbench import stats
from genbench.errors import BadInput, NotApplicable
from genbench.evidence import Field, Path, Spread
from genbench.metric import metric
from genbench.metrics.estimates import at_least, mean
from genbench.record import Estimate

FLOOR = 1e-11  # distances below are rounding, and move no more


def averages(x: Tensor) -> Tensor:
    """The mean of the first t rows, for each t."""
    so_far: Tensor = x.cumsum(0) / torch.arange(1, len(x) + 1, dtype=x.dtype, device=x.device)[:, None]
    return so_far


def distances(e: Path, average: bool = False) -> Tensor:
    """From each point of the path (t,), or from the average of all so far, to the equilibrium nearest to it."""
    at_least(2, points=e.points)
    if not e.equilibria.numel():
        raise NotApplicable("no equilibrium of this game is known")
    points = averages(e.points) if average else e.points
    nearest: Tensor = (points[:, None] - e.equilibria).norm(dim=2).amin(1)
    return nearest


def last(values: Tensor) -> Estimate:
    """The last of them (t,); its error is how much the last tenth still swings, one standard deviation."""
    tail = values[-max(1, len(values) // 10) :]
    return Estimate(float(values[-1]), float(tail.std(correction=0)), 1)


@metric("lower", version="1", unit="length of joint moves")
def equilibrium_distance(e: Path, average: bool = False) -> Estimate:
    """The Euclidean distance from where a path (t, d) ends, or from its average, to the nearest known equilibrium.

    What is played may go round while its average converges. The error is the standard deviation over the last tenth.
    Raises BadInput below 2 points; NotApplicable where no equilibrium is known.
    """
    return last(distances(e, average))


@metric("lower", version="1", unit="of what is paid")
def duality_gap(e: Path, average: bool = False) -> Estimate:
    """What both players would gain by answering the last joint move, or the average of all, as well as can be.

        max over psi' of V(theta, psi') - min over theta' of V(theta', psi)

    0 at an equilibrium of a zero-sum game and nowhere else. The error is the standard deviation over the last tenth.
    Raises BadInput below 2 points; NotApplicable where the game states no gap.
    """
    at_least(2, points=e.points)
    gaps = e.average_gaps if average else e.gaps
    if not gaps.numel():
        raise NotApplicable("the gap of this game is not known in closed form")
    return last(gaps)


@metric("neither", version="1", unit="of what is paid")
def game_value(e: Path) -> Estimate:
    """What the first player pays, on average over the latter half of a path (t, d).

    Between max min V and min max V; at an equilibrium, the value of the game. The error is half the difference of
    the half's own two halves. Raises BadInput below 2 points.
    """
    at_least(2, points=e.points)
    half = e.paid[len(e.paid) // 2 :]
    early, late = half[: math.ceil(len(half) / 2)].mean(), half[len(half) // 2 :].mean()
    return Estimate(float(half.mean()), float((late - early).abs() / 2), 1)


@metric("higher", version="1", unit="nats a move")
def convergence_rate(e: Path) -> Estimate:
    """How fast the distance to the nearest equilibrium falls along a path (t, d); below 0 where it grows.

        minus the least-squares slope of log distance against moves, over their latter half

    of those before the distance first falls to 1e-11, where rounding rules. Near the equilibrium it is the
    `asymptotic_rate`. The error is the slope's, as if distances about the line were independent; of two points, which
    have none, 0 is said. Raises BadInput below 2 points; NotApplicable where no equilibrium is known, or play begins
    at one.
    """
    far = distances(e)
    arrived = (far <= FLOOR).nonzero()
    far = far[: int(arrived[0])] if len(arrived) else far
    if len(far) < 2:
        raise NotApplicable("it is at the equilibrium from the beginning; there is no rate to measure")
    far = far[min(len(far) // 2, len(far) - 2) :].log()
    slope = stats.slope(range(len(far)), far.tolist())
    return Estimate(-slope.value, slope.error if math.isfinite(slope.error) else 0.0, 1)


@metric("higher", version="1", unit="nats a move")
def asymptotic_rate(e: Spread) -> Estimate:
    """-log rho, rho the spectral radius of the update's Jacobian A beside an equilibrium (Varga, 1962, section 3.2).

        -1 / (t - s) log(rho(J_t) / rho(J_s)),   J_t = d x_t / d x_0 (t, d, d),   s = t / 2 rounded down

    With J_t = A^t that is -log rho(A) exactly; where the update also remembers, its largest root's as t grows. The
    error is its difference from the same with s a third of t. Raises BadInput below 2 places or where they are not
    square; NotApplicable where the end does not depend on the beginning.
    """
    J, t = squares(e.jacobians), len(e.jacobians) - 1
    sizes = [float(torch.linalg.eigvals(J[i]).abs().max()) for i in (t // 3, t // 2, t)]
    if min(sizes) <= 0:
        raise NotApplicable("where it ends does not depend on where it began")
    third, half = (math.log(sizes[i] / sizes[2]) / (t - s) for i, s in enumerate((t // 3, t // 2)))
    return Estimate(half, abs(half - third), 1)


def squares(jacobians: Tensor) -> Tensor:
    at_least(2, jacobians=jacobians)
    if jacobians.ndim != 3 or jacobians.shape[1] != jacobians.shape[2]:
        raise BadInput(f"jacobians has shape {tuple(jacobians.shape)}, expected (t, d, d)")
    return jacobians


@metric("lower", version="1", unit="of the first swing")
def cycling(e: Path) -> Estimate:
    """How much of its swing a path (t, d) keeps: 0 where it settles, 1 where it goes round for ever, more as it leaves.

        rms distance of the last quarter from its own mean / the same of the first quarter

    The error is its difference from the same with the third quarter for the last. Raises BadInput below 8 points;
    NotApplicable where nothing ever moved.
    """
    at_least(8, points=e.points)
    first, _, third, fourth = (
        float((part - part.mean(0)).square().sum(1).mean().sqrt()) for part in e.points.tensor_split(4)
    )
    if not first > 0:
        raise NotApplicable("it never moved")
    return Estimate(fourth / first, abs(fourth - third) / first, 1)


@metric("neither", version="1", unit="of an eigenvalue")
def rotation_index(e: Field) -> Estimate:
    """How much of the players' joint field turns where they end: |Im| / |lambda| of its Jacobian's eigenvalues.

    Averaged over the eigenvalues and over the last points (t, d, d) of the path. 0 for one loss that all descend, 1
    where they only go round each other. The error is the standard error over points. Raises BadInput below 2 points
    or where they are not square; NotApplicable where the field is flat.
    """
    values = torch.linalg.eigvals(squares(e.jacobians))
    size = values.abs()
    if not bool((size.amax(1) > 0).all()):
        raise NotApplicable("the field is flat; nothing turns")
    known = size > 1e-9 * size.amax(1, keepdim=True)
    turning = torch.where(known, values.imag.abs() / size, 0.0).sum(1) / known.sum(1)
    return replace(mean(turning), n=1)

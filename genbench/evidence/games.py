"""Evidence of games: the path of play, how it spreads, and the field that it follows."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

import torch
from torch import Tensor

from genbench import dynamics
from genbench.errors import BadInput, NotApplicable
from genbench.evidence.kind import NONE, Evidence, Exam, finite
from genbench.model import Mover
from genbench.task import Game, Task


def game_of(task: Task) -> Game:
    if task.spec.game is None:
        raise NotApplicable(f"{task.name} is no game")
    return task.spec.game


@dataclass(frozen=True)
class Path(Evidence):
    """Joint moves (t, d) of the players of a game, round by round, in float64, and what is known of them.

    paid (t,): the first player's loss at each; equilibria (k, d) of the game; gaps (t,) of each joint move and, in
    `average_gaps`, of the average of all so far.
    """

    points: Tensor
    paid: Tensor
    equilibria: Tensor = NONE
    gaps: Tensor = NONE
    average_gaps: Tensor = NONE

    def __post_init__(self) -> None:
        super().__post_init__()
        for f in fields(self):
            x = getattr(self, f.name)
            finite(f.name, x)
            object.__setattr__(self, f.name, x.double())
        if self.points.ndim != 2 or len(self.paid) != len(self.points):
            raise BadInput(f"points has shape {tuple(self.points.shape)}, expected (t, d), with {len(self.paid)} paid")

    @classmethod
    def collect(cls, model: Mover, exam: Exam) -> Path:
        task, x = exam.task, model.path().double()
        game = game_of(task)
        finite("path()", x)
        averages = x.cumsum(0) / torch.arange(1, len(x) + 1)[:, None]
        gaps = (NONE, NONE) if task.gap is None else (task.gap(x), task.gap(averages))
        return cls(x, game.losses(*game.moves(x))[0], NONE if task.solution is None else task.solution, *gaps)


@dataclass(frozen=True)
class Spread(Evidence):
    """How the place after each move depends on where play began, beside an equilibrium: d x_t / d x_0 (t, d, d)."""

    jacobians: Tensor
    at_end: ClassVar[bool] = True

    EXAMPLES: ClassVar[int] = 60

    def __post_init__(self) -> None:
        super().__post_init__()
        finite("jacobians", self.jacobians)
        object.__setattr__(self, "jacobians", self.jacobians.double())

    @classmethod
    def collect(cls, model: Mover, exam: Exam) -> Spread:
        """About the equilibrium nearest to the path's end."""
        task = exam.task
        if game_of(task).mixed:
            raise NotApplicable("mixed moves end in corners, beside which there is no line to follow")
        if task.solution is None:
            raise NotApplicable("no equilibrium of this game is known")
        nearest = (task.solution - model.path()[-1]).norm(dim=1).argmin()
        return cls(dynamics.spread(model, task, task.solution[nearest], cls.EXAMPLES))


@dataclass(frozen=True)
class Field(Evidence):
    """The field of a game: its Jacobians (t, d, d) at the last points of a path and, where the joint moves are a plane,
    at the `points` (n, 2) of a grid where the players are headed, `ahead` (n, 2), and the `relaxed` field (n, 2)."""

    jacobians: Tensor
    points: Tensor = NONE
    ahead: Tensor = NONE
    relaxed: Tensor = NONE
    at_end: ClassVar[bool] = True

    LAST: ClassVar[int] = 20
    SIDE: ClassVar[int] = 17

    def __post_init__(self) -> None:
        super().__post_init__()
        finite("jacobians", self.jacobians)
        object.__setattr__(self, "jacobians", self.jacobians.double())

    @classmethod
    def collect(cls, model: Mover, exam: Exam) -> Field:
        """The grid reaches a quarter beyond where play may begin."""
        game, starts = game_of(exam.task), exam.task.train.x.double()
        bent = dynamics.jacobians(game, model.path()[-cls.LAST :].double())
        if starts.shape[1] != 2:
            return cls(bent)
        middle, reach = (starts.amax(0) + starts.amin(0)) / 2, 1.25 * (starts.amax(0) - starts.amin(0)) / 2
        steps = torch.linspace(-1, 1, cls.SIDE, dtype=torch.float64)
        points = middle + reach * torch.cartesian_prod(steps, steps)
        return cls(bent, points, *dynamics.fields(game, points))

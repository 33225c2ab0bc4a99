"""The one privileged entrant: it answers from the task itself, so that every column shows its ceiling."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from genbench.errors import NotApplicable
from genbench.task import Task


class Truth:
    """Samples are `spare` rows, which nobody else is shown; densities and the equilibria of games are the task's own,
    where it knows them."""

    sees_task = True

    def __init__(self, task: Task) -> None:
        self.task = task

    def fit(self, stream: Any) -> None:
        """Nothing to learn."""

    def sample(self, n: int) -> Tensor:
        spare = self.task.spare.x
        if n > len(spare):
            raise NotApplicable(f"{self.task.name} has {len(spare)} spare rows, {n} were asked for")
        return spare[torch.randperm(len(spare))[:n]]

    def sample_given(self, y: Tensor) -> Tensor:
        """For each class, spare rows of it, of which one may come again."""
        spare = self.task.spare
        if spare.y is None:
            raise NotApplicable(f"{self.task.name} has no classes")
        which = torch.zeros_like(y)
        for label in torch.unique(y):
            (rows,) = torch.where(spare.y == label)
            if not len(rows):
                raise NotApplicable(f"no spare row is of class {int(label)}")
            which[y == label] = rows[torch.randint(len(rows), (int((y == label).sum()),))]
        return spare.x[which]

    def log_prob(self, x: Tensor) -> Tensor:
        if self.task.log_prob is None:
            raise NotApplicable(f"the law of {self.task.name} is not known")
        return self.task.log_prob(x)

    def path(self) -> Tensor:
        """At an equilibrium, and staying there."""
        if self.task.solution is None:
            raise NotApplicable(f"no equilibrium of {self.task.name} is known")
        return self.task.solution[:1].expand(2, -1)

"""Metrics as entrants: each is shown samples in which something is wrong, and is itself on trial."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from torch import Tensor

from genbench.catalogue import load
from genbench.errors import NotApplicable
from genbench.evidence import Desk, Exam, Samples, ends
from genbench.metric import Metric
from genbench.record import Estimate
from genbench.run import make_space
from genbench.task import Task, Uniform


class OnTrial:
    """A metric by its name, turned so that more is worse. One with no better way needs to be told which is worse."""

    sees_task = True
    of = ""

    def __init__(self, task: Task, *, metric: str = "frechet", worse: Literal["", "higher", "lower"] = "") -> None:
        self.metric: Metric = load("metrics", metric)
        worse = worse or {"lower": "higher", "higher": "lower"}.get(self.metric.better, "")  # type: ignore[assignment]
        if not worse:
            raise NotImplementedError(f"{metric} has no better way; say which is `worse`, higher or lower")
        self.sign = 1.0 if worse == "higher" else -1.0
        self.exam = Exam(task, "test", make_space(task))

    def fit(self, stream: Any) -> None:
        """Nothing to learn."""

    def estimate(self, x: Tensor, y: Tensor | Uniform) -> Estimate:
        """What the metric says of samples y beside real rows x."""
        if isinstance(y, Uniform):
            raise NotApplicable("metrics are shown two sets of rows, no symbols")
        desk = Desk(self.exam)
        desk.made[Samples] = Samples(x, y)
        e = self.metric(desk.get(self.metric.evidence))
        value, *bounds = ends(e)
        low, high = sorted(self.sign * bound for bound in bounds)
        return replace(e, value=self.sign * value, low=low, high=high)

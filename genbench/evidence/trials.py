"""Evidence of tests, estimators and chains: what they say where the answer is known."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from math import prod
from typing import Any, ClassVar

import torch
from torch import Tensor

from genbench.errors import BadInput, NotApplicable
from genbench.evidence.kind import NONE, Evidence, Exam, finite
from genbench.model import Estimator, Tester, Walker
from genbench.record import Estimate
from genbench.task import Bits, Rivals, Trial


def grid(cells: Tensor) -> None:
    """BadInput unless they are the n, the draws, the epsilon and the seconds of each cell, (cells, 4)."""
    if cells.ndim != 2 or cells.shape[1] != 4:
        raise BadInput(f"cells has shape {tuple(cells.shape)}, expected (cells, 4)")
    finite("cells", cells)


def answered(trials: Sequence[Trial], ask: Callable[..., Any]) -> tuple[Tensor, Tensor, Tensor]:
    """The answers to the nulls (k, cells, ...) and to the alternatives (m, cells, ...) of trials, and their cells. A
    null that trials share is asked once."""
    if not trials:
        raise NotApplicable("the task has no trials")
    noise = torch.Generator().manual_seed(int(torch.randint(2**62, ())))
    said: dict[Rivals, Tensor] = {}
    spent = 0.0

    def asked(rivals: Rivals, times: int) -> Tensor:
        nonlocal spent
        answers = []
        for _ in range(times):
            drawn = rivals(noise)
            started = time.perf_counter()
            answers.append(ask(*drawn))
            spent += time.perf_counter() - started
        return torch.tensor(answers, dtype=torch.float64)

    null, far, cells = [], [], []
    for trial in trials:
        before, times = spent, trial.repeats
        if trial.null not in said:
            said[trial.null] = asked(trial.null, trial.nulls)
            times += trial.nulls
        null.append(said[trial.null])
        far.append(asked(trial.alternative, trial.repeats))
        cells.append((trial.n, trial.draws, trial.epsilon, max(spent - before, 1e-9) / times))
    return torch.stack(null, 1), torch.stack(far, 1), torch.tensor(cells, dtype=torch.float64)


def ends(e: Estimate) -> tuple[float, float, float]:
    """Value, low and high, an end infinite that was not given."""
    return e.value, -math.inf if e.low is None else e.low, math.inf if e.high is None else e.high


@dataclass(frozen=True)
class PValues(Evidence):
    """What a test said on a grid: p-values null (k, cells) where there was nothing to find, far (m, cells) where there
    was; cells (cells, 4) are the n, the draws, the epsilon of each, and the seconds that one test took."""

    null: Tensor
    far: Tensor
    cells: Tensor
    at_end: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        grid(self.cells)
        if not float(self.cells.min()) > 0:
            raise BadInput("cells has numbers that are not above 0; n, draws, epsilon and seconds are")
        object.__setattr__(self, "cells", self.cells.double())
        for name in ("null", "far"):
            p = getattr(self, name)
            if p.shape[1:] != self.cells.shape[:1]:
                raise BadInput(f"{name} has shape {tuple(p.shape)}, expected (repeats, {len(self.cells)} cells)")
            if not 0 <= float(p.min()) <= float(p.max()) <= 1:
                raise BadInput(f"{name} has values outside 0..1, which are no p-values")
            object.__setattr__(self, name, p.double())

    @classmethod
    def collect(cls, model: Tester, exam: Exam) -> PValues:
        """Every test is shown the same trials: their noise is a generator of its own."""
        return cls(*answered(exam.task.trials, model.pvalue))


@dataclass(frozen=True)
class Estimates(Evidence):
    """What an estimator said on a grid: (value, low, high) null (k, cells, 3) where the laws are equal, far
    (m, cells, 3) where they are not, an end infinite that it does not give; cells (cells, 4) are the n, the draws, the
    epsilon of each, and the seconds that one estimate took; known (cells, 2) what was to be found, of either; kinds
    (cells,) what was wrong, by its place in FAULTS."""

    null: Tensor
    far: Tensor
    cells: Tensor
    known: Tensor = NONE
    kinds: Tensor = NONE
    at_end: ClassVar[bool] = True

    FAULTS: ClassVar[tuple[str, ...]] = (
        "noise", "blur", "dropped", "imbalance", "duplicates", "copies", "fewer",
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        grid(self.cells)
        finite("known", self.known)
        for name in ("null", "far"):
            said = getattr(self, name)
            if said.shape[1:] != (len(self.cells), 3):
                raise BadInput(f"{name} has shape {tuple(said.shape)}, expected (repeats, {len(self.cells)} cells, 3)")
            finite(f"the values of {name}", said[..., 0])
        if self.known.numel() and self.known.shape != (len(self.cells), 2):
            raise BadInput(f"known has shape {tuple(self.known.shape)}, expected ({len(self.cells)} cells, 2)")
        for f in fields(self):
            object.__setattr__(self, f.name, getattr(self, f.name).double())

    @classmethod
    def collect(cls, model: Estimator, exam: Exam) -> Estimates:
        """Every estimator is shown the same trials."""
        trials = exam.task.trials
        known = [trial.known.get(model.of) for trial in trials]
        kinds = [cls.FAULTS.index(trial.kind) for trial in trials if trial.kind]
        return cls(
            *answered(trials, lambda x, y: ends(model.estimate(x, y))),
            torch.tensor(known, dtype=torch.float64) if all(known) else NONE,
            torch.tensor(kinds) if kinds else NONE,
        )


@dataclass(frozen=True)
class Kernel(Evidence):
    """The moves of a Markov chain, kernel (n, n), rows summing to one, and the law (n,) that it is to sample."""

    kernel: Tensor
    law: Tensor

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kernel.ndim != 2 or self.kernel.shape != (*self.law.shape, *self.law.shape):
            raise BadInput(f"kernel has shape {tuple(self.kernel.shape)}, law {tuple(self.law.shape)}")
        for name in ("kernel", "law"):
            finite(name, getattr(self, name))
            p = getattr(self, name).double()
            total = p.sum(-1, keepdim=True)
            if float(p.min()) < -1e-9 or float((total - 1).abs().max()) > 0.02:
                raise BadInput(f"{name} holds no chances: they are at least 0 and sum to one")
            object.__setattr__(self, name, p / total)

    @classmethod
    def collect(cls, model: Walker, exam: Exam) -> Kernel:
        spec = exam.task.spec.x
        if exam.task.log_prob is None or not isinstance(spec, Bits):
            raise NotApplicable("the law of the task is not known state by state")
        kernel = model.kernel()
        states = torch.arange(len(kernel))[:, None] >> torch.arange(prod(spec.shape)) & 1
        return cls(kernel, exam.task.log_prob(states.float().view(-1, *spec.shape)).double().exp())

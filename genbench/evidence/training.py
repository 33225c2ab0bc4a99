"""Evidence of training: the trace that it left, and what a critic has learnt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from genbench.errors import BadInput, NotApplicable
from genbench.evidence.kind import Evidence, Exam, finite, sampled
from genbench.model import Critic, Discriminator, Learner, LipschitzCritic


@dataclass(frozen=True)
class Trace(Evidence):
    """What each traced turn left, in their order: its loss (t,) and its gradient's norm (t,), and whose it was (t,),
    0 for the player that moved first."""

    loss: Tensor
    norm: Tensor
    player: Tensor
    at_end: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        finite("loss", self.loss)
        finite("norm", self.norm)
        if not self.loss.shape == self.norm.shape == self.player.shape == (len(self.loss),):
            raise BadInput("loss, norm and player are one number a turn: (t,)")

    @classmethod
    def collect(cls, model: Learner, exam: Exam) -> Trace:
        if not exam.trace:
            raise NotApplicable("no turn was traced")
        names = list(dict.fromkeys(turn["player"] for turn in exam.trace))
        turns = [(turn["loss"], turn["norm"], names.index(turn["player"])) for turn in exam.trace]
        loss, norm, player = torch.tensor(turns, dtype=torch.float64).T
        return cls(loss, norm, player.long())


@dataclass(frozen=True)
class Scores(Evidence):
    """What a critic thinks of held-out rows, real (n,), and of its generator's samples, fake (m,)."""

    real: Tensor
    fake: Tensor

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("real", "fake"):
            finite(name, x := getattr(self, name))
            if x.ndim != 1:
                raise BadInput(f"{name} has shape {tuple(x.shape)}, expected one score a row: (n,)")

    @classmethod
    def collect(cls, model: Critic, exam: Exam) -> Scores:
        fake = sampled(model, len(exam.rows), exam.task.spec)  # type: ignore[arg-type]
        return cls(model.score(exam.rows.x), model.score(fake))


@dataclass(frozen=True)
class LipschitzScores(Scores):
    """The same, of a critic whose Lipschitz constant is at most 1: one with a known constant, divided by it."""

    @classmethod
    def collect(cls, model: LipschitzCritic, exam: Exam) -> LipschitzScores:  # type: ignore[override]
        fake, most = sampled(model, len(exam.rows), exam.task.spec), model.lipschitz()  # type: ignore[arg-type]
        return cls(model.score(exam.rows.x) / most, model.score(fake) / most)


@dataclass(frozen=True)
class Odds(Evidence):
    """The log-odds (n,) that rows are real, known and as a critic has them, over as many real rows as fakes."""

    known: Tensor
    said: Tensor

    def __post_init__(self) -> None:
        super().__post_init__()
        finite("said", self.said)
        finite("known", self.known)
        if not self.known.shape == self.said.shape == (len(self.known),):
            raise BadInput("known and said are one number a row: (n,)")

    @classmethod
    def collect(cls, model: Discriminator, exam: Exam) -> Odds:
        if exam.task.log_prob is None:
            raise NotApplicable("the task's density is not known")
        fake = sampled(model, len(exam.rows), exam.task.spec)  # type: ignore[arg-type]
        x = torch.cat([exam.rows.x, fake])
        return cls(exam.task.log_prob(x) - model.fake_log_prob(x), model.score(x))

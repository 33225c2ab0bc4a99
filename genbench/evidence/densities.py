"""Evidence of densities: log-probabilities, bounds of them, and weights of annealed chains, in nats."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from genbench import annealing
from genbench.errors import BadInput
from genbench.evidence.kind import NONE, Evidence, Exam, finite
from genbench.model import Bounded, Density, ExactSampler, Joint, Sampler, Unnormalised, can


@dataclass(frozen=True)
class LogProbs(Evidence):
    """Exact log-densities (n,) of held-out rows in nats; `size` numbers a row, each with `levels` levels (0: none)."""

    values: Tensor
    size: int
    levels: int

    @classmethod
    def collect(cls, model: Density, exam: Exam) -> LogProbs:
        spec = exam.task.spec
        return cls(model.log_prob(exam.rows.x), spec.size, getattr(spec.x, "levels", None) or 0)


@dataclass(frozen=True)
class Bounds(Evidence):
    """Lower bounds (n,) of the log-density of held-out rows in nats, from k samples a row."""

    values: Tensor
    k: int

    K: ClassVar[int] = 100

    @classmethod
    def collect(cls, model: Bounded, exam: Exam) -> Bounds:
        return cls(model.bound(exam.rows.x, cls.K), cls.K)


@dataclass(frozen=True)
class Elbos(Evidence):
    """Lower bounds (n,) of the log-density of held-out rows in nats, from one sample a row."""

    values: Tensor

    @classmethod
    def collect(cls, model: Bounded, exam: Exam) -> Elbos:
        return cls(model.bound(exam.rows.x, 1))


@dataclass(frozen=True)
class LogWeights(Evidence):
    """Log importance weights (samples, rows) in nats: over a row's samples, the mean of exp is its density p(x)."""

    values: Tensor
    at_end: ClassVar[bool] = True

    ROWS: ClassVar[int] = 50
    CHAINS: ClassVar[int] = 8
    TEMPERATURES: ClassVar[int] = 200

    @property
    def bounds(self) -> Tensor:
        """log (1/k) sum_i w_i for each row (rows,): its own stochastic lower bound on log p(x)."""
        return self.values.double().logsumexp(0) - math.log(len(self.values))

    @classmethod
    def collect(cls, model: Joint, exam: Exam) -> LogWeights:
        """By annealing from the prior to the posterior of each of the first ROWS held-out rows."""
        betas = annealing.temperatures(cls.TEMPERATURES)
        return cls(annealing.row_weights(model, exam.rows.x[: cls.ROWS], cls.CHAINS, betas))


@dataclass(frozen=True)
class AnnealedWeights(Evidence):
    """Log weights in nats, (chains,) of one constant Z or (chains, rows) of one a row.

    The mean of exp(forward) is Z. The mean of exp(-reverse) is 1/Z where `exact` is 1: every reverse chain began at an
    exact draw. values (n,): log p(x) + log Z of held-out rows, where rows were asked about.
    """

    forward: Tensor
    reverse: Tensor = NONE
    values: Tensor = NONE
    exact: int = 1
    at_end: ClassVar[bool] = True

    CHAINS: ClassVar[int] = 100
    TEMPERATURES: ClassVar[int] = 1000

    def __post_init__(self) -> None:
        super().__post_init__()
        finite("reverse", self.reverse)
        for name in ("forward", "values"):
            if bool((getattr(self, name) == torch.inf).any()):
                raise BadInput(f"{name} has +inf, which no log weight and no log-density is; mend what made it")

    @classmethod
    def collect(cls, model: Unnormalised, exam: Exam) -> AnnealedWeights:
        """Reverse chains begin at exact draws where the model has them, else at its samples, else there are none."""
        betas, x = annealing.temperatures(cls.TEMPERATURES), exam.rows.x
        forward = annealing.forward(model, x[:1].expand(cls.CHAINS, *x.shape[1:]), betas)
        starts, exact = draws(model, cls.CHAINS)
        reverse = NONE if starts is None else annealing.reverse(model, starts, betas)
        return cls(forward, reverse, -model.energy(x), exact)


def draws(model: Unnormalised, n: int) -> tuple[Tensor | None, int]:
    """n draws of a model, and 1 where they are exact; none where it has no way to draw."""
    for capability, ask, exact in ((ExactSampler, "exact_sample", 1), (Sampler, "sample", 0)):
        try:
            if can(type(model), capability):
                return getattr(model, ask)(n), exact
        except NotImplementedError:
            continue
    return None, 0

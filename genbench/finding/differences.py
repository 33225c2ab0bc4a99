"""Findings about how models differ at the end: beats, equals, ordered, fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Literal

from pydantic import Field

from genbench import stats
from genbench.finding.kind import Answer, Kind, Undecided, Window, joined, listed, spoken, unlike, values, within
from genbench.record import Estimate, Result
from genbench.stats import TAIL, Student


def _each_above(gaps: Mapping[str, Student], by: float, gain: str = "gain") -> tuple[Answer, Estimate, str]:
    """Whether every gap exceeds the margin (Holm over them), told by the narrowest."""
    hardest = min(gaps, key=lambda name: gaps[name].value)
    up = stats.holm([gap.above(by) for gap in gaps.values()])
    down = stats.holm([(-gap).above(-by) for gap in gaps.values()])
    verdict: Answer = "shown" if max(up) <= TAIL else "not shown" if min(down) <= TAIL else "undecided"
    estimate = gaps[hardest].estimate()
    which = f"least {gain} of {len(gaps)} is over {hardest}," if len(gaps) > 1 else f"{gain} is"
    return verdict, estimate, f"the {which} {spoken(estimate, 'seed')}"


class Beats(Kind):
    """A model is better than each control by more than `by`, in the metric's own direction. Where that is below 0 it
    may be worse by less: it is not inferior.

    `times` asks for a factor: the larger of the two scores is more than so many times the smaller, and the gain is
    what is then left. It is for scores that are never negative. `against` is the metric that the control is read by,
    where that is another: a bound and what it bounds.
    """

    kind: Literal["beats"]
    model: str
    control: str | list[str]
    by: float = 0.0
    times: float = Field(default=1.0, ge=1)
    against: str = ""

    def claim(self) -> str:
        worse = f", or is at most {-self.by:g} worse" if self.by < 0 else ""
        margin = f" by more than {self.by:g}" if self.by > 0 else worse
        factor = f" {self.times:g} times over" if self.times > 1 else ""
        other = f" in {self.against}" if self.against else ""
        return f"{self.model} beats {joined(listed(self.control))}{other}{factor} on {self.place}{margin}"

    def settle(self, results: Sequence[Result]) -> tuple[Answer, Estimate, str]:
        controls = listed(self.control)
        gaps = {c: self.gap(results, self.model, c, times=self.times, against=self.against) for c in controls}
        gain = f"gain beyond {self.times:g} times" if self.times > 1 else "gain"
        verdict, estimate, why = _each_above(gaps, self.by, gain)
        return verdict, estimate, why + self.lost(results, self.model, *([] if self.against else controls))


class Equals(Kind):
    """Two models differ by less than `by` either way: two one-sided tests, which is the interval inside the margin.

    `against` is the metric that the control is read by, where that is another; the control may be the model itself.
    """

    kind: Literal["equals"]
    model: str
    control: str
    by: float = Field(gt=0)
    against: str = ""

    def claim(self) -> str:
        other = f" in {self.against}" if self.against else ""
        return f"{self.model} equals {self.control}{other} on {self.place} within {self.by:g}"

    def settle(self, results: Sequence[Result]) -> tuple[Answer, Estimate, str]:
        gap = self.gap(results, self.model, self.control, oriented=False, against=self.against)
        why = f"the difference is {spoken(gap.estimate(), 'seed')}"
        lost = self.lost(results, self.model, *([] if self.against else [self.control]))
        return within(gap.estimate(), -self.by, self.by), gap.estimate(), why + lost


class Within(Window):
    """The metric of each model lies in a window, at the end of training, and that of each control outside of it."""

    kind: Literal["within"]
    model: str | list[str]
    control: str | list[str]

    def claim(self) -> str:
        models = joined(listed(self.model))
        return f"{self.place} of {models} is {self.where()}, that of {joined(listed(self.control))} is not"

    def settle(self, results: Sequence[Result]) -> tuple[Answer, Estimate, str]:
        models = listed(self.model)
        means = {m: stats.mean(values(self.scores(results, m))) for m in (*models, *listed(self.control))}
        for model, mean in means.items():
            if mean.n < 2:
                raise Undecided(f"{model} has one run with {self.metric}, and one run has no spread")
        inside = {m: within(mean.estimate(), *self.bounds) for m, mean in means.items()}
        verdict = unlike([inside[m] for m in models], [inside[m] for m in listed(self.control)])
        hardest = min(models, key=lambda m: self.room(means[m]))
        it = "it" if len(models) == 1 else f"of {len(models)} models the nearest to the edge, {hardest},"
        others = [f", of {m} {spoken(means[m].estimate(), 'seed')}" for m in listed(self.control)]
        told = f"{it} is {spoken(means[hardest].estimate(), 'seed')}{''.join(others)}"
        return verdict, means[hardest].estimate(), told + self.lost(results, *means)

    def room(self, mean: Student) -> float:
        """How far the interval of a mean is from the edges of the window; negative where it reaches beyond one."""
        above, below = self.bounds
        return min(inf if above is None else mean.low - above, inf if below is None else below - mean.high)


class Ordered(Kind):
    """The models stand in the order given, best first, each better than the next by more than `by`."""

    kind: Literal["ordered"]
    models: list[str] = Field(min_length=2)
    by: float = 0.0

    def claim(self) -> str:
        return f"on {self.place} the order is {', '.join(self.models)}"

    def settle(self, results: Sequence[Result]) -> tuple[Answer, Estimate, str]:
        pairs = zip(self.models, self.models[1:], strict=False)
        verdict, estimate, why = _each_above({f"{b} (by {a})": self.gap(results, a, b) for a, b in pairs}, self.by)
        return verdict, estimate, why + self.lost(results, *self.models)


class Fails(Kind):
    """More than the share `by` of a model's runs fail, diverge, or end with the metric worse than `beyond`."""

    kind: Literal["fails"]
    model: str
    metric: str = ""
    beyond: float | None = None
    by: float = Field(default=0.5, ge=0, lt=1)

    def claim(self) -> str:
        how = " or diverges" if self.beyond is None else f", diverges or ends beyond {self.beyond:g} of {self.metric}"
        return f"{self.model} fails{how} in more than {self.by:.0%} of runs on {self.task}"

    def failed(self, result: Result) -> bool:
        if result.run.status in ("failed", "diverged") or self.beyond is None:
            return result.run.status in ("failed", "diverged")
        (score,) = self.scores([result], result.model)
        worse = -1 if score.better == "higher" else 1
        return worse * values([score])[0] > worse * self.beyond

    def settle(self, results: Sequence[Result]) -> tuple[Answer, Estimate, str]:
        ended = [r for r in self.runs(results, self.model) if r.run.status in ("ok", "failed", "diverged")]
        estimate = stats.share(sum(map(self.failed, ended)), len(ended))
        if not ended:
            raise Undecided(f"no run of {self.model} on {self.task} came to an end")
        return within(estimate, self.by, None), estimate, f"the share is {spoken(estimate, 'run')}"

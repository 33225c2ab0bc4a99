"""What every kind of finding names, and how it finds its scores among the runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from math import nan
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from genbench import stats
from genbench.record import Estimate, Record, Result
from genbench.stats import Student

Answer = Literal["shown", "not shown", "undecided"]


class Undecided(Exception):
    """The runs cannot answer; the message says why."""


@dataclass(frozen=True)
class Verdict:
    """What was claimed, what the runs say of it, and the number behind it."""

    name: str
    verdict: Answer
    estimate: Estimate
    text: str

    @property
    def sentence(self) -> str:
        return f"{self.verdict.capitalize()}: {self.text}"


def listed(names: str | list[str]) -> list[str]:
    return [names] if isinstance(names, str) else names


def joined(names: Sequence[str], word: str = "and") -> str:
    return f" {word} ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def spoken(e: Estimate, over: str) -> str:
    return f"{e.value:.3g} [{e.low:.3g}, {e.high:.3g}] over {e.n} {over}{'' if e.n == 1 else 's'}"


def within(e: Estimate, above: float | None, below: float | None) -> Answer:
    """Shown when the whole interval lies between the two, not shown when none of it does."""
    low, high = e.low, e.high
    if low is None or high is None or not low <= high:
        return "undecided"
    if (above is None or low > above) and (below is None or high < below):
        return "shown"
    return "not shown" if (above is not None and high < above) or (below is not None and low > below) else "undecided"


OPPOSITE: dict[Answer, Answer] = {"shown": "not shown", "not shown": "shown", "undecided": "undecided"}


def unlike(mine: Iterable[Answer], controls: Iterable[Answer]) -> Answer:
    """Shown when the claim holds of all models and of none of their controls, not shown when any surely fails."""
    wanted = [*mine, *(OPPOSITE[control] for control in controls)]
    return "not shown" if "not shown" in wanted else "undecided" if "undecided" in wanted else "shown"


class Kind(BaseModel):
    """What every kind of finding names. `metric` may be a record's key, so that it picks one set of options."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    task: str
    metric: str
    options: dict[str, Any] = {}
    at: float = 1.0
    says: str = ""

    def claim(self) -> str:
        raise NotImplementedError

    def settle(self, results: Sequence[Result]) -> tuple[Answer, Estimate, str]:
        raise NotImplementedError

    @property
    def place(self) -> str:
        return f"{self.metric} ({self.task})" + (f" at {self.at:.0%} of the budget" if self.at < 1 else "")

    def judge(self, name: str, results: Sequence[Result]) -> Verdict:
        claim = self.says.rstrip(".") or self.claim()
        try:
            verdict, estimate, why = self.settle(results)
        except Undecided as reason:
            return Verdict(name, "undecided", Estimate(nan), f"{claim}: {reason}.")
        return Verdict(name, verdict, estimate, f"{claim}: {why}.")

    def runs(self, results: Sequence[Result], model: str | None) -> list[Result]:
        """The runs of a model on the task, by seed; every model's where none is named."""
        found = [r for r in results if r.task == self.task and model in (None, r.model)]
        if not found:
            raise Undecided(f"no run of {model or 'any model'} on {self.task}")
        return sorted(found, key=lambda r: (r.model, r.run.asked.seed, r.run.id))

    def chosen(self, records: Iterable[Record], metric: str = "") -> list[Record]:
        """The records that hold a number of the metric, one set of options among them."""
        wanted = self.options if not metric else {}
        metric = metric or self.metric
        found = [
            r for r in records
            if metric in (r.metric, r.key) and r.value is not None
            and all(k in r.options and r.options[k] == v for k, v in wanted.items())
        ]  # fmt: skip
        if len(keys := sorted({r.key for r in found})) > 1:
            raise Undecided(f"{metric} was scored in several ways, name one: {', '.join(keys)}")
        if len(versions := sorted({r.version for r in found})) > 1:
            raise Undecided(f"{metric} was scored by versions {joined(versions)}; score again with one")
        return found

    def here(self, result: Result) -> list[Record]:
        """All records of a run at the share of the budget that is spoken of."""
        split = "test" if self.at == 1 else "valid"
        return [s for s in result.scores if abs(s.at - self.at) < 1e-9 and s.split == split]

    def scores(self, results: Sequence[Result], model: str, metric: str = "") -> list[Record]:
        """One record a run that got so far."""
        runs = self.runs(results, model)
        asked = [s for r in runs for s in self.here(r)]
        if not (found := self.chosen(asked, metric)):
            wanted = metric or self.metric
            reasons = {s.why for s in asked if wanted in (s.metric, s.key)} | {r.run.why for r in runs}
            reason = f" ({'; '.join(sorted(filter(None, reasons)))})" if any(reasons) else ""
            raise Undecided(f"{model} has no {self.place.replace(self.metric, wanted, 1)}{reason}")
        return found

    def lost(self, results: Sequence[Result], *models: str) -> str:
        """The runs that left no score: what survives of a model flatters it, so the sentence says so."""
        said = []
        for model in models:
            runs = self.runs(results, model)
            if gone := len(runs) - len(self.scores(results, model)):
                said.append(f"; {gone} of {len(runs)} runs of {model} left no score")
        return "".join(said)

    def gap(
        self, results: Sequence[Result], better: str, worse: str, *,
        oriented: bool = True, times: float = 1.0, against: str = "",
    ) -> Student:  # fmt: skip
        """By how much one model is better than another: Welch's difference, positive where the claim holds; of one
        model against itself in another metric, the mean of its runs' own differences.

        `times` multiplies the score that is to be the smaller. An n that differs between the arms but not within them
        is another protocol, and those do not compare; an n that differs within an arm is chance, such as a count of
        the samples that fell on a mode.
        """
        arms = [self.scores(results, better), self.scores(results, worse, against)]
        if own := better == worse:  # two scores of the same runs, of those that have both
            records = [self.here(r) for r in self.runs(results, better)]
            pairs = [pair for here in records for pair in product(self.chosen(here), self.chosen(here, against))]
            arms = [[pair[i] for pair in pairs] for i in (0, 1)]
        every = [*arms[0], *arms[1]] if against else self.chosen([*arms[0], *arms[1]])
        ns = [{r.n for r in arm} for arm in arms]
        if ns[0] != ns[1] and all(len(n) == 1 for n in ns):
            said = joined([str(*n) for n in ns])
            raise Undecided(f"{self.metric} was scored on n of {said}, which do not compare")
        for model, arm in zip((better, worse), arms, strict=True):
            if len(arm) < 2:
                runs = f"{'one' if arm else 'no'} run with {self.metric}" + (f" and {against}" if against else "")
                raise Undecided(f"{model} has {runs}, and one run has no spread")
        ways = {r.better for r in every}
        if oriented and ways not in ({"lower"}, {"higher"}):
            raise Undecided(f"{self.metric} has no better direction" + (f" that is {against}'s too" if against else ""))
        if times > 1 and min(values(every)) < 0:
            raise Undecided(f"{self.metric} falls below 0, where no score is {times:g} times another")
        factors = (times, 1.0) if ways == {"lower"} else (1.0, times)
        mine, theirs = ([f * v for v in values(arm)] for f, arm in zip(factors, arms, strict=True))
        difference = stats.paired(mine, theirs) if own else stats.mean(mine) - stats.mean(theirs)
        return -difference if oriented and ways == {"lower"} else difference


class Window(Kind):
    """A number that lies above one bound, below another, or between the two; above 0 where neither is given."""

    above: float | None = None
    below: float | None = None

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        return (0.0, None) if self.above is None and self.below is None else (self.above, self.below)

    def where(self) -> str:
        ends = zip(("above", "below"), self.bounds, strict=True)
        return joined([f"{word} {bound:g}" for word, bound in ends if bound is not None])


def values(records: Iterable[Record]) -> list[float]:
    return [r.value for r in records if r.value is not None]

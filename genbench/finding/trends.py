"""Findings about how a score moves: slope, correlates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import log, nan
from typing import Literal

from genbench import stats
from genbench.finding.kind import Answer, Undecided, Window, joined, listed, spoken, unlike, values, within
from genbench.record import Estimate, Result, read_lines
from genbench.stats import Student


class Trend(Window):
    """A number taken from many scores of a model, of several together or of every one."""

    model: str | list[str] | None = None

    def who(self, model: str | list[str] | None = None) -> str:
        named = model or self.model
        return joined(listed(named)) if named else "every model"

    def every(self, results: Sequence[Result], model: str | list[str] | None) -> list[Result]:
        models: list[str | None] = [*listed(model)] if model else [None]
        return [r for name in models for r in self.runs(results, name)]

    def verdict(self, e: Estimate, what: str, over: str) -> tuple[Answer, Estimate, str]:
        if e.low is None or not e.low <= (e.high if e.high is not None else nan):
            raise Undecided(f"{e.n} {over}{'' if e.n == 1 else 's'} cannot carry an interval")
        return within(e, *self.bounds), e, f"the {what} is {spoken(e, over)}"

    def curve(self, result: Result, metric: str = "") -> dict[float, float]:
        """The metric along one run's training, on the validation rows."""
        scores = self.chosen((s for s in result.scores if s.split == "valid"), metric)
        return {s.at: s.value for s in scores if s.value is not None}


class Slope(Trend):
    """The least-squares slope of the metric against the share of the budget, `at`, or against a hyper-parameter.

    Against `at`, one slope a run (its points depend on each other) and the interval is over runs; else over runs
    at the end of training. `log` takes both on logarithmic axes.
    """

    kind: Literal["slope"]
    against: str = "at"
    log: bool = False

    def claim(self) -> str:
        what = f"log-log slope of {self.place}" if self.log else f"slope of {self.place}"
        return f"the {what} against {self.against} of {self.who()} is {self.where()}"

    def axes(self, points: Iterable[tuple[float, float]]) -> Student:
        found = [(x, y) for x, y in points if not self.log or x > 0]
        if self.log and any(y <= 0 for _, y in found):
            raise Undecided(f"{self.metric} is not positive everywhere, so it has no logarithm")
        taken = [(log(x), log(y)) if self.log else (x, y) for x, y in found]
        return stats.slope([x for x, _ in taken], [y for _, y in taken])

    def setting(self, result: Result) -> float:
        value = {**result.run.asked.task_options, **result.run.asked.hyper}.get(self.against)
        if not isinstance(value, int | float):
            raise Undecided(f"{result.model} was run with no number for {self.against!r}")
        return float(value)

    def settle(self, results: Sequence[Result]) -> tuple[Answer, Estimate, str]:
        runs = self.every(results, self.model)
        if self.against == "at":
            slopes = [s.value for r in runs if (s := self.axes(self.curve(r).items())).n > 1]
            if not slopes:
                raise Undecided(f"no run of {self.who()} has {self.metric} at two points of training")
            return self.verdict(stats.mean(slopes).estimate(), "slope", "run")
        points = [(self.setting(r), v) for r in runs if r.scores for v in values(self.scores([r], r.model))]
        return self.verdict(self.axes(points).estimate(), "slope", "run")


class Correlates(Trend):
    """Spearman's rank correlation of the metric with another, `against`, or with a player's loss, `loss`.

    Along `training`, one correlation a run and the interval is over runs; over `runs`, one pair a finished run. Where
    there is a `control`, its correlation must lie elsewhere.
    """

    kind: Literal["correlates"]
    control: str | list[str] = ""
    against: str = ""
    loss: str = ""
    along: Literal["training", "runs"] = "training"

    def claim(self) -> str:
        other = self.against or f"the {self.loss}'s loss"
        control = f", that of {self.who(self.control)} is not" if self.control else ""
        what = f"the rank correlation of {self.place} with {other} along {self.along}"
        return f"{what} of {self.who()} is {self.where()}{control}"

    def losses(self, result: Result, at: Iterable[float]) -> dict[float, float]:
        """The player's mean loss since the checkpoint before."""
        path, whole = result.folder / "trace.jsonl", result.run.asked.examples
        made: dict[float, float] = {}
        since = 0.0
        lines = [line for line in read_lines(path) if line["player"] == self.loss] if path.exists() else []
        for here in sorted(at):
            part = [t["loss"] for t in lines if since < t["examples"] / whole <= here and t["loss"] is not None]
            made |= {here: sum(part) / len(part)} if part else {}
            since = here
        return made

    def settle(self, results: Sequence[Result]) -> tuple[Answer, Estimate, str]:
        answer, estimate, why = self.correlation(results, self.model)
        others = {control: self.correlation(results, control) for control in listed(self.control) if control}
        told = "".join(f"; of {name}, {said}" for name, (_, _, said) in others.items())
        return unlike([answer], [other for other, _, _ in others.values()]), estimate, why + told

    def correlation(self, results: Sequence[Result], model: str | list[str] | None) -> tuple[Answer, Estimate, str]:
        if bool(self.against) == bool(self.loss) or (self.loss and self.along == "runs"):
            raise Undecided("name either another metric, as `against`, or along training a player, as `loss`")
        pairs: list[list[tuple[float, float]]] = []
        for result in self.every(results, model):
            if self.along == "runs":
                ends = [s for s in result.scores if s.split == "test"]
                sides = [values(self.chosen(ends, metric)) for metric in ("", self.against)]
                pairs.append(list(zip(*sides, strict=False)))
            else:
                one = self.curve(result)
                two = self.losses(result, one) if self.loss else self.curve(result, self.against)
                pairs.append([(one[at], two[at]) for at in sorted(one.keys() & two.keys())])
        if self.along == "runs":
            x, y = zip(*(pair for run in pairs for pair in run), strict=True) if any(pairs) else ((), ())
            return self.verdict(stats.spearman(x, y), "correlation", "run")
        each = [stats.spearman(*zip(*run, strict=True)).value for run in pairs if len(run) > 2]
        if not (each := [rho for rho in each if rho == rho]):
            raise Undecided(f"no run of {self.who(model)} has both at three points of training")
        e = stats.mean(each).estimate()
        low, high = max(-1.0, e.low if e.low is not None else nan), min(1.0, e.high if e.high is not None else nan)
        return self.verdict(Estimate(e.value, e.error, e.n, low, high), "correlation", "run")

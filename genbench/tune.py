"""Search: models' declared options tried out, each model as often as any other, and judged on validation rows alone.

A model declares what may be searched where it states the option, as in `rate: Annotated[float, 1e-4, 1e-2] = 1e-3`:
the two ends of a number, or else choices. The first trial is the model as the benchmark has it, so that what is found
is never worse than that on these rows. The others are points of one quasi-random sequence: none waits for another or
depends on how it ended, more trials go on from fewer, and variants of one class are tried at the same points.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any, get_args, get_origin

import yaml

from genbench import bench, catalogue
from genbench.bench import Benchmark, Memo, Options, Plan, Tuned
from genbench.errors import BadInput
from genbench.record import Result, Wanted, write_whole
from genbench.report.words import number

FIRST_SEED = 1000  # of a trial: no run that is reported shares its luck
HOW = "declare one where the option is stated, as in `rate: Annotated[float, 1e-4, 1e-2] = 1e-3`"
Ranges = dict[str, tuple[type, tuple[Any, ...]]]


def ranges(build: Any) -> Ranges:
    """The options of a model that may be searched: the type of each, and its ends or choices. One that a variant sets
    to something outside is what makes the variant."""
    hints, _ = bench.hinted(build, extras=True)
    declared = {name: get_args(hint) for name, hint in hints.items() if get_origin(hint) is Annotated}
    own = inspect.signature(build).parameters
    return {
        name: (kind, tuple(values))
        for name, (kind, *values) in declared.items()
        if len(values) > 1
        and all(isinstance(value, int | float | str | tuple) for value in values)
        and holds(kind, values, own[name].default)
    }


def numbers(kind: type, values: Sequence[Any]) -> bool:
    """Whether values are the two ends of a number, and not choices."""
    return kind in (int, float) and len(values) == 2


def holds(kind: type, values: Sequence[Any], own: Any) -> bool:
    if numbers(kind, values):
        return isinstance(own, int | float) and bool(values[0] <= own <= values[1])
    return own in values


def between(kind: type, values: Sequence[Any], u: float) -> Any:
    """The option at u in [0, 1): of two ends evenly, or in their logarithms where both are above 0; else a choice."""
    if not numbers(kind, values):
        return values[int(u * len(values))]
    low, high = values[0], values[1] + (kind is int)  # each whole number has a share, the last one too
    at = low * (high / low) ** u if low > 0 else low + u * (high - low)
    return int(at) if kind is int else float(f"{at:.3g}")


def points(found: Ranges, trials: int) -> list[Options]:
    """The options of each trial: none, then those at the points of a scrambled Halton sequence."""
    from scipy.stats import qmc

    rows = qmc.Halton(len(found), seed=0).random(trials - 1)
    return [{}] + [
        {name: between(*declared, u) for u, (name, declared) in zip(row, found.items(), strict=True)} for row in rows
    ]


def judge(benchmark: Benchmark, wanted: str | None) -> tuple[Wanted, bool]:
    """The metric that trials are judged by, the first that can, and whether a lower one is better. BadInput for none
    that can."""
    entries = [wanted] if wanted else list(benchmark.metrics)
    for entry in entries:
        given = dict(benchmark.metrics.get(entry, {}))
        name = given.pop("is", entry)
        if (better := catalogue.load("metrics", name).better) != "neither":
            return Wanted(name, given), better == "lower"
    raise BadInput(f"{' and '.join(entries)}: no score of these is better than another; name another with --metric")


@dataclass(frozen=True)
class Found:
    """What came of the trials of one model on one task: the best beside the first, and what befell the others."""

    task: str
    model: str
    settings: Options
    value: float | None
    before: float | None
    troubles: Counter[str]

    def __str__(self) -> str:
        before = "no score" if self.before is None else number(self.before)[0]
        better = self.settings and self.value is not None
        after = f"{number(self.value or 0.0)[0]} with {flow(self.settings)}, " if better else ""
        lost = "".join(f"; {count} of its runs {trouble}" for trouble, count in self.troubles.most_common())
        return f"{self.task}, {self.model}: {after}{before} as it stands{lost}"


@dataclass(frozen=True)
class Search:
    """Options to try of each model, trial by trial, on every task of a benchmark; other models stay as they are."""

    name: str
    benchmark: Benchmark
    judge: Wanted
    lower: bool
    tried: dict[str, list[Options]]
    seeds: int
    examples: int

    def plan(self, memo: Memo, device: str) -> Plan:
        """A run for each trial, task and seed, none of which is shown a test row. BadInput where a task has no rows to
        judge them by."""
        entries = {
            entry(model, i): {"is": model, **self.benchmark.models[model], **options}
            for model, tried in self.tried.items()
            for i, options in enumerate(tried)
        }
        budget = self.benchmark.budget.model_copy(update={"examples": self.examples})
        changes = {"models": entries, "metrics": {self.judge.name: self.judge.options}, "budget": budget}
        changes |= {"seeds": self.seeds, "at": (), "tuned": None}
        plan = bench.plan(self.name, self.benchmark.model_copy(update=changes), memo, device)
        for task, ref, options in {a.task: (a.task, a.task_ref, a.task_options) for a in plan.asked}.values():
            if not len(catalogue.resolve(ref)(**options).valid):
                raise BadInput(f"{task} has no validation rows, by which trials are judged")
        asked = [replace(a, split="valid", seed=FIRST_SEED + a.seed) for a in plan.asked]
        return replace(plan, asked=tuple(asked))

    def outcomes(self, results: Sequence[Result]) -> Iterator[Found]:
        """The best trial of each model on each task by its mean over seeds, of those that lost no seed."""
        for task in self.benchmark.tasks:
            for model, tried in self.tried.items():
                values, troubles = dict[int, float](), Counter[str]()
                for i in range(len(tried)):
                    mine = [r for r in results if (r.task, r.model) == (task, entry(model, i))]
                    said = [score(run, self.judge) for run in mine]
                    troubles.update(why for value, why in said if value is None)
                    known = [value for value, _ in said if value is not None]
                    if len(known) == self.seeds:
                        values[i] = fmean(known)
                best = min(values, key=lambda i: (values[i] if self.lower else -values[i], i), default=0)
                yield Found(task, model, tried[best], values.get(best), values.get(0), troubles)

    def tuned(self, found: Sequence[Found], results: Sequence[Result]) -> dict[str, Benchmark]:
        """The benchmark with what was found, under a name of its own."""
        settings: dict[str, dict[str, Options]] = {}
        for one in found:
            if one.settings:
                settings.setdefault(one.task, {})[one.model] = one.settings
        facts = Tuned(
            metric=self.judge.name, models=list(self.tried), trials=len(next(iter(self.tried.values()))),
            seeds=self.seeds, examples=self.examples,
            spent=sum(int(r.run.cost.get("examples") or 0) for r in results), settings=settings,
        )  # fmt: skip
        return {f"{self.name}-tuned": self.benchmark.model_copy(update={"tuned": facts})}


def entry(model: str, trial: int) -> str:
    return f"{model}#{trial}"


def score(run: Result, judge: Wanted) -> tuple[float | None, str]:
    """What a run is judged by, or None and why."""
    if run.run.status != "ok":
        return None, f"{run.run.status}: {run.run.why}"
    for s in run.scores:
        if s.at == 1 and s.metric == judge.name and judge.options.items() <= s.options.items():
            return s.value, f"not scored: {s.why}"
    return None, "not scored"


def search(
    name: str, benchmark: Benchmark, metric: str | None, trials: int, seeds: int, examples: int | None,
    insisted: Collection[str] = (),
) -> Search:  # fmt: skip
    """What to try: all that models declare and the benchmark leaves open. BadInput where that is nothing, also of one
    model that was `insisted` on."""
    tried = {}
    for model, options in benchmark.models.items():
        declared = ranges(catalogue.load("models", options.get("is", model)))
        if left := {option: found for option, found in declared.items() if option not in options}:
            tried[model] = points(left, trials)
        elif model in insisted:
            raise BadInput(f"{model} declares no range that the benchmark leaves open; {HOW}")
    if not tried:
        raise BadInput(f"no model of {name} declares a range that the benchmark leaves open; {HOW}")
    judged = judge(benchmark, metric)
    return Search(name, benchmark, *judged, tried, seeds, examples or benchmark.budget.examples)


def flow(settings: Options) -> str:
    """On one line of YAML."""
    return yaml.safe_dump(settings, default_flow_style=True, sort_keys=False, width=10_000).strip()


def write(benchmarks: dict[str, Benchmark], out: Path) -> None:
    """As a file of benchmarks, for `genbench run --file`."""
    said = {
        name: {key: value for key, value in found.model_dump(mode="json", exclude_unset=True).items() if value}
        for name, found in benchmarks.items()
    }
    write_whole(out, yaml.safe_dump(said, default_flow_style=None, sort_keys=False, allow_unicode=True, width=110))

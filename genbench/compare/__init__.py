"""New runs against old: which scores got better or worse by more than noise."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite, isnan, nan, sqrt
from pathlib import Path
from typing import get_args

from genbench import stats
from genbench.compare.gates import check, read_gates
from genbench.compare.pairs import (
    Scored,
    arranged,
    asked_apart,
    by_metric,
    n_apart,
    other_asked,
    scored_apart,
    unmatched,
)  # fmt: skip
from genbench.compare.verdict import LOST, MARGIN, ROUNDING, Answer, Change, FailOn, errors, judged, two_sided
from genbench.errors import BadInput
from genbench.record import Result, read_records, read_results
from genbench.report.words import unique
from genbench.stats import Student

Reasons = defaultdict[str, list[str]]  # and the models that each is true of


@dataclass
class Comparison:
    """All changes, worst first, the gates likewise, and what was not compared: `refused` where it would be wrong to,
    `notes` where there is nothing to compare with.
    """

    changes: list[Change] = field(default_factory=list)
    gates: list[Change] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def having(self, verdict: Answer) -> list[Change]:
        return [change for change in self.changes if change.verdict == verdict]

    @property
    def counts(self) -> dict[str, int]:
        return {verdict: len(self.having(verdict)) for verdict in get_args(Answer)}

    @property
    def tests(self) -> int:
        """How many changes shared the chance of a false alarm."""
        return sum(not isnan(change.pvalue) for change in self.changes)

    def code(self, fail_on: FailOn = "worse") -> int:
        """What a gate exits with: 1 where it fails, 2 where some of what was asked could not be compared, else 0."""
        fails = {"worse": ["worse"], "cannot-tell": ["worse", "cannot tell"], "never": []}[fail_on]
        if any(change.verdict in fails for change in [*self.changes, *self.gates]):
            return 1
        return 2 if self.refused and fail_on != "never" else 0


def read(path: Path) -> list[Result]:
    """Runs from a report, its records.jsonl or a folder of runs. BadInput where there is none."""
    file = path / "records.jsonl" if path.is_dir() else path
    results = read_records(file) if file.is_file() else read_results(path)
    if not results:
        raise BadInput(f"no runs in {path}; give a report's folder, its records.jsonl, or a folder of runs")
    return results


def against(new: Path, old: Path, gates: Path | None = None, margin: float = MARGIN) -> Comparison:
    """What `genbench compare` does, from paths. BadInput as `read`, `compare` and `gates.check` raise it."""
    bounds = read_gates(gates) if gates else []
    fresh = read(new)
    found = compare(fresh, read(old), margin)
    found.gates = check(bounds, fresh)
    return found


def compare(new: Sequence[Result], old: Sequence[Result], margin: float = MARGIN) -> Comparison:
    """Every score that both have. BadInput where they share none, or the runs of a side contradict each other."""
    sides = arranged(new, "NEW"), arranged(old, "OLD")
    shared = sorted(sides[0].keys() & sides[1].keys())
    if not shared:
        said = (", ".join(sorted(f"{model} on {task}" for task, model in side)[:5]) for side in sides)
        raise BadInput("NEW and OLD share no model on a task: NEW has {}; OLD has {}".format(*said))
    made, refused, alone = Comparison(), Reasons(list), Reasons(list)
    columns: defaultdict[tuple[str, str], dict[str, tuple[Scored, Scored]]] = defaultdict(dict)
    for task, model in shared:
        runs = sides[0][task, model], sides[1][task, model]
        if reason := asked_apart(*runs):
            refused[f"{task}: {reason}"].append(model)
            continue
        made.changes += ended(task, model, *runs)
        mine, theirs = map(by_metric, runs)
        for metric in sorted(mine.keys() | theirs.keys()) if mine and theirs else ():
            if metric not in mine or metric not in theirs:
                alone[f"only in {'NEW' if metric in mine else 'OLD'}: {metric} on {task}"].append(model)
            elif reason := scored_apart(mine[metric], theirs[metric]):
                refused[f"{metric} on {task}: {reason}"].append(model)
            else:
                for key, by_seed in mine[metric].items():
                    columns[task, key][model] = by_seed, theirs[metric][key]
    for (task, key), column in columns.items():
        if reason := n_apart(column.values()):
            refused[f"{key} on {task}: {reason}"] += column
        else:
            made.changes += changes(task, key, column, margin)
    made.changes = judged(made.changes)
    made.refused, made.notes = (
        [f"{said} ({', '.join(of)})" for said, of in sorted(r.items())] for r in (refused, alone)
    )
    made.notes += unmatched(*sides)
    made.notes += unique(other_asked(sides[0][pair][0].run.asked, sides[1][pair][0].run.asked) for pair in shared)
    if not made.changes and not made.refused:
        raise BadInput("NEW and OLD share no metric with a better direction and a number on both sides")
    return made


def numbers(scored: Scored) -> dict[int, float]:
    return {seed: s.value for seed, s in scored.items() if s.value is not None and isfinite(s.value)}


def changes(task: str, key: str, column: Mapping[str, tuple[Scored, Scored]], margin: float) -> list[Change]:
    """A column's changes, each with the spread that its runs and, where theirs is larger, its neighbours' have."""
    arms = {model: (numbers(new), numbers(old)) for model, (new, old) in column.items()}
    both = {model: pair for model, pair in arms.items() if all(pair)}
    made = [lost(task, model, *column[model]) for model, (new, old) in arms.items() if old and not new]
    spreads = stats.moderated([stats.pooled(*map(list, map(dict.values, pair))) for pair in both.values()])
    for (model, pair), spread in zip(both.items(), spreads, strict=True):
        new, old = (stats.mean(list(values.values())) for values in pair)
        error = spread.error * sqrt(spread.n) * sqrt(1 / new.n + 1 / old.n)
        gap = Student(new.value - old.value, error, spread.df, min(new.n, old.n))
        records = [s for side in column[model] for s in side.values() if s.value is not None]
        rows = errors(records)
        common = pair[0].keys() & pair[1].keys()
        alike = bool(common) and all(abs(pair[0][i] - pair[1][i]) <= ROUNDING * abs(pair[1][i]) for i in common)
        change = Change(task, model, key, records[0].better, records[0].unit, old, new, gap, rows,
                        max(margin * abs(old.value), rows), identical=alike)  # fmt: skip
        made.append(change if alike else replace(change, pvalue=two_sided(gap)))
    return made


def lost(task: str, model: str, new: Scored, old: Scored) -> Change:
    """A number that was there and is gone: nobody can tell, and why is said."""
    reason = "; ".join(unique(s.why for s in new.values())) or "its runs left none"
    first, none = next(iter(old.values())), Student(nan, nan, 0, 0)
    return Change(task, model, first.key, first.better, first.unit, stats.mean(list(numbers(old).values())), none, none,
                  nan, nan, why=f"NEW has no number: {reason}")  # fmt: skip


def ended(task: str, model: str, new: Sequence[Result], old: Sequence[Result]) -> list[Change]:
    """The share of runs that failed or diverged, where it changed: Fisher's test; an exception in all is no luck."""
    lost = [sum(r.run.status != "ok" for r in runs) for runs in (new, old)]
    if lost[0] * len(old) == lost[1] * len(new):
        return []
    shares = [Student(k / len(runs), nan, 0, len(runs)) for k, runs in zip(lost, (new, old), strict=True)]
    up = stats.fisher(lost[0], len(new), lost[1], len(old))
    down = stats.fisher(lost[1], len(old), lost[0], len(new))
    always = all(r.run.status == "failed" for r in new) and not any(r.run.status == "failed" for r in old)
    why = "; ".join(unique(r.run.why for r in new))
    gap = Student(shares[0].value - shares[1].value, nan, 0, min(len(new), len(old)))
    return [Change(task, model, LOST, "lower", "of all", shares[1], shares[0], gap, 0.0, 0.0,
                   pvalue=0.0 if always else min(1.0, 2 * min(up, down)), verdict="worse" if always else "cannot tell",
                   why=why)]  # fmt: skip

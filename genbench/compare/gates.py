"""Absolute gates: what scores must keep to, whatever they were before. A YAML list of `frechet[digits] <= 12`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from genbench import stats
from genbench.compare.pairs import Pair, arranged
from genbench.compare.verdict import Change, errors, judged, two_sided
from genbench.errors import BadInput, unknown
from genbench.record import Record, Result
from genbench.report.tables import REFERENCES, final
from genbench.report.words import unique
from genbench.stats import Student

FORM = re.compile(r"\s*([\w.-]+)\s*\[\s*([^\[\],]+?)\s*(?:,\s*([^\[\],]+?)\s*)?\]\s*(<=|>=)\s*([-+.\deE]+)\s*")


@dataclass(frozen=True)
class Gate:
    """A bound on a metric on a task: of one model, or of every model that is no reference."""

    metric: str
    task: str
    model: str | None
    way: str
    bound: float

    def __str__(self) -> str:
        return f"{self.metric} {self.way} {self.bound:g}"


def read_gates(path: Path) -> list[Gate]:
    """A YAML list of gates. BadInput names the one that is none."""
    try:
        lines = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInput(f"cannot read the gates {path}: {error}") from None
    if not isinstance(lines, list) or not lines:
        raise BadInput(f"{path}: expected a YAML list of gates such as `- frechet[digits] <= 12`")
    return [parsed(str(line), path) for line in lines]


def parsed(line: str, path: Path) -> Gate:
    found = FORM.fullmatch(line)
    try:
        metric, task, model, way, bound = found.groups() if found else ("",) * 5
        return Gate(metric, task, model, way, float(bound))
    except ValueError:
        form = "metric[task] <= number, or metric[task, model] >= number"
        raise BadInput(f"{path}: {line!r} is no gate; write {form}") from None


def check(gates: Sequence[Gate], new: Sequence[Result]) -> list[Change]:
    """Each gate for each of its models, its bound in the place of the old score. BadInput where it meets no run."""
    runs = arranged(new, "NEW")
    found = [change for gate in gates for pair in met(gate, runs) for change in held(gate, *pair, runs[pair])]
    return judged(found)


def met(gate: Gate, runs: dict[Pair, list[Result]]) -> list[Pair]:
    tasks = {task for task, _ in runs}
    if gate.task not in tasks:
        raise unknown(f"task of the gate {gate}", gate.task, tasks)
    models = {model for task, model in runs if task == gate.task}
    if gate.model and gate.model not in models:
        raise unknown(f"model of the gate {gate}", gate.model, models)
    metrics = {s.metric for task, model in runs if task == gate.task for r in runs[task, model] for s in final(r)}
    if metrics and gate.metric not in metrics:
        raise unknown("metric of a gate", gate.metric, metrics)
    return [(gate.task, model) for model in sorted(models) if gate.model in (None, model)
            and (gate.model or model not in REFERENCES)]  # fmt: skip


def held(gate: Gate, task: str, model: str, runs: Sequence[Result]) -> list[Change]:
    """How far a model's scores lie from the bound, of each set of options it was scored with."""
    by_key: dict[str, list[Record]] = {}
    for record in (s for r in runs for s in final(r) if s.metric == gate.metric):
        by_key.setdefault(record.key, []).append(record)
    bound = Student(gate.bound, 0.0, 0, 0)
    better = "lower" if gate.way == "<=" else "higher"
    made = []
    for records in by_key.values() or ([],):
        values = [r.value for r in records if r.value is not None]
        new = stats.mean(values) if values else Student(float("nan"), float("nan"), 0, 0)
        gap = Student(new.value - gate.bound, new.error, new.df, new.n)
        reasons = [r.why for r in records] + [r.run.why for r in runs]
        why = "" if values else f"NEW has no number: {'; '.join(unique(reasons)) or 'not scored'}"
        unit = records[0].unit if records else ""
        made.append(Change(task, model, str(gate), better, unit, bound, new, gap, errors(records), 0.0,
                           pvalue=two_sided(gap) if values else float("nan"), why=why))  # fmt: skip
    return made

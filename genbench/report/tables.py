"""A task's table, models down and metrics across: what every format of the report prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from math import isfinite, sqrt

from genbench import stats
from genbench.record import Record, Result
from genbench.report.words import decimals, number, options, rough, spanned, unique
from genbench.stats import Student

REFERENCES = ("truth", "noise", "thief")
ARROWS = {"lower": "↓", "higher": "↑", "neither": ""}
COSTS = {
    "examples": ("examples", 1.0),
    "seconds": ("seconds", 1.0),
    "flops": ("GFLOP", 1e9),
    "parameters": ("parameters", 1.0),
    "memory": ("memory, MB", 1e6),
}


@dataclass(frozen=True)
class Column:
    """One metric with its options. `sound` is False where its numbers are of several versions."""

    key: str
    metric: str
    options: str
    better: str
    unit: str
    n: str
    sound: bool

    @property
    def arrow(self) -> str:
        return ARROWS.get(self.better, "")


@dataclass
class Cell:
    """A model's score over its runs. `mean` is None where there is none, and `why` then says why."""

    model: str
    column: Column
    records: list[Record] = field(default_factory=list)
    mean: Student | None = None
    why: str = ""
    lost: str = ""
    best: bool = False

    @property
    def half(self) -> float | None:
        return self.mean.half if self.mean and isfinite(self.mean.half) else None

    @property
    def spread(self) -> float | None:
        """The standard deviation over seeds."""
        if len(self.records) < 2:
            return None
        own = stats.mean([r.value for r in self.records if r.value is not None])
        return own.error * sqrt(own.n)

    @property
    def sampling(self) -> float | None:
        """The mean sampling error of one run."""
        errors = [r.error for r in self.records if r.error is not None]
        return sum(errors) / len(errors) if errors else None

    @property
    def bracket(self) -> tuple[float, float] | None:
        ends = [(r.low, r.high) for r in self.records if r.low is not None and r.high is not None]
        return (min(low for low, _ in ends), max(high for _, high in ends)) if ends else None

    @property
    def text(self) -> tuple[str, str]:
        """The mean and the half-width as printed; the latter empty where one seed has no interval."""
        if self.mean is None:
            return "", ""
        value, half = number(self.mean.value, self.half)
        return value, half if self.half is not None else ""

    @property
    def small(self) -> str:
        said = [f"σ {rough(self.spread)}"] if self.spread is not None else []
        said += [f"ε {rough(self.sampling)}"] if self.sampling is not None else []
        return " · ".join(said)

    @property
    def told(self) -> str:
        """Everything that the cell rests on, in words."""
        runs = len(self.records)
        said = [f"mean of {runs} run{'' if runs == 1 else 's'}"]
        said += [f"95 % interval over seeds ± {self.text[1]}"] if self.half is not None else ["one run has no interval"]
        said += [f"standard deviation over seeds {self.spread:.3g}"] if self.spread is not None else []
        said += [f"mean sampling error of a run {self.sampling:.3g}"] if self.sampling is not None else []
        said += [f"bracket {self.bracket[0]:.4g} to {self.bracket[1]:.4g}"] if self.bracket else []
        tests = [r.reject for r in self.records if r.reject is not None]
        said += [f"rejected in {sum(tests)} of {len(tests)}"] if tests else []
        said += [f"n {spanned(r.n for r in self.records)}"]
        return "; ".join([*said, *([self.lost] if self.lost else []), *unique(r.why for r in self.records)])


@dataclass
class Row:
    model: str
    reference: bool
    cells: list[Cell]
    costs: list[str]
    family: str = ""


@dataclass
class Table:
    task: str
    columns: list[Column]
    rows: list[Row]
    absent: list[tuple[str, str]]
    costs: tuple[str, ...] = tuple(label for label, _ in COSTS.values())

    @property
    def groups(self) -> list[tuple[str, list[Row]]]:
        """The references, then family by family."""
        return [(family, list(rows)) for (_, family), rows in groupby(self.rows, lambda r: (r.reference, r.family))]

    @property
    def families(self) -> bool:
        return any(row.family for row in self.rows)

    def cell(self, model: str, key: str) -> Cell | None:
        return next((c for row in self.rows if row.model == model for c in row.cells if c.column.key == key), None)


@dataclass
class Asked:
    model: str
    family: str
    marks: list[tuple[int, str]]


@dataclass
class Matrix:
    """Which models could be scored by which metrics: on how many tasks, and why not on the others."""

    metrics: list[str]
    rows: list[Asked]


def matrix(tables: Sequence[Table]) -> Matrix:
    metrics = list(dict.fromkeys(c.metric for table in tables for c in table.columns))
    rows: dict[str, Asked] = {}
    for row in (row for table in tables for row in table.rows if not row.reference):
        asked = rows.setdefault(row.model, Asked(row.model, row.family, [(0, "")] * len(metrics)))
        for i, metric in enumerate(metrics):
            cells = [c for c in row.cells if c.column.metric == metric]
            count, why = asked.marks[i]
            reasons = "; ".join(unique([why, *(c.why for c in cells)]))
            asked.marks[i] = (count + any(c.mean is not None for c in cells), reasons)
    return Matrix(metrics, list(rows.values()))


def family(ref: str) -> str:
    """The folder that holds a model's file; of a package of one file, the package."""
    package, _, module = ref.partition(":")[0].rpartition(".")
    return package.rpartition(".")[2] or module


def final(result: Result) -> list[Record]:
    return [s for s in result.scores if s.at == 1 and s.split == "test"]


def missing(runs: Sequence[Result], key: str) -> str:
    """Why a model has no number: the fate of its runs, or what the metric said."""
    if not runs:
        return "not run"
    fates = Counter(r.run.status for r in runs if r.run.status != "ok")
    said = [f"{fate} {count} of {len(runs)}" for fate, count in sorted(fates.items())]
    said += unique(s.why for r in runs for s in final(r) if s.key == key and s.value is None)
    return "; ".join(said) or "not scored"


def make_column(key: str, records: Sequence[Record]) -> Column:
    first = next((r for r in records if r.value is not None), records[0])
    versions = {r.version for r in records if r.value is not None}
    unit = first.unit if len(versions) < 2 else f"versions {', '.join(sorted(versions))} do not compare"
    n = spanned(r.n for r in records)
    return Column(key, first.metric, options(first.options), first.better, unit, n, len(versions) < 2)


def make_table(task: str, models: Sequence[str], metrics: Sequence[str], results: Sequence[Result]) -> Table:
    """The table of one task. A metric that no model could be scored by is no column but a line of `absent`."""
    runs = {model: [r for r in results if (r.task, r.model) == (task, model)] for model in models}
    by_key: dict[str, list[Record]] = {}
    for record in (s for rs in runs.values() for r in rs for s in final(r) if s.metric in metrics):
        by_key.setdefault(record.key, []).append(record)
    keys = sorted(by_key, key=lambda key: (metrics.index(by_key[key][0].metric), key))
    empty = [key for key in keys if all(r.value is None for r in by_key[key])]
    columns = [make_column(key, by_key[key]) for key in keys if key not in empty]
    families = {r.model: family(r.run.asked.model_ref) for r in results if r.model not in REFERENCES}
    rank = {name: i for i, name in enumerate(dict.fromkeys(families.get(m, "") for m in models if m not in REFERENCES))}
    order = [m for m in REFERENCES if m in models]
    order += sorted((m for m in models if m not in REFERENCES), key=lambda m: rank[families.get(m, "")])
    rows = [
        Row(m, m in REFERENCES, [make_cell(m, c, runs[m]) for c in columns], costs(runs[m]), families.get(m, ""))
        for m in order
    ]
    emphasise(columns, rows)
    return Table(task, columns, rows, [(key, "; ".join(unique(r.why for r in by_key[key]))) for key in empty])


def make_cell(model: str, column: Column, runs: Sequence[Result]) -> Cell:
    records = [s for r in runs for s in final(r) if s.key == column.key and s.value is not None]
    if not records:
        return Cell(model, column, why=missing(runs, column.key))
    mean = stats.mean([r.value for r in records if r.value is not None])
    return Cell(model, column, records, mean, lost=missing(runs, column.key) if len(records) < len(runs) else "")


def costs(runs: Sequence[Result]) -> list[str]:
    """The mean bill of the runs that ended well; empty where a run's was not counted."""
    bills = [[r.run.cost.get(name) for r in runs if r.run.status == "ok"] for name in COSTS]
    said = []
    for bill, (_, scale) in zip(bills, COSTS.values(), strict=True):
        known = [b / scale for b in bill if b is not None]
        mean = sum(known) / len(known) if known and len(known) == len(bill) else None
        places = 0 if mean is None or mean == int(mean) else min(decimals(mean, 3) or 0, 3)
        said.append("" if mean is None else f"{mean:,.{places}f}")
    return said


def emphasise(columns: Sequence[Column], rows: Sequence[Row]) -> None:
    """Give each cell its interval, and mark the models that no other beats.

    The references do not compete, nor does a model that lost runs, for its survivors flatter it, nor one of fewer
    than three. Where no model of a column falls behind, emphasis would say nothing and none is given.
    """
    for i, column in enumerate(columns):
        cells = [row.cells[i] for row in rows if not row.reference and row.cells[i].mean]
        for cell, mean in zip(cells, stats.moderated([c.mean for c in cells if c.mean]), strict=True):
            cell.mean = mean
        arms = {c.model: -c.mean if column.better == "lower" else c.mean for c in cells if c.mean and c.mean.df > 0}
        entered = {c.model: c for c in cells if c.model in arms and not c.lost and len(c.records) > 2}
        if column.sound and column.better in ("lower", "higher") and len(entered) > 1:
            best = stats.unbeaten({model: arms[model] for model in entered})
            for model, cell in entered.items():
                cell.best = model in best and len(best) < len(entered)

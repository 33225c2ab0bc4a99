"""Two sets of runs side by side: every score that either has, and what lies between the two."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from genbench import stats
from genbench.errors import BadInput
from genbench.record import Result, read_records, write_whole
from genbench.report import refuse_twins
from genbench.report.page import environment, markdown
from genbench.report.tables import REFERENCES, Cell, Column, make_table
from genbench.report.words import number
from genbench.stats import Student


@dataclass
class Pair:
    """One model's score on the left and on the right; either may be missing."""

    model: str
    column: Column
    left: Cell | None
    right: Cell | None

    @property
    def why(self) -> str:
        """Why the two do not compare, where they do not."""
        if not (self.left and self.right and self.left.mean and self.right.mean):
            return "one side has no score"
        protocols = [{(r.version, r.n) for r in cell.records} for cell in (self.left, self.right)]
        versions, ns = (["/".join(sorted({str(p[i]) for p in side})) for side in protocols] for i in (0, 1))
        if versions[0] != versions[1]:
            return f"version {versions[0]} against {versions[1]}"
        if ns[0] != ns[1] and all(len(side) == 1 for side in protocols):
            return f"n {ns[0]} against {ns[1]}"
        return ""

    @property
    def difference(self) -> Student | None:
        """Right less left (Welch's), where the two compare."""
        if self.why or not (self.left and self.right and self.left.mean and self.right.mean):
            return None
        return self.right.mean - self.left.mean

    @property
    def gap(self) -> str:
        """The difference with its 95 % interval."""
        if (gap := self.difference) is None:
            return ""
        value, half = number(gap.value, gap.half if isfinite(gap.half) else None)
        return f"{value} ± {half}" if isfinite(gap.half) else value

    @property
    def way(self) -> str:
        """Better or worse where the interval of this one difference leaves zero out."""
        gap = self.difference
        if gap is None or self.column.better == "neither":
            return ""
        gap = -gap if self.column.better == "lower" else gap
        return "better" if gap.above(0) <= stats.TAIL else "worse" if (-gap).above(0) <= stats.TAIL else ""


@dataclass
class Together:
    """One task: a line for each model and metric that either side has."""

    task: str
    pairs: list[Pair]


def together(left: Sequence[Result], right: Sequence[Result]) -> list[Together]:
    everything = [*left, *right]
    names = {kind: list(dict.fromkeys(getattr(r, kind) for r in everything)) for kind in ("task", "model")}
    metrics = list(dict.fromkeys(s.metric for r in everything for s in r.scores))
    order = [m for m in REFERENCES if m in names["model"]] + [m for m in names["model"] if m not in REFERENCES]
    made = []
    for task in names["task"]:
        tables = [make_table(task, order, metrics, side) for side in (left, right)]
        columns = {column.key: column for table in tables[::-1] for column in table.columns}
        pairs = [
            Pair(model, column, *(table.cell(model, key) for table in tables))
            for key, column in columns.items()
            for model in order
        ]
        made.append(Together(task, [p for p in pairs if (p.left and p.left.mean) or (p.right and p.right.mean)]))
    return made


def side_by_side(left: Path, right: Path, out: Path) -> Path:
    """Write the page of two pages, each a folder or its records.jsonl, and return it. BadInput where one is empty."""
    sides = []
    for place in (left, right):
        file = place / "records.jsonl" if place.is_dir() else place
        if not (results := read_records(file, file.parent)):
            raise BadInput(
                f"{file} tells of no run; give two pages that do, as in `--compare reports/quick other/quick`"
            )
        refuse_twins(results)
        sides.append(results)
    drawn = [{path.stem: path for path in sorted(place.glob("figures/samples-*.png"))} for place in (left, right)]
    shared = sorted(set(drawn[0]) & set(drawn[1]))
    facts = {
        "names": [str(left), str(right)], "runs": [len(side) for side in sides], "tasks": together(*sides),
        "sheets": [(name.removeprefix("samples-"), [inside(side[name]) for side in drawn]) for name in shared],
    }  # fmt: skip
    for name, escape in (("index.html", None), ("README.md", markdown)):
        text = environment(escape).get_template(f"beside-{name}").render(facts)
        write_whole(out / name, text)
    return out / "index.html"


def inside(png: Path) -> str:
    return f"data:image/png;base64,{b64encode(png.read_bytes()).decode()}"

"""What papers printed, beside ours. Protocols differ, so it is the order of the models that compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from genbench.report.tables import Cell, Column, Table
from genbench.stats import TAIL, Student

if TYPE_CHECKING:
    from genbench.bench import Published


@dataclass(frozen=True)
class Beside:
    """One printed table: its models in the printed order, best first, each with our cell where there is one."""

    name: str
    published: Published
    column: Column | None
    rows: Sequence[tuple[str, str, Cell | None]]

    @property
    def order(self) -> str:
        """How many of the pairs that are printed apart stand in the same order here."""
        both = [(printed(text), cell.mean) for _, text, cell in self.rows if cell and cell.mean]
        pairs = [(a, b) for (x, a), (y, b) in combinations(both, 2) if x != y]  # a is the better in print
        lower = self.column is not None and self.column.better == "lower"
        same, other = (sum(surely(*pair, lower=way) for pair in pairs) for way in (lower, not lower))
        return (
            f"Of {len(pairs)} pairs of models that are printed apart, {same} stand in the same order here and {other} "
            f"in the other, beyond the 95 % interval of their difference; the rest are too close to tell."
        )


def printed(text: str) -> float:
    """The value of what is printed as `value ± error`."""
    return float(text.split()[0])


def surely(a: Student, b: Student, lower: bool) -> bool:
    """Whether a is better than b beyond the 95 % interval of their difference."""
    return (b - a if lower else a - b).above(0) <= TAIL


def held_against(published: Mapping[str, Published], tables: Sequence[Table]) -> list[Beside]:
    """Every printed table with the scores of ours."""
    made = []
    for name, theirs in published.items():
        table = next((t for t in tables if t.task == theirs.task), None)
        column = next((c for c in table.columns if c.metric == theirs.metric), None) if table else None
        best_first = sorted(theirs.values.items(), key=lambda item: printed(item[1]))
        if column and column.better == "higher":
            best_first.reverse()
        rows = [
            (model, text, table.cell(model, column.key) if table and column else None) for model, text in best_first
        ]
        made.append(Beside(name, theirs, column, rows))
    return made

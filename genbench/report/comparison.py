"""A comparison for the eye, for a pull request, and for other programs. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from math import isfinite
from typing import Any

from genbench.compare import Comparison
from genbench.compare.verdict import LEVEL, Change
from genbench.report.page import markdown, minus
from genbench.report.tables import ARROWS
from genbench.report.words import number, rough

HEADS = ("", "task", "model", "metric", "old", "new", "change", "ε", "why")
RIGHT = ("old", "new", "change", "ε")
GATED = {"worse": "broken", "better": "kept", "same": "kept", "cannot tell": "cannot tell"}
LEGEND = (
    "Change: new − old, ± half of its 95 % interval over seeds; ε: the sampling error of one run. "
    f"Worse or better: beyond the seeds, at {LEVEL:.0%} for the whole table (Holm), and larger than ε. "
    "Same: known to lie within the margin."
)


def score(value: float, scale: float | None = None) -> str:
    return minus(number(value, scale)[0]) if isfinite(value) else "–"


def cells(change: Change, words: dict[str, str] | None = None) -> list[str]:
    gap, verdict = change.gap, str(change.verdict)
    by = f" ({gap.value / abs(change.old.value):+.0%})" if change.old.value and isfinite(gap.value) else ""
    half = f" ± {number(gap.value, gap.half)[1]}" if isfinite(gap.half) else ""
    name = f"{change.metric.partition('[')[0]} {ARROWS[change.better]}" if words is None else change.metric
    return [
        (words or {}).get(verdict, verdict), change.task, change.model, name,
        score(change.old.value), score(change.new.value), score(gap.value, gap.half) + half + minus(by),
        rough(change.rows) if isfinite(change.rows) and change.rows else "", change.why,
    ]  # fmt: skip


def summary(found: Comparison) -> str:
    counts = ", ".join(f"{count} {verdict}" for verdict, count in found.counts.items())
    broken = sum(gate.verdict == "worse" for gate in found.gates)
    gates = f"; {broken} of {len(found.gates)} gates broken" if found.gates else ""
    return f"{len(found.changes)} scores compared: {counts}{gates}"


def beside(found: Comparison) -> list[str]:
    return [*(f"refused: {reason}" for reason in found.refused), *(f"note: {note}" for note in found.notes)]


def told(found: Comparison) -> list[list[str]]:
    """The rows that say something, worst first: the gates, then all changes but what is the same."""
    return [cells(g, GATED) for g in found.gates] + [cells(c) for c in found.changes if c.verdict != "same"]


def as_text(found: Comparison) -> str:
    """The table in lines of any length, and all that belongs to it."""
    rows = [list(HEADS), *told(found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    ways = [str.rjust if head in RIGHT else str.ljust for head in HEADS]
    aligned = ["  ".join(way(*cell) for way, cell in zip(ways, zip(row, widths, strict=True), strict=True)).rstrip()
               for row in rows]  # fmt: skip
    table = ["\n".join(aligned), "", LEGEND, ""] if len(rows) > 1 else []
    return "\n".join([*table, *beside(found), summary(found)])


def line(row: Sequence[str], escape: Callable[[str], str] = markdown) -> str:
    return f"| {' | '.join(map(escape, row))} |\n"


def as_markdown(found: Comparison) -> str:
    """A comment for a pull request: what got worse in sight, what nobody can tell folded away."""
    rows = told(found)
    open_ = [row for row in rows if row[0] != "cannot tell"]
    folded = [row for row in rows if row[0] == "cannot tell"]
    head = line(HEADS, str) + line(["--:" if name in RIGHT else ":--" for name in HEADS], str)
    text = f"**{markdown(summary(found))}**\n"
    text += "\n" + head + "".join(map(line, open_)) if open_ else ""
    if folded:
        few = f"{len(folded)} cannot be told from noise"
        text += f"\n<details><summary>{few}</summary>\n\n{head}{''.join(map(line, folded))}\n</details>\n"
    text += "".join(f"\n- {markdown(said)}" for said in beside(found)) + "\n" if beside(found) else ""
    return text + (f"\n<sub>{markdown(LEGEND)}</sub>\n" if rows else "")


def as_json(found: Comparison) -> str:
    """Everything, numbers in full; what is not finite is null."""

    def plain(thing: Any) -> Any:
        if isinstance(thing, dict):
            return {key: plain(value) for key, value in thing.items()}
        if isinstance(thing, list):
            return [plain(item) for item in thing]
        return None if isinstance(thing, float) and not isfinite(thing) else thing

    def said(change: Change) -> dict[str, Any]:
        ends = {"low": change.gap.low, "high": change.gap.high}
        return {**asdict(change), "gap": {**asdict(change.gap), **ends}}

    facts = {"level": LEVEL, "tests": found.tests, "counts": found.counts, "refused": found.refused,
             "notes": found.notes, "changes": [said(c) for c in found.changes],
             "gates": [said(g) for g in found.gates]}  # fmt: skip
    return json.dumps(plain(facts), indent=1, allow_nan=False, ensure_ascii=False)

"""Scores of two sets of samples, for the eye and for other programs. Imports no torch."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from genbench.record import Record
from genbench.report.tables import ARROWS
from genbench.report.words import number

if TYPE_CHECKING:
    from genbench.score import Scored

PLAIN = 10_000  # characters: wide enough that nothing is ever wrapped in a pipe


def console(stderr: bool = False) -> Console:
    """Rich on a terminal, plain lines of any length elsewhere."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PLAIN
    return Console(stderr=stderr, width=width, markup=False, highlight=False, emoji=False, soft_wrap=False)


@contextmanager
def watching() -> Iterator[Callable[[str, float], None]]:
    """A bar on stderr while work goes on, and nothing of it left behind; silent off a terminal."""
    columns = (TextColumn("{task.description:<28}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda doing, part: bar.update(task, description=doing, completed=part)


def objects(found: Scored) -> str:
    """A flat JSON object a score."""
    counts = {"n_real": len(found.real.x), "n_fake": len(found.fake.x)}
    rows = [
        {
            "name": r.metric, "value": r.value, "error": r.error, "n": r.n, "low": r.low, "high": r.high,
            "pvalue": r.pvalue, "reject": r.reject, "better": r.better, "unit": r.unit,
            "space": r.options.get("space", ""), "version": r.version, "note": r.why,
            "options": {key: value for key, value in r.options.items() if key != "space"}, **counts,
        }
        for r in found.records
    ]  # fmt: skip
    return json.dumps(rows, indent=1, allow_nan=False)


def remark(r: Record) -> str:
    """What stands beside a value: its bracket or bound, its test, its note."""
    ends = ["−∞" if r.low is None else number(r.low)[0], "∞" if r.high is None else number(r.high)[0]]
    parts = [
        f"in [{', '.join(ends)}]" if (r.low, r.high) != (None, None) else "",
        "" if r.pvalue is None else f"p = {r.pvalue:.2g}" + (", rejected" if r.reject else ""),
        r.why,
    ]
    return "; ".join(part for part in parts if part)


def table(records: list[Record], plain: bool) -> Table:
    made = Table(box=None if plain else SIMPLE_HEAD, pad_edge=False)
    for head in ("metric", "value", "error", "n", "", "unit", "note"):
        made.add_column(head, justify="right" if head in ("value", "error", "n") else "left", no_wrap=head != "note")
    for r in records:
        value, error = number(r.value if r.value is not None else 0.0, r.error)
        made.add_row(
            r.metric, value, error if r.error else "", str(r.n), ARROWS.get(r.better, ""), r.unit, remark(r)
        )  # fmt: skip
    return made


def lines(found: Scored) -> tuple[list[str], list[str], list[str]]:
    """What was compared, what is doubtful, and what could not be scored."""
    sides = []
    for role, side in (("REAL", found.real), ("FAKE", found.fake)):
        shape = "x".join(map(str, side.x.shape[1:]))
        sides.append(f"{role}  {side.name}: {len(side.x)} rows of {shape}" + (f" ({side.told})" if side.told else ""))
    unscored = defaultdict(list)
    for name, reason in found.reasons.items():
        unscored[reason].append(name)
    reasons = [f"{', '.join(names)} ({reason})" for reason, names in unscored.items()]
    return (
        sides,
        [f"warning: {doubt}" for doubt in found.doubts],
        [f"not scored: {'; '.join(reasons)}"] if reasons else [],
    )


def show(found: Scored, as_json: bool) -> None:
    """A table and what belongs to it; with `as_json` stdout is JSON alone and the words go to stderr."""
    words, doubts, unscored = lines(found)
    beside = console(stderr=as_json)
    for line in words:
        beside.print(line)
    for line in doubts:
        beside.print(line, style="yellow")
    if as_json:
        print(objects(found))
    else:
        beside.print()
        beside.print(table(found.records, not sys.stdout.isatty()))
        raw = found.space == "pixels" and found.real.x.ndim == 4
        caution = ", where distances are not perceptual: `genbench list spaces` names others" if raw else ""
        beside.print(f"\nspace {found.space}{caution}; ↓ lower is better, ↑ higher; one standard error", style="dim")
    for line in unscored:
        beside.print(line, style="dim")

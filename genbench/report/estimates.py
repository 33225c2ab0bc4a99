"""Figures of estimators: what their bounds leave open against the draws, and how what is nothing falls with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from genbench.record import Result
from genbench.report.figure import Figure
from genbench.report.sheets import entrants, kept
from genbench.report.tables import Table


def brackets(table: Table, runs: Sequence[Result]) -> Figure | None:
    """The mean value of each estimator and its mean bounds in units of the truth, a panel for each n and epsilon."""
    panels: dict[tuple[float, float], dict[str, Any]] = {}
    for model, run in entrants(table, runs):
        if not (found := kept(run, "Estimates", "far", "cells", "known")) or not found[2].size:
            continue
        far, cells, known = found
        if not (known[:, 1] > 0).all():
            continue
        said = far.mean(0) / known[:, 1:]
        said = np.where(np.isfinite(said), said, said[:, :1])  # an end that was not given is not drawn
        for cell in np.argsort(cells[:, 1]):
            n, draws, epsilon, _ = cells[cell]
            lines = panels.setdefault((n, epsilon), {})
            line = lines.setdefault(model, {"x": [], "y": [], "low": [], "high": []})
            for name, number in zip(line, (draws, *said[cell]), strict=True):
                line[name].append(float(number))
    made = [
        {"title": f"n = {n:,.0f}, epsilon = {epsilon:.3g}", "unit": "of the truth", "lines": {**lines, "truth": ONE}}
        for (n, epsilon), lines in sorted(panels.items())
        if max(len(line["x"]) for line in lines.values()) > 1
    ]
    return Figure(
        "brackets", table.task, "What is estimated, and what is proved",
        "The mean of each estimator's values against the draws a set, in units of the truth; where it gives bounds, a "
        "band between their means. First seed.",
        f"Estimates on {table.task} of {', '.join(dict.fromkeys(m for panel in made for m in panel['lines']))}.",
        {"panels": made, "label": "draws", "linear": 1, "bands": True},
    ) if made else None  # fmt: skip


ONE = {"y": 1.0}


def curse(table: Table, runs: Sequence[Result]) -> Figure | None:
    """The mean value between equal laws against the draws, on logarithmic axes: a line for each n."""
    panels = []
    sizes: set[float] = set()
    for model, run in entrants(table, runs):
        if not (found := kept(run, "Estimates", "null", "cells")):
            continue
        values, cells = found[0][..., 0].mean(0), found[1]
        lines: dict[float, Any] = {}
        for n in np.unique(cells[:, 0]):
            mine = np.flatnonzero(cells[:, 0] == n)
            mine = mine[np.argsort(cells[mine, 1])]
            lines[float(n)] = {"x": cells[mine, 1].tolist(), "y": values[mine].tolist()}
        if len(lines) < 2 or min(len(line["x"]) for line in lines.values()) < 2 or not (values > 0).all():
            continue
        sizes |= set(lines)
        guides = [
            {"x": line["x"], "y": (line["y"][0] * (np.array(line["x"]) / line["x"][0]) ** (-1 / n)).tolist()}
            for n, line in lines.items()
        ]
        named = {f"n = {n:,.0f}": line for n, line in lines.items()}
        panels.append({"title": model, "unit": "between equal laws", "lines": named, "log": True, "guides": guides})
    return Figure(
        "curse", table.task, "The curse of dimensionality",
        "What each estimator says of two sets of one law, in the mean, against the draws a set; a line for each number "
        "n of numbers a row. The dotted lines fall as draws^(-1/n). First seed.",
        f"Values between equal laws on {table.task}.",
        {"panels": panels, "label": "draws", "levels": [],
         "palette": {f"n = {n:,.0f}": i for i, n in enumerate(sorted(sizes))}},
    ) if panels else None  # fmt: skip


def trust(table: Table, runs: Sequence[Result]) -> Figure | None:
    """The least severity of each fault that each metric finds, as a chequered plan: metrics down, faults across."""
    columns = [c for c in table.columns if c.metric == "least_severity"]
    rows = {
        row.model: [cell.mean.value if cell and cell.mean else None for cell in cells]
        for row in table.rows
        if any(cells := [table.cell(row.model, c.key) for c in columns])
    }
    found = [c.options.removeprefix("fault ") for c in columns]
    return Figure(
        "trust", table.task, "Which metric finds what",
        "The least severity from which on each fault is found in every trial, where one in twenty would be by chance; "
        "mean over seeds. The darker, the less is enough; 1 where not even the worst is. Fewer rows are no fault.",
        f"Least severities found on {table.task} by {', '.join(rows)}.", {"rows": rows, "columns": found},
    ) if rows and columns else None  # fmt: skip

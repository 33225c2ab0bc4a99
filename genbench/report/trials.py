"""Figures of tests: what they find against the draws, and the draws that it takes against what theory says."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np

from genbench.record import Result
from genbench.report.figure import Figure
from genbench.report.sheets import entrants, kept
from genbench.report.tables import Table
from genbench.stats import crossings

LEVEL, GOAL = 0.05, 2 / 3


def grids(table: Table, runs: Sequence[Result]) -> dict[str, np.ndarray]:
    """n, draws, epsilon and the power (cells, 4) of each model."""
    found = {}
    for model, run in entrants(table, runs):
        if grid := kept(run, "PValues", "far", "cells"):
            found[model] = np.column_stack([grid[1][:, :3], (grid[0] <= LEVEL).mean(0)])
    return found


def powers(table: Table, runs: Sequence[Result]) -> Figure | None:
    """The power against the draws, a panel for each n and epsilon, where there are several draws."""
    panels: dict[tuple[float, float], dict[str, Any]] = {}
    for model, grid in grids(table, runs).items():
        for n, draws, epsilon, power in grid[np.argsort(grid[:, 1])].tolist():
            lines = panels.setdefault((n, epsilon), {})
            line = lines.setdefault(model, {"x": [], "y": []})
            line["x"].append(draws)
            line["y"].append(power)
    made = [
        {"title": f"n = {n:,.0f}, epsilon = {epsilon:.3g}", "unit": "power at 5 %", "lines": lines}
        for (n, epsilon), lines in sorted(panels.items())
        if max(len(line["x"]) for line in lines.values()) > 1
    ]
    return Figure(
        "powers", table.task, "Power",
        "The share of trials in which each test finds the rival law, against the draws that it is shown; the dotted "
        "lines are its level, 5 %, and 2/3. First seed.",
        f"Power on {table.task} of {', '.join(dict.fromkeys(m for panel in made for m in panel['lines']))}.",
        {"panels": made, "label": "draws", "levels": [LEVEL, GOAL]},
    ) if made else None  # fmt: skip


def complexity(table: Table, runs: Sequence[Result]) -> Figure | None:
    """The draws at which the power passes 2/3, against sqrt(n) / epsilon^2, on logarithmic axes."""
    lines = {}
    for model, grid in grids(table, runs).items():
        found = crossings(grid[:, :3].tolist(), grid[:, 3].clip(1e-3, 1 - 1e-3).tolist(), GOAL)
        if len(found) > 2:
            points = sorted((sqrt(n) / epsilon**2, draws) for (n, epsilon), draws in found.items())
            lines[model] = {"x": [x for x, _ in points], "y": [y for _, y in points]}
    panel = {"title": "draws for a power of 2/3", "unit": "draws", "lines": lines, "log": True}
    return Figure(
        "complexity", table.task, "Draws that it takes",
        "The draws at which each test finds the rival law in two trials of three, against sqrt(n) / epsilon², a point "
        "for each n and epsilon; the dotted line is y = x. First seed.",
        f"Draws that it takes on {table.task} by {', '.join(lines)}.",
        {"panels": [panel], "label": "sqrt(n) / epsilon²", "levels": []},
    ) if lines else None  # fmt: skip

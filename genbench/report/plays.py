"""Figures of games: the field that draws the players, and where each of them went."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from genbench.record import Result
from genbench.report.figure import Figure
from genbench.report.sheets import entrants, kept
from genbench.report.tables import Table

GAMMA = 0.6  # of the relaxation in the mixture, as consensus plays it
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 0.75**0.5]])  # of the triangle of three moves


def fields(table: Table, runs: Sequence[Result]) -> Figure | None:
    """Where two players who have a number each are headed: alone, relaxed, and both at once."""
    for _, run in entrants(table, runs):
        if grid := plane(run):
            points, ahead, relaxed = grid
            panels = {
                "v: each its own descent": ahead,
                "−∇L, L = ½|v|²: the relaxation": relaxed,
                f"v − {GAMMA} ∇L: consensus": ahead + GAMMA * relaxed,
            }
            return Figure(
                "fields", table.task, "Vector fields",
                "The move that is made from each pair of moves, the first player's across and the second's up; each "
                "arrow in its direction, coloured by its length.",
                f"Vector fields on {table.task}: {', '.join(panels)}.", {"points": points, "panels": panels},
            )  # fmt: skip
    return None


def paths(table: Table, runs: Sequence[Result]) -> Figure | None:
    """The first moves of every player's first run, in the plane, or in the triangle of three mixed moves."""
    shown: dict[str, np.ndarray] = {}
    window: list[float] | None = None
    goals = np.empty((0, 2))
    for model, run in entrants(table, runs):
        if not (found := kept(run, "Path", "points", "equilibria")):
            continue
        grid, (points, known) = plane(run), found
        if grid:
            window = [*grid[0].min(0).tolist(), *grid[0].max(0).tolist()]
        elif points.shape[1] == 6:  # three moves each: the first player's
            points, known = (x[:, :3] @ CORNERS for x in (points, known))
        else:
            continue
        goals = known if known.size else goals
        if model != "truth":
            shown[model] = points
    if not shown:
        return None
    where = "the plane of both moves" if window else "the triangle of the first player's three moves"
    return Figure(
        "paths", table.task, "Paths",
        f"The first moves of each in {where}, from the ring on; first seed. Stars are equilibria.",
        f"Paths on {table.task} of {', '.join(shown)}.", {"paths": shown, "window": window, "goals": goals},
    )  # fmt: skip


def plane(run: Result) -> list[np.ndarray]:
    """The grid's points and both fields there; nothing where the game is not played in a plane."""
    grid = kept(run, "Field", "points", "ahead", "relaxed")
    return grid if grid and grid[0].size else []

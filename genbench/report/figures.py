"""Every figure of a task: how scores move with the budget, the time and the bits spent, and the sheets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from genbench.record import Result, read_lines
from genbench.report.figure import Figure
from genbench.report.sheets import codes, entrants, filters, manifolds, reconstructions, sheets
from genbench.report.tables import REFERENCES, Table
from genbench.report.trials import complexity, powers

TRACE = 200  # points of a trace


def figures(table: Table, results: Sequence[Result], palette: dict[str, int]) -> list[Figure]:
    """Every figure of a task that has something to show. `palette` gives each model its colour on the whole page."""
    runs = [r for r in results if r.task == table.task]
    kinds = (curves, costs, sheets, reconstructions, rates, codes, manifolds, filters, complexity, powers, traces)
    made = [kind(table, runs) for kind in kinds]
    return [replace(figure, data={**figure.data, "palette": palette}) for figure in made if figure]


def panels(table: Table) -> list[dict[str, Any]]:
    return [
        {"key": c.key, "title": f"{c.metric} {c.arrow}".strip(), "unit": c.unit, "lines": {}}
        for c in table.columns
        if c.better != "neither" and c.sound
    ]


def curves(table: Table, runs: Sequence[Result]) -> Figure | None:
    """Each metric against the share of the budget; the final test score ends a line where its n is the same."""
    made = panels(table)
    for panel in made:
        found: dict[str, dict[float, list[float]]] = {}
        scores = [(r.model, s) for r in runs for s in r.scores if s.key == panel["key"] and s.value is not None]
        ns = {(s.split, s.n) for _, s in scores}
        joined = len({n for _, n in ns}) == 1
        for model, s in scores:
            if s.split == "valid" or (joined and s.at == 1):
                found.setdefault(model, {}).setdefault(s.at, []).append(s.value or 0.0)
        for model, points in found.items():
            at = sorted(points)
            spans = [(sum(v) / len(v), min(v), max(v)) for v in (points[a] for a in at)]
            panel["lines"][model] = {"x": at, **dict(zip(("y", "low", "high"), zip(*spans, strict=True), strict=True))}
    made = [p for p in made if any(len(line["x"]) > 1 for m, line in p["lines"].items() if m not in REFERENCES)]
    return _figure(
        "curves", table, "Learning curves", made,
        "Each score against the share of the budget spent, on validation rows; where a line reaches 100 % its last "
        "point is on test rows of the same n. Lines are means over seeds, bands their range.",
    )  # fmt: skip


def costs(table: Table, runs: Sequence[Result]) -> Figure | None:
    """Each metric against training seconds."""
    made = panels(table)
    seconds: dict[str, list[float]] = {}
    for r in runs:
        if r.run.status == "ok" and r.run.cost.get("examples") and (spent := r.run.cost.get("seconds")):
            seconds.setdefault(r.model, []).append(spent)
    for panel in made:
        for row in table.rows:
            cell = table.cell(row.model, panel["key"])
            if cell and cell.mean and (row.reference or row.model in seconds):
                bill = seconds.get(row.model, [0.0])
                x = sum(bill) / len(bill)
                panel["lines"][row.model] = {"x": x, "y": cell.mean.value, "half": cell.half or 0.0}
    made = [p for p in made if set(p["lines"]) - set(REFERENCES)]
    return _figure(
        "costs", table, "Quality against cost", made,
        "Each final score against the seconds of training that it took; bars are 95 % intervals over seeds.",
    )  # fmt: skip


def rates(table: Table, runs: Sequence[Result]) -> Figure | None:
    """What is lost against the bits that are sent; a line joins the models that differ in their options alone."""
    points: dict[str, dict[str, float]] = {}
    paths: dict[str, list[str]] = {}
    for model, run in entrants(table, runs):
        rate, lost = (table.cell(model, metric) for metric in ("rate", "distortion"))
        if rate and lost and rate.mean and lost.mean:
            points[model] = {"x": rate.mean.value, "y": lost.mean.value, "half": lost.half or 0.0}
            paths.setdefault(run.run.asked.model_ref, []).append(model)
    if not points:
        return None
    joined = [sorted(models, key=lambda m: points[m]["x"]) for models in paths.values()]
    panel = {"key": "distortion", "title": "distortion ↓", "unit": "squared error per number", "lines": points}
    return Figure(
        "rates", table.task, "Distortion against rate",
        "The error of rows decoded from codes sent in few bits; a line joins models that differ in their options "
        "alone. Bars are 95 % intervals over seeds.",
        f"Distortion against rate on {table.task} of {', '.join(points)}.",
        {"panels": [{**panel, "paths": [path for path in joined if len(path) > 1]}], "label": "bits per number"},
    )  # fmt: skip


def _figure(kind: str, table: Table, title: str, made: list[dict[str, Any]], caption: str) -> Figure | None:
    if not made:
        return None
    names = ", ".join(p["title"] for p in made)
    models = ", ".join(dict.fromkeys(m for p in made for m in p["lines"]))
    return Figure(kind, table.task, title, caption, f"{title} on {table.task}: {names}, of {models}.", {"panels": made})


def traces(table: Table, runs: Sequence[Result]) -> Figure | None:
    """Each player's loss along the first run of each model that kept a trace."""
    shown: dict[str, dict[str, Any]] = {}
    for row in table.rows:
        mine = sorted((r for r in runs if r.model == row.model), key=lambda r: r.run.asked.seed)
        kept = next((r for r in mine if (r.folder / "trace.jsonl").exists()), None)
        if kept and (lines := dict(_losses(kept.folder / "trace.jsonl", kept.run.asked.examples))):
            shown[row.model] = lines
    caption = "Each player's loss, averaged over short stretches, against the share of the budget; first seed."
    alt = f"Losses on {table.task} of {', '.join(shown)}."
    return Figure("traces", table.task, "Losses", caption, alt, {"losses": shown}) if shown else None


def _losses(path: Path, examples: int) -> Iterator[tuple[str, dict[str, list[float]]]]:
    by_player: dict[str, list[tuple[float, float]]] = {}
    for line in read_lines(path):
        if line["loss"] is not None:
            by_player.setdefault(line["player"], []).append((line["examples"] / examples, line["loss"]))
    for player, points in by_player.items():
        xy = np.array(points)
        cuts = np.unique(np.linspace(0, len(xy), min(TRACE, len(xy)) + 1).astype(int))
        blocks = np.array([xy[a:b].mean(0) for a, b in pairwise(cuts)])
        yield player, {"x": blocks[:, 0].round(6).tolist(), "y": blocks[:, 1].tolist()}

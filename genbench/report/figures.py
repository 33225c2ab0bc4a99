"""Every figure of a task: how scores move with the budget, the time and the bits spent, and the sheets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from genbench.record import Result, read_lines
from genbench.report.estimates import brackets, curse, trust
from genbench.report.figure import Figure
from genbench.report.plays import fields, paths
from genbench.report.sheets import codes, entrants, filters, manifolds, nearest, reconstructions, sheets, walks
from genbench.report.tables import ARROWS, REFERENCES, Table
from genbench.report.trials import complexity, powers

TRACE = 200  # points of a trace
WORTH = 1.0  # seconds of training; less says nothing of a model
TASKS = 6  # fewer tell no ranks apart
MANY, LEADING = 12, 4  # lines that the eye can follow, and how many stand out where there are more


def figures(table: Table, results: Sequence[Result], palette: dict[str, int]) -> list[Figure]:
    """Every figure of a task that has something to show. `palette` gives each model its colour on the whole page."""
    runs = [r for r in results if r.task == table.task]
    kinds = (
        *(sheets, nearest, reconstructions, rates, codes, manifolds, walks, filters),
        *(complexity, powers, trust, brackets, curse, traces),
    )
    made = [fields(table, runs), paths(table, runs), curves(table, runs)]
    if any((r.run.cost.get("seconds") or 0) >= WORTH for r in runs):
        made += [*(curves(table, runs, spent) for spent in ("seconds", "flops")), costs(table, runs)]
    made += [kind(table, runs) for kind in kinds]
    return [replace(figure, data={"palette": palette, **figure.data}) for figure in made if figure]


def panels(table: Table) -> list[dict[str, Any]]:
    """One for each metric with a better direction; of several columns of one metric each with what tells it apart."""
    shown = [c for c in table.columns if c.better != "neither" and c.sound]
    made = []
    for c in shown:
        others = [set(o.options.split(", ")) for o in shown if o.metric == c.metric]
        own = [option for option in c.options.split(", ") if not all(option in other for other in others)]
        title = f"{c.metric} {c.arrow}\n{', '.join(own)}".strip()
        made.append({"key": c.key, "title": title, "unit": c.unit, "lower": c.better == "lower", "lines": {}})
    return made


SPENT = {"examples": ("training examples", 1.0), "seconds": ("seconds", 1.0), "flops": ("GFLOP", 1e9)}


def curves(table: Table, runs: Sequence[Result], spent: str = "examples") -> Figure | None:
    """Each metric against what was spent; the final test score ends a line where its n is the same."""
    made = panels(table)
    label, scale = SPENT[spent]
    for panel in made:
        found: dict[str, dict[float, list[tuple[float, float]]]] = {}
        scores = [(r, s) for r in runs for s in r.scores if s.key == panel["key"] and s.value is not None]
        joined = len({s.n for _, s in scores}) == 1
        for r, s in scores:
            x = 0.0 if r.model in REFERENCES else bill(r, s.at, spent)
            if x is not None and (s.split == "valid" or (joined and s.at == 1)):
                found.setdefault(r.model, {}).setdefault(s.at, []).append((x / scale, s.value or 0.0))
        for model, points in found.items():
            xs, ys = zip(*(zip(*points[at], strict=True) for at in sorted(points)), strict=True)
            panel["lines"][model] = {
                "x": [sum(x) / len(x) for x in xs], "y": [sum(y) / len(y) for y in ys],
                "low": [min(y) for y in ys], "high": [max(y) for y in ys],
            }  # fmt: skip
        panel["faint"] = behind(panel)
    made = [p for p in made if any(len(line["x"]) > 1 for m, line in p["lines"].items() if m not in REFERENCES)]
    crowd = f" Of many models, the {LEADING} that end best in a panel are in colour, with bands, the others grey."
    crowd = crowd if any(p["faint"] for p in made) else ""
    shared = "" if spent == "examples" else f" The {label} at a point are the run's own, in proportion to its examples."
    drawn = _figure(
        "curves" if spent == "examples" else f"curves-{spent}", table, f"Learning curves against {label}", made,
        f"Each score against the {label} spent, on validation rows; where a line reaches the whole budget its last "
        f"point is on test rows of the same n. Lines are means over seeds, bands their range.{crowd}{shared}",
    )  # fmt: skip
    return drawn and replace(drawn, data={**drawn.data, "label": label}, folded=spent != "examples")


def behind(panel: Mapping[str, Any]) -> list[str]:
    """The models of a panel that are drawn faint: none of a few, of many all but those that end best."""
    models = [m for m in panel["lines"] if m not in REFERENCES]
    order = sorted(models, key=lambda m: panel["lines"][m]["y"][-1], reverse=not panel["lower"])
    return order[LEADING:] if len(models) > MANY else []


def bill(result: Result, at: float, spent: str) -> float | None:
    """What a run had spent at a share of its budget; None where that was not counted."""
    examples, whole = result.run.cost.get("examples"), result.run.cost.get(spent)
    if not examples or whole is None:
        return None
    return whole * min(1.0, at * result.run.asked.examples / examples)


def costs(table: Table, runs: Sequence[Result]) -> Figure | None:
    """Each metric against training seconds, and the models that no other betters in both."""
    made = panels(table)
    seconds: dict[str, list[float]] = {}
    for r in runs:
        if r.run.status == "ok" and r.run.cost.get("examples") and (spent := r.run.cost.get("seconds")):
            seconds.setdefault(r.model, []).append(spent)
    for panel in made:
        for row in table.rows:
            cell = table.cell(row.model, panel["key"])
            if cell and cell.mean and (row.reference or row.model in seconds):
                own = seconds.get(row.model, [0.0])
                x = sum(own) / len(own)
                panel["lines"][row.model] = {"x": x, "y": cell.mean.value, "half": cell.half or 0.0}
        points = {m: (p["x"], p["y"]) for m, p in panel["lines"].items() if m not in REFERENCES}
        panel["front"] = front(points, lower=panel["lower"])
    made = [p for p in made if set(p["lines"]) - set(REFERENCES)]
    return _figure(
        "costs", table, "Quality against cost", made,
        "Each final score against the seconds of training that it took; bars are 95 % intervals over seeds. The line "
        "joins the Pareto front: the models that no other matches in both score and seconds.",
    )  # fmt: skip


def front(points: Mapping[str, tuple[float, float]], lower: bool) -> list[str]:
    """The names of the points (cost, score) that no other matches in both, cheapest first."""
    sign = 1 if lower else -1
    kept: list[str] = []
    best = inf
    for name, (_, score) in sorted(points.items(), key=lambda item: (item[1][0], sign * item[1][1], item[0])):
        if sign * score < best:
            kept.append(name)
            best = sign * score
    return kept


def ranks(tables: Sequence[Table], palette: dict[str, int]) -> Figure | None:
    """The mean rank of each model over the tasks, by every metric that scored the same models on six or more."""
    panels: dict[str, dict[str, Any]] = {}
    metrics = dict.fromkeys((c.metric, c.arrow) for t in tables for c in t.columns if c.better != "neither" and c.sound)
    for metric, arrow in metrics:
        scores: dict[str, dict[str, float]] = {}
        for table, column in ((t, c) for t in tables for c in t.columns if c.metric == metric):
            for row in (row for row in table.rows if not row.reference):
                if (cell := table.cell(row.model, column.key)) and cell.mean:
                    scores.setdefault(row.model, {})[table.task] = cell.mean.value
        tasks = [t.task for t in tables if any(t.task in own for own in scores.values())]
        whole = {model: [own[t] for t in tasks] for model, own in scores.items() if len(own) == len(tasks)}
        if len(tasks) >= TASKS and len(whole) > 2:
            panels[metric] = {"title": f"{metric} {arrow}", "lower": arrow == ARROWS["lower"], "scores": whole}
    return Figure(
        "ranks", "", "Ranks over the tasks",
        "The mean rank of each model over the tasks, 1 the best; a bar joins models that Nemenyi's test after "
        "Friedman's does not tell apart at 5 % (Demšar, 2006). Models that lack a task are left out.",
        f"Mean ranks by {', '.join(panels)}.", {"panels": list(panels.values()), "palette": palette},
    ) if panels else None  # fmt: skip


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
    names = ", ".join(p["title"].replace("\n", ", ") for p in made)
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

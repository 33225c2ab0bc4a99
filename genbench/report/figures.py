"""What the report draws, as data alone, so that a figure is drawn again only when what it shows has changed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from genbench.errors import BadInput
from genbench.record import Result, digest, read_lines
from genbench.report.tables import REFERENCES, Table, final

STYLE = sha256(Path(__file__).with_name("draw.py").read_bytes()).hexdigest()  # another way of drawing draws all anew
SHEET, STRIP, POINTS, TRACE = 64, 16, 1000, 200  # images of a sheet and of a strip, points of a plane and of a trace


def slug(name: str) -> str:
    """A file name that no task's name can lead out of the folder or make clash."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip(".")[:60]
    return plain if plain == name else f"{plain}-{digest(name, 6)}"


@dataclass(frozen=True)
class Figure:
    """One figure: `kind` says how it is drawn, `data` what."""

    kind: str
    task: str
    title: str
    caption: str
    alt: str
    data: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.kind}-{slug(self.task)}"

    @cached_property
    def fingerprint(self) -> str:
        def said(array: np.ndarray) -> str:
            return f"{array.dtype}{array.shape}{sha256(array.tobytes()).hexdigest()}"

        text = json.dumps([STYLE, self.kind, self.data], sort_keys=True, default=said)
        return sha256(text.encode()).hexdigest()[:16]


def figures(table: Table, results: Sequence[Result], palette: dict[str, int]) -> list[Figure]:
    """Every figure of a task that has something to show. `palette` gives each model its colour on the whole page."""
    runs = [r for r in results if r.task == table.task]
    kinds = (curves, costs, sheets, reconstructions, rates, codes, manifolds, filters, traces)
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
        if r.run.status == "ok" and (spent := r.run.cost.get("seconds")):
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


def entrants(table: Table, runs: Sequence[Result]) -> Iterator[tuple[str, Result]]:
    """The first scored run of each model, in the order of the table."""
    for row in table.rows:
        mine = sorted((r for r in runs if r.model == row.model and final(r)), key=lambda r: r.run.asked.seed)
        if mine:
            yield row.model, mine[0]


def kept(result: Result, kind: str, *names: str) -> list[np.ndarray]:
    """The first rows of tensors of a run's last evidence of a kind; nothing where it has none."""
    paths = sorted((result.folder / "evidence").glob(f"*/{kind}.safetensors"))
    if not paths:
        return []
    try:
        with safe_open(paths[-1], framework="np") as file:
            return [first(file.get_slice(name)) for name in names]
    except (SafetensorError, OSError) as error:
        raise BadInput(f"{paths[-1]}: not readable ({error}); delete the run's folder and run again") from None


def sheets(table: Table, runs: Sequence[Result]) -> Figure | None:
    """The first samples of each entrant's first run: images as grids, planes as points over the real rows."""
    shown: dict[str, np.ndarray] = {}
    real: np.ndarray | None = None
    seeds = set()
    for model, run in entrants(table, runs):
        if not (pair := kept(run, "Samples", "real", "fake")) or not drawable(pair[0]):
            continue
        pair = pair if pair[0].ndim == 2 else [_bytes(x) for x in pair]
        real = pair[0] if real is None else real
        seeds.add(run.run.asked.seed)
        if model not in ("noise", "thief"):
            shown[model] = pair[1]
    if real is None or not shown:
        return None
    if "truth" not in shown:
        shown = {"real rows": real, **shown}
    flat = real.ndim == 2
    what = "Samples in colour over real rows in grey" if flat else f"The first {SHEET} samples of each, unselected"
    return Figure(
        "samples", table.task, "Samples", f"{what}; seed {', '.join(map(str, sorted(seeds)))}.",
        f"Samples on {table.task} of {', '.join(shown)}.", {"sheets": shown, "real": real if flat else None},
    )  # fmt: skip


def drawable(x: np.ndarray) -> bool:
    return x.shape[1:] == (2,) or pictures(x)


def pictures(x: np.ndarray) -> bool:
    return x.ndim == 4 and x.shape[1] in (1, 3)


def reconstructions(table: Table, runs: Sequence[Result]) -> Figure | None:
    """The first held-out rows, and beneath them what each model's codes give back."""
    shown: dict[str, np.ndarray] = {}
    for model, run in entrants(table, runs):
        pair = kept(run, "Reconstructions", "real", "again")
        if pair and pictures(pair[0]):
            real, again = (_bytes(x[:STRIP]) for x in pair)
            shown = {"real rows": real, **shown, model: again}
    return Figure(
        "reconstructions", table.task, "Reconstructions",
        f"The first {STRIP} held-out rows, and what decode(encode(x)) makes of them; first seed.",
        f"Reconstructions on {table.task} by {', '.join(shown)}.", {"strips": shown},
    ) if shown else None  # fmt: skip


def codes(table: Table, runs: Sequence[Result]) -> Figure | None:
    """Codes of two numbers in their plane."""
    shown: dict[str, list[np.ndarray]] = {}
    for model, run in entrants(table, runs):
        pair = kept(run, "Codes", "codes", "labels")
        if pair and pair[0].shape[1:] == (2,):
            shown[model] = pair
    return Figure(
        "codes", table.task, "Codes in the plane",
        f"Codes of the first {POINTS} held-out rows at most, coloured by class, whose number stands at their median; "
        "the outermost few are cut off. First seed.",
        f"Codes on {table.task} by {', '.join(shown)}.", {"planes": shown},
    ) if shown else None  # fmt: skip


def manifolds(table: Table, runs: Sequence[Result]) -> Figure | None:
    """What a grid over the plane of codes is decoded to."""
    shown: dict[str, np.ndarray] = {}
    for model, run in entrants(table, runs):
        for rows in kept(run, "Grid", "rows"):
            if rows.ndim == 5 and len(rows) == rows.shape[1] and pictures(rows[0]):
                shown[model] = _bytes(rows.reshape(-1, *rows.shape[2:]))
    return Figure(
        "manifolds", table.task, "The plane of codes, decoded",
        "Rows decoded from a grid of codes of two numbers, at equal steps of the prior's distribution; first seed.",
        f"Decoded planes of codes on {table.task} of {', '.join(shown)}.", {"sheets": shown, "real": None},
    ) if shown else None  # fmt: skip


def filters(table: Table, runs: Sequence[Result]) -> Figure | None:
    """What units look for: white where a pixel speaks for them, black where against, each on its own scale."""
    shown: dict[str, np.ndarray] = {}
    for model, run in entrants(table, runs):
        for w in kept(run, "Filters", "filters"):
            if pictures(w):
                scale = np.abs(w).max((1, 2, 3), keepdims=True)
                shown[model] = _bytes(0.5 + 0.5 * w / np.where(scale > 0, scale, 1))
    return Figure(
        "filters", table.task, "Filters",
        f"The weights of the first {SHEET} units at most, each on its own scale: grey is 0. First seed.",
        f"Filters on {table.task} of {', '.join(shown)}.", {"sheets": shown, "real": None},
    ) if shown else None  # fmt: skip


def first(rows: Any) -> np.ndarray:
    """The first rows of a slice, which no more than those are read of."""
    shape = rows.get_shape()
    return np.asarray(rows[: min(POINTS if len(shape) < 3 else SHEET, shape[0])], np.float32)


def _bytes(images: np.ndarray) -> np.ndarray:
    return np.asarray(np.nan_to_num(images).clip(0, 1) * 255 + 0.5).astype(np.uint8)


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

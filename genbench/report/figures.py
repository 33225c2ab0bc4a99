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
SHEET, POINTS, TRACE = 64, 1000, 200  # images of a sheet, samples of a plane, points of a trace


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
    made = (curves(table, runs), costs(table, runs), sheets(table, runs), traces(table, runs))
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


def _figure(kind: str, table: Table, title: str, made: list[dict[str, Any]], caption: str) -> Figure | None:
    if not made:
        return None
    names = ", ".join(p["title"] for p in made)
    models = ", ".join(dict.fromkeys(m for p in made for m in p["lines"]))
    return Figure(kind, table.task, title, caption, f"{title} on {table.task}: {names}, of {models}.", {"panels": made})


def sheets(table: Table, runs: Sequence[Result]) -> Figure | None:
    """The first samples of each entrant's first run: images as grids, planes as points over the real rows."""
    shown: dict[str, np.ndarray] = {}
    real: np.ndarray | None = None
    seeds = set()
    for row in table.rows:
        mine = sorted((r for r in runs if r.model == row.model and final(r)), key=lambda r: r.run.asked.seed)
        pair = next(filter(None, map(samples, mine[:1])), None)
        if pair:
            real, fake = pair[0] if real is None else real, pair[1]
            seeds.add(mine[0].run.asked.seed)
            if row.model not in ("noise", "thief"):
                shown[row.model] = fake
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


def samples(result: Result) -> tuple[np.ndarray, np.ndarray] | None:
    """The first real and fake rows of the last evidence, if they are images or points of a plane."""
    kept = sorted((result.folder / "evidence").glob("*/Samples.safetensors"))
    if not kept:
        return None
    try:
        with safe_open(kept[-1], framework="np") as file:
            real, fake = (file.get_slice(name) for name in ("real", "fake"))
            shape = tuple(real.get_shape())
            if len(shape) == 2 and shape[1] == 2:
                return first(real, POINTS), first(fake, POINTS)
            if len(shape) == 4 and shape[1] in (1, 3):
                return _bytes(first(real, SHEET)), _bytes(first(fake, SHEET))
    except (SafetensorError, OSError) as error:
        raise BadInput(f"{kept[-1]}: not readable ({error}); delete the run's folder and run again") from None
    return None


def first(rows: Any, n: int) -> np.ndarray:
    """The first n rows of a slice, which no more than those are read of."""
    return np.asarray(rows[: min(n, rows.get_shape()[0])], np.float32)


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

"""Figures of what models left to be looked at: samples, reconstructions, codes, filters, read from kept evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from genbench.errors import BadInput
from genbench.record import Result
from genbench.report.figure import Figure
from genbench.report.tables import REFERENCES, Table, final

SHEET, STRIP, POINTS = 64, 16, 1000  # images of a sheet and of a strip, points of a plane
ALONG = 3  # numbers of a code


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
    planes: dict[str, list[np.ndarray]] = {}
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
            if plane := kept(run, "Plane", "density", "low", "high"):
                planes[model] = plane
    if real is None or not shown:
        return None
    if "truth" not in shown:
        shown = {"real rows": real, **shown}
    flat = real.ndim == 2
    shade = ", shaded where a model says that its density is" if planes else ""
    what = (
        f"Samples in colour over real rows in grey{shade}" if flat else f"The first {SHEET} samples of each, unselected"
    )
    return Figure(
        "samples", table.task, "Samples", f"{what}; seed {', '.join(map(str, sorted(seeds)))}.",
        f"Samples on {table.task} of {', '.join(shown)}.",
        {"sheets": shown, "real": real if flat else None, "planes": planes},
    )  # fmt: skip


def nearest(table: Table, runs: Sequence[Result]) -> Figure | None:
    """Samples, and beneath each the training row that is nearest to it."""
    shown: dict[str, np.ndarray] = {}
    for model, run in entrants(table, runs):
        pair = kept(run, "Nearest", "fake", "train")
        if model not in REFERENCES and pair and pictures(pair[0]):
            shown[model], shown[f"nearest to\n{model}"] = (_bytes(x) for x in pair)
    return Figure(
        "nearest", table.task, "The nearest training rows",
        "The first samples of each model, and beneath each the training row that is nearest to it, as their numbers "
        "lie; first seed.",
        f"Samples on {table.task}, each with its nearest training row, of {', '.join(list(shown)[::2])}.",
        {"strips": shown},
    ) if shown else None  # fmt: skip


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


def walks(table: Table, runs: Sequence[Result]) -> Figure | None:
    """What lies between two codes, and along the numbers that change a picture most."""
    shown: dict[str, np.ndarray] = {}
    for model, run in entrants(table, runs):
        pair = kept(run, "Walks", "rows", "along")
        if pair and pictures(pair[0][0]):
            (between, *_), along = pair
            shown[model] = _bytes(between)
            shown |= {f"{model}, number {i}": _bytes(rows) for i, rows in enumerate(along[:ALONG], 1)}
    return Figure(
        "walks", table.task, "From one code to another",
        f"Rows decoded at equal steps from one code to another, and from one code with one number of it changed from "
        f"low to high: the {ALONG} numbers that change the row most. First seed.",
        f"Rows between codes on {table.task} of {', '.join(shown)}.", {"strips": shown}, folded=True,
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
    """The first rows of a slice, which no more than those are read of; none of what is empty, which has no slices."""
    shape = rows.get_shape()
    if not shape[0]:
        return np.empty(shape, np.float32)
    return np.asarray(rows[: min(POINTS if len(shape) < 3 else SHEET, shape[0])], np.float32)


def _bytes(images: np.ndarray) -> np.ndarray:
    return np.asarray(np.nan_to_num(images).clip(0, 1) * 255 + 0.5).astype(np.uint8)

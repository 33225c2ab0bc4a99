"""The checks of a task: rows as its spec says, splits that are its own, knowledge that fits its rows."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch

from genbench import catalogue
from genbench.check.common import Check, hold
from genbench.task import Bits, Counts, Labels, Modes, Real, Task

SPLITS = ("train", "valid", "test", "spare")


def make(name: str, options: dict[str, Any]) -> Task:
    task: Task = catalogue.load("tasks", name)(**{**catalogue.options("tasks", name), **options})
    return task


def task_checks(name: str, **options: Any) -> Iterator[Check]:
    """Made once, checked, and made again under another seed."""
    task = make(name, options)
    yield "rows are finite, of the shape and in the range that the spec says", partial(rows, task)
    yield "labels are of the kind that the spec says", partial(labels, task)
    yield "the same data comes whatever the seed", lambda: again(task, name, options)
    yield "no row stands in two splits", partial(disjoint, task)
    yield "its space sees its rows", partial(space, task)
    yield "the files that it names are there", lambda: hold(all(s.exists() for s in task.sources), "a source is absent")
    if isinstance(task.spec.x, Real) and task.spec.x.levels:
        yield "training rows are lower edges of their cells, held rows are spread over them", partial(cells, task)
    if task.log_prob is not None:
        yield (
            "log_prob is finite on its own rows, and agrees with the spare ones about their entropy",
            partial(law, task),
        )
    if task.modes is not None:
        yield "its modes hold its rows, in proportion to their weights", partial(modes, task, task.modes)


def rows(task: Task) -> None:
    kind = task.spec.x
    for split in SPLITS:
        x = task.split(split).x
        hold(x.dtype == torch.float32, f"{split} is {x.dtype}, not float32")
        hold(len(x) > 0 and tuple(x.shape[1:]) == kind.shape, f"{split} has shape {tuple(x.shape)}, spec {kind.shape}")
        hold(x.isfinite().all(), f"{split} is not finite")
        if isinstance(kind, Bits):
            hold(((x == 0) | (x == 1)).all(), f"{split} holds more than zeros and ones")
        elif isinstance(kind, Counts):
            hold(((x >= 0) & (x == x.round())).all(), f"{split} holds more than whole numbers from 0")
            hold((x.flatten(1).sum(1) > 0).all(), f"{split} has rows with nothing to count")
        elif kind.low is not None and kind.high is not None:
            hold(kind.low <= x.min() and x.max() <= kind.high, f"{split} leaves [{kind.low}, {kind.high}]")


def labels(task: Task) -> None:
    for split in SPLITS:
        rows = task.split(split)
        if task.spec.y is None:
            hold(rows.y is None, f"{split} has labels, the spec has none")
        elif isinstance(task.spec.y, Labels):
            hold(rows.y is not None and rows.y.shape == (len(rows),), f"{split} has no label a row")
            assert rows.y is not None
            hold(int(rows.y.min()) >= -1 and int(rows.y.max()) < task.spec.y.n, f"{split} has labels out of range")


def again(task: Task, name: str, options: dict[str, Any]) -> None:
    state = torch.get_rng_state()
    try:
        torch.manual_seed(7)
        other = make(name, options)
    finally:
        torch.set_rng_state(state)
    hold(
        (task.spec, task.note, task.sources) == (other.spec, other.note, other.sources), "another spec, note or sources"
    )
    for split in SPLITS:
        hold(torch.equal(task.split(split).x, other.split(split).x), f"{split} has other rows")


def disjoint(task: Task) -> None:
    """By the cells of the rows, since held-out rows carry noise. Rows that are alike in the data itself may recur."""
    cell = getattr(task.spec.x, "cell", 0.0)
    tables = {name: task.split(name).x.flatten(1) for name in SPLITS}
    if cell:
        tables = {name: (x / cell).add(1e-4).floor() for name, x in tables.items()}
    train = {tuple(row) for row in tables["train"][:5000].tolist()}
    for name in SPLITS[1:]:
        shared = sum(tuple(row) in train for row in tables[name][:5000].tolist())
        if not isinstance(task.spec.x, Bits) and not task.trials:
            hold(shared <= 0.01 * len(tables[name][:5000]), f"{shared} rows of {name} stand in train")


def space(task: Task) -> None:
    seen = catalogue.load("spaces", task.space)().features(task.test.x[:5])
    hold(len(seen) == len(task.test.x[:5]), "the space does not give a row of features a row")


def cells(task: Task) -> None:
    kind = task.spec.x
    assert isinstance(kind, Real)
    levels = (task.train.x[:1000] / kind.cell).double()
    hold((levels - levels.round()).abs().max() < 1e-3, "training rows are not lower edges of cells")
    for split in SPLITS[1:]:
        inside = (task.split(split).x[:1000] / kind.cell).double() % 1
        off = float((inside.mean() - 0.5).abs() / (1 / 12 / inside.numel()) ** 0.5)
        hold(off < 5, f"{split} is not uniform within its cells ({off:.1f} standard errors)")


def law(task: Task) -> None:
    assert task.log_prob is not None
    held, spare = task.log_prob(task.test.x).double(), task.log_prob(task.spare.x).double()
    hold(held.shape == (len(task.test),) and held.isfinite().all(), "log_prob is not finite on the test rows")
    error = float((held.var() / len(held) + spare.var() / len(spare)).sqrt())
    gap = float((held.mean() - spare.mean()).abs())
    hold(gap <= 5 * error + 1e-9, f"test and spare rows differ by {gap:.3g} nats in mean log_prob")


def modes(task: Task, known: Modes) -> None:
    hold(abs(float(known.weights.sum()) - 1) < 1e-5, "the weights do not sum to one")
    distance, nearest = torch.cdist(task.test.x.flatten(1), known.centres).min(1)
    hold((distance <= known.radius).double().mean() > 0.95, "more than one row in twenty belongs to no mode")
    expected = known.weights.double() * len(task.test)
    counts = torch.bincount(nearest, minlength=len(expected)).double()
    hold(
        ((counts - expected).abs() < 5 * expected.sqrt()).all(), "modes are not visited in proportion to their weights"
    )

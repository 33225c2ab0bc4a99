"""Samples against samples, with no model: sources -> rows -> evidence -> records, and what is doubtful about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from genbench import catalogue
from genbench.errors import BadInput
from genbench.evidence import Desk, Draws, Exam, Features, Samples
from genbench.metric import Metric
from genbench.model import Sampler, methods
from genbench.record import Record, Wanted
from genbench.run import make_space
from genbench.run import score as scored
from genbench.sources import Reading, Source, from_script, is_script, read
from genbench.task import Real, Rows, Spec, Task

OURS = ("task", "run")  # their rows come in no order, and on the scale of the task
SHUFFLE = 0
TENFOLD = 10  # between the widths of two ranges, and they cannot be of one scale
BEYOND = 0.25  # outside [0, 1] by more is not what images of that scale do


@dataclass(frozen=True)
class Asked:
    """What is asked of two sources beyond their names: None for the space of the task, every metric, all rows."""

    space: str | None = None
    metrics: Sequence[str] | None = None
    n: int | None = None
    train: str | None = None
    device: str = "cpu"


@dataclass(frozen=True)
class Scored:
    """The records, why other metrics have none, and what a reader should know of the two sides."""

    real: Source
    fake: Source
    space: str
    records: list[Record]
    reasons: dict[str, str]
    doubts: list[str]


def score(
    real: str, fake: str, asked: Asked, how: Reading, watch: Callable[[str, float], None] = lambda doing, part: None
) -> Scored:
    """Every metric that samples allow. BadInput for what cannot be compared, and for a named metric that cannot answer.

    `watch` is told what is being done, and the part of the whole that lies behind.
    """
    watch("loading", 0.0)
    metrics, reasons = loaded(asked.metrics)
    if asked.space:
        catalogue.load("spaces", asked.space)
    watch("reading", 0.0)
    a, b = in_no_order(*sources(real, fake, asked.n, how), asked.n)
    comparable(a, b)
    desk = Desk(exam(a, asked, how))
    desk.made[Samples] = Samples(desk.exam.rows.x, b.x.to(asked.device))
    if (drawn := classes(a, b)) is not None:
        desk.made[Draws] = drawn
    space = desk.exam.space
    if any(metric.evidence is Features for metric in metrics.values()):
        watch(f"features in {space.name}", 0.0)
        desk.get(Features)  # what the space refuses, it refuses for all
    records = []
    for done, (name, metric) in enumerate(metrics.items()):
        watch(name, done / len(metrics))
        (record,) = scored(desk, [Wanted(name)], 1.0)
        if record.value is not None:
            records.append(record)
            continue
        modelled = metric.capability is not Sampler
        reasons[name] = f"asks a model for {' and '.join(methods(metric.capability))}" if modelled else record.why
        if asked.metrics:
            raise BadInput(f"{name} cannot be scored here: {reasons[name]}")
    if not records:
        name, reason = next(iter(reasons.items()))
        raise BadInput(f"no metric can be scored here; {name}: {reason}")
    seen = f"{space.name} ({space.resized})" if space.resized else space.name
    return Scored(a, b, seen, records, reasons, list(doubts(a, b)))


def loaded(names: Sequence[str] | None) -> tuple[dict[str, Metric], dict[str, str]]:
    """The metrics of these names; or all that can be imported, and why others cannot."""
    if names:
        return {name: catalogue.load("metrics", name) for name in names}, {}
    metrics, reasons = {}, {}
    for name in catalogue.names("metrics"):
        try:
            metrics[name] = catalogue.load("metrics", name)
        except (BadInput, ImportError) as error:
            reasons[name] = str(error)
    return metrics, reasons


def sources(real: str, fake: str, n: int | None, how: Reading) -> tuple[Source, Source]:
    """Both sides; a generator gives n rows, or as many as the other side has."""
    if n is not None and n < 1:
        raise BadInput(f"--n must be at least 1, not {n}")
    if is_script(real) and is_script(fake) and n is None:
        raise BadInput("both sides are generators; say with --n how many rows they shall give")
    a, b = (None if is_script(text) else read(text, how) for text in (real, fake))
    other = a or b
    count = n or (len(other.x) if other else 0)
    return a or from_script(real, count, how), b or from_script(fake, count, how)


def in_no_order(a: Source, b: Source, n: int | None) -> tuple[Source, Source]:
    """The first n rows of each after a shuffle, alike on both sides so that pairs stay pairs.

    Files often come sorted, and some metrics look at the first rows alone. Whole tasks and runs stay as they are.
    """
    if all(side.kind in OURS and (n is None or n >= len(side.x)) for side in (a, b)):
        return a, b

    def shuffled(side: Source) -> Source:
        order = torch.randperm(len(side.x), generator=Generator().manual_seed(SHUFFLE))
        return replace(side, x=side.x[order[:n]], y=None if side.y is None else side.y[order[:n]])

    return shuffled(a), shuffled(b)


def classes(real: Source, fake: Source) -> Draws | None:
    """What labelled fakes are draws of: the classes that either side names, 0 to the last. None without labels."""
    if fake.y is None or not bool((fake.y >= 0).any()):
        return None
    known = max(int(side.y.max()) + 1 for side in (real, fake) if side.y is not None)
    return Draws(fake.y[fake.y >= 0], max(known, 2))


def size(x: Tensor) -> str:
    return "x".join(map(str, x.shape[1:]))


def comparable(a: Source, b: Source) -> None:
    """BadInput, with what may mend it, unless rows have one shape."""
    one, other = tuple(a.x.shape[1:]), tuple(b.x.shape[1:])
    if one == other:
        return
    mend = "sets of different shape cannot be compared"
    if sorted(one) == sorted(other):
        mend = "the same numbers in another order: transpose one"
    elif {"folder", "array", "generator"} & {a.kind, b.kind} and len(one) == len(other) == 3 and one[0] == other[0]:
        mend = "--resize N brings images of bytes to NxN"
    raise BadInput(f"REAL rows are {size(a.x)} ({a.name}), FAKE rows {size(b.x)} ({b.name}); {mend}")


def exam(real: Source, asked: Asked, how: Reading) -> Exam:
    """The real rows as the test split of their task, or of one that knows nothing else."""
    none = Rows(real.x[:0])
    task = real.task or Task(real.name, Spec(Real(tuple(real.x.shape[1:]))), none, none, none, none)
    if asked.train:
        if real.task:
            raise BadInput(f"--real-train goes with files; {real.name} has training rows of its own")
        train = read(asked.train, how)
        comparable(real, train)
        task = replace(task, train=Rows(train.x))
    with torch.device(asked.device) as device:
        task = replace(task, test=Rows(real.x), space=asked.space or task.space).to(device)
        return Exam(task, "test", make_space(task))


def doubts(a: Source, b: Source) -> Iterator[str]:
    """What makes the numbers mean less than they seem to, a line each."""
    if len(a.x) != len(b.x):
        yield f"{len(a.x)} real and {len(b.x)} fake rows: what is biased by n compares with numbers of the same n alone"
    elif torch.equal(a.x, b.x):
        yield "REAL and FAKE are the same rows"
    if {a.kind, b.kind} - set(OURS) and (said := scales(a.x, b.x)):
        yield f"not on one scale? {said}; bytes were divided by 255, floats taken as they are"
    if a.lossy is not None and b.lossy is not None and a.lossy != b.lossy:
        yield "one side has images kept as JPEG and the other none: compression alone moves distances"
    cell: float = getattr(a.task.spec.x, "cell", 0.0) if a.task else 0.0
    if cell > 1 / 256 and b.kind not in OURS:
        yield f"REAL carries uniform noise over its cells of width {cell:.3g} (dequantisation), FAKE as it was given"


def scales(x: Tensor, y: Tensor) -> str:
    """Both ranges, where they can hardly be of one scale: [0, 1] against [0, 255] or [-1, 1]; else nothing."""
    (a, b), (c, d) = ((float(side.min()), float(side.max())) for side in (x, y))

    def strays(low: float, high: float, other: Tensor) -> bool:
        beyond = (other < -BEYOND) | (other > 1 + BEYOND)
        return low >= 0 and high <= 1 and int(beyond.sum()) > 0.01 * other.numel()

    narrow, wide = sorted((b - a, d - c))
    apart = narrow * TENFOLD <= wide or strays(a, b, y) or strays(c, d, x)
    return f"REAL in [{a:.3g}, {b:.3g}] and FAKE in [{c:.3g}, {d:.3g}]" if apart else ""

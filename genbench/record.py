"""What is kept: a Run says what was asked and what became of it, a Record is one score of it.

Plain JSON, readable with no torch. A run's folder is written beside its place and renamed when whole.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from genbench.errors import BadInput, writing

SCHEMA = 1
FINISHED = ("ok", "failed", "diverged", "skipped")
STATUSES = (*FINISHED, "stopped")


def digest(thing: Any, length: int = 16) -> str:
    """A stable hash of anything JSON can say."""
    text = json.dumps(thing, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


@dataclass(frozen=True)
class Estimate:
    """A number with its standard error and the n it rests on.

    `low, high` where it is a bound or bracket; `pvalue, reject` where it is a test. The error is nan where no
    sampling error is defined.
    """

    value: float
    error: float = math.nan
    n: int = 0
    low: float | None = None
    high: float | None = None
    pvalue: float | None = None
    reject: bool | None = None
    note: str = ""

    def __float__(self) -> float:
        return self.value


@dataclass(frozen=True)
class Asked:
    """What a run was asked to be; its hash, with the code and the data it reaches, is the run's id."""

    task: str
    model: str
    seed: int
    examples: int
    task_ref: str = ""
    task_options: Mapping[str, Any] = field(default_factory=dict)
    model_ref: str = ""
    hyper: Mapping[str, Any] = field(default_factory=dict)
    seconds: float | None = None
    flops: float | None = None
    at: tuple[float, ...] = ()
    checkpoint: int | None = None
    code: str = ""
    data: str = ""
    device: str = "cpu"
    torch: str = ""

    @property
    def id(self) -> str:
        asked = asdict(self)
        for cost_only in ("checkpoint", "seconds"):
            asked.pop(cost_only)
        return f"{self.task}-{self.model}-{self.seed}-{digest(asked, 12)}".replace("/", "_").replace(":", "_")


@dataclass
class Run:
    """An asked run and its outcome. `cost`: examples, seconds, flops (null where not counted), parameters, memory."""

    asked: Asked
    status: str = "stopped"
    why: str = ""
    traceback: str = ""
    cost: dict[str, int | float | None] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    threads: int = 1
    schema: int = SCHEMA

    @property
    def id(self) -> str:
        return self.asked.id


@dataclass(frozen=True)
class Record:
    """One score: which metric, with which options and version, at which fraction of the budget, on which split."""

    metric: str
    options: Mapping[str, Any]
    version: str
    better: str
    at: float
    split: str
    value: float | None
    error: float | None = None
    n: int | None = None
    low: float | None = None
    high: float | None = None
    pvalue: float | None = None
    reject: bool | None = None
    why: str = ""
    unit: str = ""

    @property
    def key(self) -> str:
        """The metric with the options that change its number."""
        options = ",".join(f"{k}={v}" for k, v in sorted(self.options.items()))
        return f"{self.metric}[{options}]" if options else self.metric


@dataclass(frozen=True)
class Wanted:
    """A metric that a benchmark asks for: its name and the options it sets."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)


def stale(records: Sequence[Record], wanted: Sequence[Wanted], versions: Mapping[str, str]) -> list[Wanted]:
    """The wanted metrics that a run has no score of, or none of this version and these options."""
    have = [(record.metric, record.version, record.options.items()) for record in records]
    return [
        want
        for want in wanted
        if not any(
            metric == want.name and version == versions[want.name] and want.options.items() <= options
            for metric, version, options in have
        )
    ]


def plain(value: float | None) -> float | None:
    """JSON has no nan: what is not a finite number is null."""
    return None if value is None or not math.isfinite(value) else float(value)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write beside `path`; renamed when done, so that the file is whole or absent. Stopped if it cannot be."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield beside
            beside.replace(path)
        except OSError:
            beside.unlink(missing_ok=True)
            raise


def write_whole(path: Path, text: str) -> None:
    with whole(path) as beside:
        beside.write_text(text, encoding="utf-8")


def to_lines(things: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(thing, sort_keys=True, allow_nan=False) + "\n" for thing in things)


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """JSON lines; a torn or foreign line is named, not guessed at. NaN, which some writers know, is null."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                found = json.loads(line, parse_constant=lambda _: None)
                found.keys()
            except (ValueError, AttributeError, RecursionError) as error:
                raise BadInput(f"{path}:{number}: not a line of JSON ({error}); delete it and run again") from None
            yield found


def write_run(folder: Path, run: Run) -> None:
    write_whole(folder / "run.json", json.dumps(asdict(run), indent=1, sort_keys=True, allow_nan=False) + "\n")


@cache
def _adapter(cls: Any) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


def _make(cls: Any, values: Mapping[str, Any], path: Path) -> Any:
    known = {f.name for f in fields(cls)}
    if strange := sorted(set(values) - known):
        raise BadInput(f"{path}: unknown field {strange[0]!r}; it was written by another version of genbench")
    try:
        return _adapter(cls).validate_python(values)
    except ValidationError as problem:
        first = problem.errors()[0]
        told = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise BadInput(f"{path}: {told}; it was written by another version of genbench") from None


def read_run(folder: Path) -> Run:
    """The run in a folder. BadInput on a half-written file or another schema."""
    path = folder / "run.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        schema = values.get("schema")
        asked = dict(values.pop("asked", {}))
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise BadInput(f"{path}: not a run of genbench ({error}); delete the folder and run again") from None
    if schema != SCHEMA:
        raise BadInput(f"{path}: a record of schema {schema}, this genbench reads {SCHEMA}; run again to replace it")
    return _run({**values, "asked": asked}, path)


def _run(values: dict[str, Any], path: Path) -> Run:
    asked = values.pop("asked", {})
    run: Run = _make(Run, {**values, "asked": _make(Asked, asked, path)}, path)
    return run


def write_scores(folder: Path, records: Iterable[Record]) -> None:
    write_whole(folder / "scores.jsonl", to_lines(asdict(record) for record in records))


def read_scores(folder: Path) -> list[Record]:
    path = folder / "scores.jsonl"
    return [_make(Record, values, path) for values in read_lines(path)] if path.exists() else []


@dataclass(frozen=True)
class Result:
    """A run with its scores and the folder that holds its evidence: what reports and findings read."""

    run: Run
    scores: tuple[Record, ...]
    folder: Path

    @property
    def model(self) -> str:
        return self.run.asked.model

    @property
    def task(self) -> str:
        return self.run.asked.task


PARTIAL = ".partial"


def read_results(folder: Path, ids: Iterable[str] | None = None) -> list[Result]:
    """Every run below a folder, whole or stopped, sorted by id; those named by `ids` alone where it is given."""
    if not folder.is_dir():
        raise BadInput(f"no runs at {folder}; make some with `genbench run`")
    wanted = None if ids is None else set(ids)
    results = []
    try:
        children = sorted(folder.iterdir())
    except OSError as error:
        raise BadInput(f"cannot read {folder}: {error.strerror}; give a readable folder with --runs") from None
    for child in children:
        name = child.name.removesuffix(PARTIAL)
        if (wanted is None or name in wanted) and (child / "run.json").exists():
            results.append(Result(read_run(child), tuple(read_scores(child)), child))
    return results


def read_records(path: Path, folder: Path | None = None) -> list[Result]:
    """The runs of a report's records.jsonl, of this schema or an older one. BadInput names the line that is none.

    Their evidence is looked for below `folder`, and may be gone.
    """
    results: list[Result] = []
    seen: set[str] = set()
    try:
        lines = list(read_lines(path))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot read {path}: {error}; give a report's records.jsonl") from None
    for number, values in enumerate(lines, 1):
        where = Path(f"{path}:{number}")
        if not isinstance(values, dict) or not {"id", "schema", "asked", "scores"} <= values.keys():
            lacks = {"id", "schema", "asked", "scores"} - (values.keys() if isinstance(values, dict) else set())
            raise BadInput(f"{where}: not a run, it lacks {', '.join(sorted(lacks))}; give a report's records.jsonl")
        name, scores = values.pop("id"), values.pop("scores")
        if values["schema"] not in range(1, SCHEMA + 1):
            raise BadInput(f"{where}: schema {values['schema']}; this genbench reads up to {SCHEMA}, install a newer")
        if name in seen:
            raise BadInput(f"{where}: a second run with the id {name}; keep one of them")
        seen.add(name)
        records = tuple(_make(Record, score, where) for score in scores)
        results.append(Result(_run(values, where), records, (folder or path.parent) / name))
    return results

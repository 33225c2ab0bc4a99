"""benchmarks.yaml -> what to run. YAML names things and chooses numbers; it is read strictly, slips by their line."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from itertools import islice
from pathlib import Path
from reprlib import repr  # which keeps to the first few of anything
from typing import Annotated, Any, get_args, get_type_hints

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from genbench import catalogue, provenance
from genbench.errors import BadInput, unknown
from genbench.finding import Claim
from genbench.record import Asked, Wanted, digest, write_whole

FILE = "benchmarks.yaml"
MOST = 100_000  # keys and items of such a file
Options = dict[str, Any]


def named(items: Any) -> Any:
    """A list of names, each bare or with its options, as a dict in the same order."""
    if not isinstance(items, list):
        return items
    found: dict[str, Any] = {}
    for item in items:
        pair = {item: {}} if isinstance(item, str) else item
        if not isinstance(pair, dict) or len(pair) != 1:
            raise ValueError(f"expected a name or `name: {{option: value}}`, not {repr(item)}")
        (name, options), = pair.items()  # fmt: skip
        if name in found:
            raise ValueError(f"{name!r} stands twice; give the second a name of its own and `is: {name}`")
        found[name] = options or {}
    return found


Named = Annotated[dict[str, Options], BeforeValidator(named)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Spending(Strict):
    """What every run may use. `examples` is the currency; `seconds` and `flops` stop a run early."""

    examples: int = Field(gt=0)
    seconds: float | None = Field(None, gt=0)
    flops: float | None = Field(None, gt=0)
    checkpoint: int | None = Field(None, gt=0)


Printed = Annotated[str, Field(pattern=r"^-?\d+(\.\d+)?( ± \d+(\.\d+)?)?$")]


class Published(Strict):
    """A column of somebody's table, in the digits of its print, for the page to show beside our own scores."""

    source: str
    protocol: str
    task: str
    metric: str
    values: dict[str, Printed] = Field(min_length=2)


class Benchmark(Strict):
    """One experiment: a question, who answers it on what, by what measure, and what would count as an answer."""

    question: str
    tasks: Named
    models: Named
    metrics: Named
    budget: Spending
    seeds: int = Field(3, gt=0)
    at: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field((), strict=False)
    findings: dict[str, Claim] = {}
    published: dict[str, Published] = {}


Benchmarks = TypeAdapter(dict[str, Benchmark])


def default_file() -> Path:
    """benchmarks.yaml here, else the one that came with the package."""
    here = Path(FILE)
    inside = Path(str(files("genbench").joinpath(FILE)))
    beside = inside.parent.parent / FILE
    return next(path for path in (here, inside, beside) if path.exists() or path == beside)


def places(node: yaml.Node, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], int]]:
    """The line of every key. A key that stands twice is BadInput: YAML would silently drop the first."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                raise BadInput(f"line {key.start_mark.line + 1}: the key {key.value!r} stands twice")
            seen.add(key.value)
            yield (*path, key.value), key.start_mark.line + 1
            yield from places(value, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield (*path, str(number)), value.start_mark.line + 1
            yield from places(value, (*path, str(number)))


def slip(error: Mapping[str, Any]) -> str:
    """One pydantic error in our own words."""
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        claims = {name for kind in get_args(get_args(Claim)[0]) for name in kind.model_fields}
        ours = {name for part in (Benchmark, Spending, Published) for name in part.model_fields}
        known = claims if "findings" in error["loc"] else ours
        return str(unknown("key", str(error["loc"][-1]), known))
    if error["type"] == "missing":
        return f"{where}: the key {error['loc'][-1]!r} is missing"
    if isinstance(error["input"], str) and looks_like_a_number(error["input"]):
        return f"{where}: {number_as_text(error['input'])}"
    return f"{where}: {error['msg'].removeprefix('Value error, ')} (given: {repr(error['input'])})"[:300]


def looks_like_a_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def number_as_text(text: str) -> str:
    return f"{text!r} is text to YAML; write it as a number, {float(text)!r}" + (
        " or 2.0e-4 for 2e-4" if "e" in text else ""
    )


def read(path: Path) -> dict[str, Benchmark]:
    """Every benchmark of a file. BadInput names file and line."""
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        found = list(islice(places(node), MOST)) if node else []
        if len(found) == MOST:  # before it is unfolded
            raise BadInput(f"more than {MOST:,} keys; its aliases unfold to too much")
        values, lines = yaml.safe_load(text), dict(found)
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: not UTF-8 text ({error.reason})") from None
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from None
    except Exception as error:  # not YAMLError alone: each kind of value fails in its own way
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise BadInput(f"{path}{line}: not YAML ({getattr(error, 'problem', error)})") from None
    if not isinstance(values, dict):
        raise BadInput(f"{path}: expected benchmarks by name, each with question, tasks, models, metrics, budget")
    try:
        return Benchmarks.validate_python(values)
    except ValidationError as problem:
        slips = problem.errors(include_url=False)
        first = min(slips, key=lambda e: e["type"] != "extra_forbidden")  # a misspelt key explains a missing one
        loc = tuple(str(part) for part in first["loc"])
        row = next((lines[loc[:n]] for n in range(len(loc), 0, -1) if loc[:n] in lines), 1)
        raise BadInput(f"{path}:{row}: {slip(first)}") from None


def find(name: str, path: Path | None = None) -> Benchmark:
    benchmarks = read(path or default_file())
    if name not in benchmarks:
        raise unknown("benchmark", name, benchmarks)
    return benchmarks[name]


def check_options(what: str, thing: Any, options: Options) -> None:
    """Options against a constructor's annotations, before anything runs. BadInput names the nearest right one."""
    signature = inspect.signature(thing)
    parameters = {name: p for name, p in signature.parameters.items() if p.kind is not p.VAR_KEYWORD}
    open_ended = len(parameters) < len(signature.parameters)
    target = thing
    while hasattr(target, "func"):
        target = target.func
    hints = get_type_hints(target.__init__ if inspect.isclass(target) else target)
    for name, value in options.items():
        if name not in parameters and not open_ended:
            raise unknown(f"option of {what}", name, list(parameters)[1:] if inspect.isclass(target) else parameters)
        wanted = hints.get(name, Any)
        try:
            adapter = TypeAdapter(wanted, config=ConfigDict(arbitrary_types_allowed=True))
            adapter.validate_json(json.dumps(value, default=str), strict=True)  # where a list is a tuple too
        except ValidationError as problem:
            text = isinstance(value, str) and looks_like_a_number(value)
            reason = number_as_text(value) if text else f"{value!r}: {problem.errors()[0]['msg']}"
            raise BadInput(f"{what}, option {name!r}: {reason}") from None


class Memo:
    """Facts that cost an import of torch, remembered by what they depend on, so that asking again is instant."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self.facts = {}

    def keep(self, key: str, fact: Any) -> Any:
        self.facts[key] = fact
        write_whole(self.path, json.dumps(self.facts, indent=0, sort_keys=True))
        return fact

    def data(self, ref: str, options: Options) -> str:
        """The digest of a task's rows: remembered while its code, the libraries and its files stand as they were."""
        key = digest(["data", ref, options, provenance.code(ref), provenance.versions()])
        known = self.facts.get(key)
        if known and known["sources"] == stamps(known["sources"]):
            return str(known["digest"])
        task = catalogue.resolve(ref)(**options)
        sources = stamps(str(source) for source in task.sources)
        return str(self.keep(key, {"digest": provenance.data(task), "sources": sources})["digest"])

    def version(self, ref: str) -> str:
        """A metric's version: remembered while its code stands as it was."""
        key = digest(["version", ref, provenance.code(ref)])
        return str(self.facts.get(key) or self.keep(key, catalogue.resolve(ref).version))


def stamps(paths: Any) -> dict[str, list[int] | None]:
    """Size and time of each file: enough to see that one was replaced."""
    found: dict[str, list[int] | None] = {}
    for path in paths:
        try:
            status = Path(path).stat()
            found[path] = [status.st_size, status.st_mtime_ns]
        except OSError:
            found[path] = None
    return found


@dataclass(frozen=True)
class Plan:
    """Everything that a benchmark asks for, resolved."""

    name: str
    benchmark: Benchmark
    asked: tuple[Asked, ...]
    metrics: tuple[Wanted, ...]
    versions: Mapping[str, str]


def alias(kind: str, name: str, options: Options, checked: bool = True) -> tuple[str, Options]:
    """The reference behind an entry and its options; `is:` says what a renamed entry is. A check imports the thing."""
    real = options.get("is", name)
    given = {key: value for key, value in options.items() if key != "is"}
    ref = catalogue.reference(kind, real)
    if checked and (given or ref == real):  # a bare "module:thing" was checked by nobody yet
        thing = catalogue.resolve(ref)
        check_options(f"{kind[:-1]} {name!r}", thing.function if kind == "metrics" else thing, given)
    return ref, {**catalogue.options(kind, real), **given}


def plan(name: str, benchmark: Benchmark, memo: Memo, device: str = "cpu", checked: bool = True) -> Plan:
    """Resolve and check every name and option, and give each run its id. BadInput before anything runs.

    Options that runs were made with need no second check, which would import torch.
    """
    metrics = {metric: alias("metrics", metric, options, checked) for metric, options in benchmark.metrics.items()}
    models = {model: alias("models", model, options, checked) for model, options in benchmark.models.items()}
    tasks = {task: alias("tasks", task, options, checked) for task, options in benchmark.tasks.items()}
    for table in benchmark.published.values():
        for kind, names, known in (
            ("task", [table.task], tasks),
            ("model", table.values, models),
            ("metric", [table.metric], {benchmark.metrics[name].get("is", name) for name in metrics}),
        ):
            for stranger in (name for name in names if name not in known):
                raise unknown(f"{kind} of a published table", stranger, known)
    budget = benchmark.budget
    torch_version = provenance.versions().get("torch", "")
    asked = tuple(
        Asked(
            task=task, task_ref=task_ref, task_options=task_options, model=model, model_ref=model_ref, hyper=hyper,
            seed=seed, examples=budget.examples, seconds=budget.seconds, flops=budget.flops, at=benchmark.at,
            checkpoint=budget.checkpoint, code=provenance.code(*provenance.HARNESS, model_ref, task_ref),
            data=memo.data(task_ref, task_options), device=device, torch=torch_version,
        )
        for seed in range(benchmark.seeds)
        for task, (task_ref, task_options) in tasks.items()
        for model, (model_ref, hyper) in models.items()
    )  # fmt: skip
    wanted = tuple(Wanted(benchmark.metrics[name].get("is", name), given) for name, (_, given) in metrics.items())
    versions = {want.name: memo.version(ref) for want, (ref, _) in zip(wanted, metrics.values(), strict=True)}
    return Plan(name, benchmark, asked, wanted, versions)

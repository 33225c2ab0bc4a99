"""The command line: what there is, `genbench --help` says. What a user can mend is one clear line and exit code 2."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from genbench import __version__
from genbench.errors import BadInput, Stopped, unknown

if TYPE_CHECKING:
    from genbench.bench import Benchmark, Plan
    from genbench.record import Result
    from genbench.report import Page

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

RUNS = Path("runs")
REPORTS = Path("reports")
INTERRUPTED = 130
SOURCES = "a folder of images, .npz[:KEY], .npy, .safetensors[:KEY], task:NAME/SPLIT, a run, a TorchScript file"


class What(StrEnum):
    models = "models"
    tasks = "tasks"
    metrics = "metrics"
    spaces = "spaces"
    benchmarks = "benchmarks"


class Form(StrEnum):
    table = "table"
    markdown = "markdown"
    json = "json"


class FailOn(StrEnum):
    worse = "worse"
    cannot_tell = "cannot-tell"
    never = "never"


class Executor(StrEnum):
    local = "local"
    ray = "ray"


class Thing(StrEnum):
    model = "model"
    task = "task"
    metric = "metric"


def say_version(wanted: bool) -> None:
    if wanted:
        print(f"genbench {__version__}")
        raise typer.Exit


@app.callback()
def top(
    version: Annotated[
        bool, typer.Option("--version", callback=say_version, is_eager=True, help="Say it and stop.")
    ] = False,
) -> None:
    """Train reference generative models under one budget, score them with one core, report them on one page."""


def listed(text: str | None) -> list[str] | None:
    return [item.strip() for item in text.split(",") if item.strip()] if text else None


def chosen(names: Sequence[str], known: dict[str, Any]) -> dict[str, Any]:
    """Entries by name: as the benchmark has them, or bare."""
    return {name: known.get(name, {}) for name in names}


def benchmark_from(
    name: str, file: Path | None, models: str | None, tasks: str | None, metrics: str | None,
    seeds: int | None, examples: int | None,
) -> tuple[str, Benchmark]:  # fmt: skip
    """A named benchmark, or a task's name for an ad hoc one, with what the command line changes."""
    from genbench import bench, catalogue

    known = bench.read(file or bench.default_file())
    if name in known:
        found = known[name]
    elif name in catalogue.names("tasks") or ":" in name or name.endswith(".npz"):
        base = known.get("quick") or next(iter(known.values()))
        found = base.model_copy(
            update={"tasks": {name: {}}, "findings": {}, "question": f"How do models do on {name}?"}
        )
    else:
        raise unknown("benchmark or task", name, [*known, *catalogue.names("tasks")])
    changes: dict[str, Any] = {}
    for key, text in (("models", models), ("tasks", tasks), ("metrics", metrics)):
        if (wanted := listed(text)) is not None:
            changes[key] = chosen(wanted, getattr(found, key))
    for key, value in (("seeds", seeds), ("examples", examples)):
        if value is not None and value <= 0:
            raise BadInput(f"--{key} must be at least 1, not {value}")
    if seeds is not None:
        changes["seeds"] = seeds
    if examples is not None:
        changes["budget"] = found.budget.model_copy(update={"examples": examples})
    return name.replace("/", "_").replace(":", "_"), found.model_copy(update=changes)


def readable(folder: Path) -> Path:
    """A folder that can be made, listed and written. BadInput with the reason where it cannot."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        next(folder.iterdir(), None)
    except OSError as error:
        raise BadInput(f"cannot use {folder}: {error.strerror}; give another folder with --runs") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BadInput(f"cannot write in {folder}; give another folder with --runs")
    return folder


def jobs_of(plan: Plan, root: Path) -> list[Any]:
    """What is still to be done: runs that have not finished, and finished ones with stale or missing scores."""
    from genbench.execute.local import Job
    from genbench.record import PARTIAL, read_run, read_scores, stale

    jobs = []
    for asked in plan.asked:
        folder = root / asked.id
        if not (folder / "run.json").exists():
            jobs.append(Job(asked, plan.metrics))
            continue
        if (root / f"{asked.id}{PARTIAL}" / "run.json").exists():
            raise BadInput(f"{folder}{PARTIAL} stands beside the finished run; delete one of them")
        done = read_run(folder)
        if done.status == "ok" and stale(read_scores(folder), plan.metrics, plan.versions):
            jobs.append(Job(asked, plan.metrics, folder, dict(plan.versions)))
    return jobs


Execute = Callable[..., list[tuple[Any, str, str]]]


def executor(which: Executor, address: str | None, device: str) -> Execute:
    """What carries out runs. BadInput where it is not installed, has no use for an address, or lacks the device."""
    if which is Executor.ray:
        if device == "auto":
            raise BadInput("--device auto is what this machine has; with --executor ray say cuda or cpu")
        try:
            from genbench.execute import ray
        except ModuleNotFoundError:
            raise BadInput("--executor ray needs Ray; pip install 'genbench[ray]'") from None
        return partial(ray.execute, address=address)
    if address:
        raise BadInput("--address goes with --executor ray")
    from genbench.device import resolved
    from genbench.execute import local

    resolved(device)
    return local.execute


def page_of(name: str, benchmark: Benchmark, reproduce: str = "") -> Page:
    from genbench.report import Page

    return Page(
        name=name, question=benchmark.question, reproduce=reproduce or f"genbench run {name}",
        tasks=list(benchmark.tasks), models=list(benchmark.models),
        metrics=list(dict.fromkeys(options.get("is", metric) for metric, options in benchmark.metrics.items())),
        findings=dict(benchmark.findings), published=dict(benchmark.published), tuned=benchmark.tuned,
    )  # fmt: skip


def placed(page: Page, results: list[Result], out: Path | None) -> Path:
    """The page at `out`; else among the reports, whose front page then names it."""
    from genbench.report import report
    from genbench.report.front import front

    made = report(page, results, out or REPORTS / page.name)
    if out is None:
        front(REPORTS)
    return made


def write_report(plan: Plan, root: Path, out: Path | None, reproduce: str = "") -> Path:
    from genbench.record import read_results

    page = page_of(plan.name, plan.benchmark, reproduce)
    return placed(page, read_results(root, {asked.id for asked in plan.asked}), out)


def called(command: str, name: str, **options: object) -> str:
    """The command line that asks for the same: only what was given."""
    given = [(f"--{key}", str(value)) for key, value in options.items() if value is not None]
    return shlex.join(["genbench", command, name, *(word for pair in given for word in pair)])


def report_records(name: str, file: Path | None, records: Path, root: Path, out: Path | None) -> Path:
    """The page of the runs that a records.jsonl tells of; of a benchmark that no file knows, without findings."""
    from genbench import bench
    from genbench.record import read_records
    from genbench.report import Page

    known = bench.read(file or bench.default_file())
    reproduce = f"genbench report {name} --records {records.name}"
    page = page_of(name, known[name]) if name in known else Page(name, f"What came of {name}?", reproduce, [], [], [])
    if not (results := read_records(records, root)):
        raise BadInput(f"{records} tells of no run; give the records.jsonl of a page")
    return placed(page, results, out)


def planned(name: str, benchmark: Benchmark, runs: Path, device: str, checked: bool = True) -> Plan:
    """What a benchmark asks for; `auto` is the device that this machine has."""
    from genbench import bench
    from genbench.device import resolved

    device = resolved(device) if device == "auto" else device
    return bench.plan(name, benchmark, bench.Memo(runs / ".memo.json"), device, checked)


FileOption = Annotated[
    Path | None, typer.Option("--file", help="The benchmarks; ./benchmarks.yaml, else the ones shipped.")
]
RunsOption = Annotated[Path, typer.Option("--runs", help="Where runs are kept.")]
OutOption = Annotated[Path | None, typer.Option("--out", help="Where the page goes; reports/BENCHMARK.")]
RecordsOption = Annotated[
    Path | None,
    typer.Option("--records", help="Report the runs of this records.jsonl; --runs may hold their evidence."),
]
ProcessesOption = Annotated[
    int | None, typer.Option("--processes", min=1, help="Runs at a time; one a core, or a GPU.")
]
MemoryOption = Annotated[float | None, typer.Option("--memory", min=0.5, help="Gigabytes a run may take; all.")]
DeviceOption = Annotated[str, typer.Option("--device", help="cpu, cuda (shared out, a GPU a run), cuda:1, mps, auto.")]


@app.command()
def run(
    benchmark: Annotated[str, typer.Argument(help="A benchmark, or a task to run one of its own on.")] = "quick",
    models: Annotated[str | None, typer.Option(help="Models by name or module:Thing, with commas.")] = None,
    tasks: Annotated[str | None, typer.Option(help="Tasks, with commas; folder:PATH and FILE.npz are tasks.")] = None,
    metrics: Annotated[str | None, typer.Option(help="Metrics, with commas.")] = None,
    seeds: Annotated[int | None, typer.Option(help="How many seeds.")] = None,
    examples: Annotated[int | None, typer.Option(help="The budget in training examples.")] = None,
    file: FileOption = None,
    runs: RunsOption = RUNS,
    out: OutOption = None,
    processes: ProcessesOption = None,
    memory: MemoryOption = None,
    device: DeviceOption = "cpu",
    where: Annotated[Executor, typer.Option("--executor", help="This machine, or a Ray cluster.")] = Executor.local,
    address: Annotated[str | None, typer.Option(help="The cluster's HOST:PORT; the one that is up here.")] = None,
) -> None:
    """Train, score and report. Finished runs are skipped; a stopped one goes on."""
    execute = executor(where, address, device)
    name, found = benchmark_from(benchmark, file, models, tasks, metrics, seeds, examples)
    root = readable(readable(runs) / name)
    if where is Executor.local:
        warmed(runs)
    plan = planned(name, found, runs, device)
    carry_out(name, plan, root, execute, processes, memory)
    asked = {"models": models, "tasks": tasks, "metrics": metrics, "seeds": seeds, "examples": examples, "file": file}
    print(f"report: {write_report(plan, root, out, called('run', benchmark, **asked))}")


@app.command()
def tune(
    benchmark: Annotated[str, typer.Argument(help="A benchmark, or a task to search on.")] = "quick",
    models: Annotated[str | None, typer.Option(help="Models, with commas; all that declare what to search.")] = None,
    tasks: Annotated[str | None, typer.Option(help="Tasks, with commas.")] = None,
    metric: Annotated[str | None, typer.Option(help="What trials are judged by; the first that can.")] = None,
    trials: Annotated[int, typer.Option(min=2, help="Of each model on each task; the first changes nothing.")] = 16,
    seeds: Annotated[int, typer.Option(min=1, help="Of each trial.")] = 1,
    examples: Annotated[int | None, typer.Option(min=1, help="The budget of a trial; the benchmark's.")] = None,
    file: FileOption = None,
    runs: RunsOption = RUNS,
    out: Annotated[Path | None, typer.Option(help="Where the tuned benchmark goes; BENCHMARK-tuned.yaml here.")] = None,
    processes: ProcessesOption = None,
    memory: MemoryOption = None,
    device: DeviceOption = "cpu",
) -> None:
    """Search the options that models declare, with equal trials, by validation rows alone. What is finished stands."""
    from genbench import bench
    from genbench import tune as tuning
    from genbench.device import resolved
    from genbench.record import read_results

    execute = executor(Executor.local, None, device)
    name, found = benchmark_from(benchmark, file, models, tasks, None, None, None)
    root = readable(readable(runs) / f"{name}-tune")
    warmed(runs)
    search = tuning.search(name, found, metric, trials, seeds, examples, listed(models) or ())
    plan = search.plan(bench.Memo(runs / ".memo.json"), resolved(device))
    carry_out(f"{name}-tune", plan, root, execute, processes, memory)
    results = read_results(root, {asked.id for asked in plan.asked})
    outcomes = list(search.outcomes(results))
    for outcome in outcomes:
        print(outcome)
    place = out or Path(f"{name}-tuned.yaml")
    tuning.write(search.tuned(outcomes, results), place)
    print(f"tuned: {place}; run it with `genbench run {name}-tuned --file {place}`")


def warmed(runs: Path) -> None:
    """The first time: torch is imported by the server of workers while it is imported here."""
    from genbench.execute import local

    if not (runs / ".memo.json").exists():
        local.warm()


def carry_out(name: str, plan: Plan, root: Path, execute: Execute, processes: int | None, memory: float | None) -> None:
    """Do what is still to be done, and say how it went."""
    from genbench.progress import watching

    jobs = jobs_of(plan, root)
    print(f"{name}: {len(plan.asked)} runs, {len(plan.asked) - len(jobs)} finished before", flush=True)
    if jobs:
        with watching(len(jobs)) as watcher:
            ended = execute(jobs, root, watcher, processes, int(memory * 1e9) if memory else None)
        troubled = [status for _, status, _ in ended if status not in ("ok", "skipped")]
        if troubled:
            print(f"{len(troubled)} of {len(ended)} runs did not end well: " + ", ".join(sorted(set(troubled))))


@app.command()
def status(
    benchmark: Annotated[str | None, typer.Argument(help="A benchmark; every one that has runs.")] = None,
    file: FileOption = None,
    runs: RunsOption = RUNS,
    device: DeviceOption = "cpu",
) -> None:
    """How far the runs are, while they run or after."""
    from genbench import bench
    from genbench.status import said, standings

    if not runs.is_dir():
        raise BadInput(f"no runs at {runs}; make some with `genbench run`")
    known = bench.read(file or bench.default_file())
    names = [benchmark] if benchmark else sorted(place.name for place in runs.iterdir() if place.is_dir())
    for name in names:
        found = standings(runs / name)
        asked = [a.id for a in planned(name, known[name], runs, device).asked] if benchmark in known else None
        for line in said(name, found, asked):
            print(line)


@app.command()
def sample(
    run: Annotated[str, typer.Argument(help="A finished run, by its id or its folder.")],
    n: Annotated[int, typer.Option("--n", "-n", min=1, help="How many.")] = 64,
    out: Annotated[
        Path | None, typer.Option(help="A sheet (.png), rows (.npy), or a folder of images; RUN.png here.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The seed of the draw.")] = 0,
    runs: RunsOption = RUNS,
) -> None:
    """Draw samples of a model that a run kept."""
    from genbench.kept import draw, find, write

    folder = find(run, runs)
    place = out or Path(f"{folder.name}.png")
    write(*draw(folder, n, seed), place)
    print(place)


@app.command()
def score(
    real: Annotated[str, typer.Argument(help=f"The rows to hold them against: {SOURCES}.")],
    fake: Annotated[str, typer.Argument(help="The rows to judge: any of these, such as a run's or a generator's.")],
    space: Annotated[str | None, typer.Option(help="Where rows are compared; the task's own, else pixels.")] = None,
    metrics: Annotated[str | None, typer.Option(help="Metrics, with commas; all that samples allow.")] = None,
    n: Annotated[int | None, typer.Option("--n", help="At most so many rows a side, of a fixed shuffle.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects with `name`, `value`, `error`.")] = False,
    resize: Annotated[int | None, typer.Option(help="Bring images of bytes to this many pixels a side.")] = None,
    real_train: Annotated[str | None, typer.Option(help="Training rows, to test whether FAKE copies them.")] = None,
    trust: Annotated[bool, typer.Option("--trust", help="Run a TorchScript file; accept a space's weights.")] = False,
    latents: Annotated[str | None, typer.Option(help="Call it with normal z of (n, D): D, or 100x1x1.")] = None,
    seed: Annotated[int, typer.Option(help="The seed of a generator.")] = 0,
    runs: RunsOption = RUNS,
    device: DeviceOption = "cpu",
) -> None:
    """Judge samples against real rows, with no model: every metric that they allow, each with its error and its n."""
    from genbench.device import resolved
    from genbench.report import terminal
    from genbench.score import Asked, score
    from genbench.sources import Reading

    if trust:
        os.environ["GENBENCH_TRUST"] = "1"  # how spaces ask
    asked = Asked(space, listed(metrics), n, real_train, resolved(device))
    with terminal.watching() as watch:
        found = score(real, fake, asked, Reading(resize, trust, latents, seed, runs), watch)
    terminal.show(found, as_json)


@app.command()
def report(
    benchmark: Annotated[str, typer.Argument(help="A benchmark that was run, taxonomy or lessons.")] = "quick",
    records: RecordsOption = None,
    compare: Annotated[
        tuple[Path, Path] | None, typer.Option("--compare", help="Two pages side by side: folders, or records.jsonl.")
    ] = None,
    file: FileOption = None,
    runs: RunsOption = RUNS,
    out: OutOption = None,
    device: DeviceOption = "cpu",
) -> None:
    """Make the page of a benchmark from its runs, which imports no torch; or `taxonomy`, of what models can do, or
    `lessons`, of what the pages in reports/ say of samples."""
    from genbench import bench

    if compare:
        from genbench.report.beside import side_by_side

        print(f"report: {side_by_side(*compare, out or REPORTS / 'side-by-side')}")
        return
    place = out or REPORTS / benchmark
    if benchmark == "taxonomy":
        from genbench import catalogue
        from genbench.model import FAMILIES
        from genbench.report.taxonomy import taxonomy

        models = matrix([{"name": name, "where": ref} for name, ref in catalogue.names("models").items()])
        print(f"report: {taxonomy(models, FAMILIES, place)}")
        return
    if benchmark == "lessons":
        from genbench.report.lessons import lessons

        print(f"report: {lessons(bench.read(file or bench.default_file()), REPORTS, place)}")
        return

    if records:
        print(f"report: {report_records(benchmark, file, records, runs / benchmark, out)}")
        return
    found = bench.find(benchmark, file)
    if not (runs / benchmark).is_dir():
        raise BadInput(f"no runs of {benchmark} in {runs}; make them with `genbench run {benchmark}`")
    print(f"report: {write_report(planned(benchmark, found, runs, device, checked=False), runs / benchmark, out)}")


@app.command()
def compare(
    new: Annotated[Path, typer.Argument(help="A report's folder, its records.jsonl, or a folder of runs.")],
    old: Annotated[Path, typer.Argument(help="What it is held against: any of these.")],
    gates: Annotated[
        Path | None, typer.Option(help="A YAML list of bounds that NEW must keep: `frechet[digits] <= 12`.")
    ] = None,
    margin: Annotated[float, typer.Option(help="The share of the old score that a change must reach to matter.")] = 0.1,
    fail_on: Annotated[FailOn, typer.Option(help="Which verdicts make the exit code 1.")] = FailOn.worse,
    form: Annotated[Form, typer.Option("--format", help="How to say it.")] = Form.table,
) -> None:
    """Which scores got better or worse by more than noise. Exit 1 where one got worse, 2 where some do not compare."""
    from genbench.compare import against
    from genbench.report import comparison

    if not 0 <= margin < 1:
        raise BadInput(f"--margin is a share of the old score, at least 0 and below 1, not {margin:g}")
    found = against(new, old, gates, margin)
    says = {Form.table: comparison.as_text, Form.markdown: comparison.as_markdown, Form.json: comparison.as_json}
    print(says[form](found))
    raise typer.Exit(found.code(fail_on.value))


@app.command()
def check(
    what: Annotated[Thing, typer.Argument(help="model, task or metric")],
    name: Annotated[str, typer.Argument(help="A name of the catalogue, or module:Thing.")],
) -> None:
    """Hold a model, a task or a metric against the checks that what it offers calls for."""
    from genbench import check as suite

    failures = 0
    for title, reason in suite.run(what.value, name):
        print(
            f"{'ok    ' if reason is None else 'FAILED'}  {title}" + ("" if reason is None else f": {reason}"),
            flush=True,
        )
        failures += reason is not None
    if failures:
        print(f"{failures} of the checks failed")
        raise typer.Exit(1)


def matrix(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Which model can do what, and its family; reads every model's class and builds none."""
    from genbench import catalogue
    from genbench.model import CAPABILITIES, can, family

    builds = [catalogue.resolve(row["where"]) for row in rows]
    able = [{capability.__name__: can(build, capability) for capability in CAPABILITIES} for build in builds]
    return [{**row, **mine, "family": family(build)} for row, build, mine in zip(rows, builds, able, strict=True)]


@app.command("list")
def list_(
    what: Annotated[What, typer.Argument(help="What to list.")],
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects with `name`.")] = False,
    capabilities: Annotated[bool, typer.Option("--capabilities", help="Who can do what (models).")] = False,
    file: FileOption = None,
) -> None:
    """What there is."""
    rows: list[dict[str, Any]]
    if what is What.benchmarks:
        from genbench import bench

        rows = [{"name": name, "question": b.question} for name, b in bench.read(file or bench.default_file()).items()]
    else:
        from genbench import catalogue

        rows = [{"name": name, "where": ref} for name, ref in catalogue.names(what.value).items()]
    if capabilities:
        if what is not What.models:
            raise BadInput(f"--capabilities goes with models, not {what.value}")
        rows = matrix(rows)
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    width = max((len(row["name"]) for row in rows), default=0)
    if capabilities:
        heads = [key for key, value in rows[0].items() if isinstance(value, bool)] if rows else []
        print(" " * width + "  " + "  ".join(heads))
        for row in rows:
            print(
                f"{row['name']:<{width}}  "
                + "  ".join(("yes" if row[head] else "–").center(len(head)) for head in heads)
                + f"  {row['family']}"
            )
        return
    for row in rows:
        print(f"{row['name']:<{width}}  {row.get('where') or row.get('question')}")


def refuse(reason: str) -> NoReturn:
    print(f"genbench: {' '.join(reason.split())}", file=sys.stderr)
    sys.exit(2)


def main() -> None:
    """The entry point: one line and exit code 2 for what a user can mend, 130 for Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # answered as Ctrl-C is
    try:
        code = app(standalone_mode=False)
    except (BadInput, Stopped) as error:
        refuse(str(error))
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except Exception as error:
        if message := getattr(error, "format_message", None):  # a usage error of the command line itself
            refuse(f"{message()} (genbench --help says more)")
        raise
    if code == INTERRUPTED:
        print("genbench: interrupted; the same command goes on from here", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()

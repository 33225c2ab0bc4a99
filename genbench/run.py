"""One run: build, fit, collect, score, write."""

from __future__ import annotations

import hashlib
import math
import resource
import shutil
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from genbench import checkpoint, provenance
from genbench.budget import Budget, Stream, aside, seed_everything
from genbench.catalogue import load, resolve
from genbench.errors import BadInput, Diverged, NotApplicable, Stopped, writing
from genbench.evidence import Desk, Exam, needs
from genbench.exhibits import keep_exhibits
from genbench.metric import Metric
from genbench.record import (
    PARTIAL,
    Asked,
    Estimate,
    Record,
    Run,
    Wanted,
    plain,
    read_run,
    read_scores,
    stale,
    to_lines,
    write_run,
    write_scores,
    write_whole,
)  # fmt: skip
from genbench.spaces import Space
from genbench.task import Task


def seed_of(*parts: object) -> int:
    """A seed of its own for every use: initialisation, order of the data, each evaluation."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4], "big")


def as_record(
    name: str, metric: Metric, options: dict[str, Any], at: float, split: str, outcome: Estimate | Exception
) -> Record:
    """An estimate, or the reason why there is none."""
    record: dict[str, Any] = {"metric": name, "options": options, "version": metric.version, "better": metric.better}
    record |= {"at": at, "split": split, "unit": metric.unit}
    if isinstance(outcome, Estimate):
        why = outcome.note or ("" if math.isfinite(outcome.value) else f"the value is {outcome.value}")
        return Record(
            **record, value=plain(outcome.value), error=plain(outcome.error), n=outcome.n, low=plain(outcome.low),
            high=plain(outcome.high), pvalue=plain(outcome.pvalue), reject=outcome.reject, why=why,
        )  # fmt: skip
    known = isinstance(outcome, BadInput | NotApplicable)
    return Record(**record, value=None, why=str(outcome) if known else f"{type(outcome).__name__}: {outcome}")


def score(desk: Desk, wanted: Sequence[Wanted], at: float) -> list[Record]:
    """Every wanted metric of one exam; one that cannot answer says why and stops no other. Costly evidence waits for
    the end."""
    space = desk.exam.space
    named = {"space": f"{space.name}:{space.digest}" if space.digest else space.name}
    named |= {"resized": space.resized} if space.resized else {}
    records = []
    for want in wanted:
        metric = load("metrics", want.name)
        if at < 1 and needs(metric.evidence)[0].at_end:
            continue
        options = metric.with_options(want.options)
        seen = named if metric.evidence.seen_through_a_space else {}
        outcome: Estimate | Exception
        try:
            outcome = metric(desk.get(metric.evidence), **options)
        except Exception as error:
            outcome = error
        records.append(as_record(want.name, metric, {**options, **seen}, at, desk.exam.split, outcome))
    return records


def make_task(asked: Asked) -> Task:
    with torch.device("cpu"):  # the same rows on every device
        task: Task = resolve(asked.task_ref)(**asked.task_options)
    return task.to(torch.get_default_device())


def make_space(task: Task) -> Space:
    build = load("spaces", task.space)
    space: Space = build.of(task.spec.x) if hasattr(build, "of") else build()
    return space


def built(build: Any, task: Task, **hyper: Any) -> Any:
    """A model from the spec alone, or, for the one privileged entrant, from the task."""
    return build(task if getattr(build, "sees_task", False) else task.spec, **hyper)


def make_model(asked: Asked, task: Task) -> Any:
    return built(resolve(asked.model_ref), task, **asked.hyper)


def parameters(model: Any) -> int | None:
    return sum(p.numel() for p in model.parameters()) if isinstance(model, torch.nn.Module) else None


def peak_memory() -> int:
    """Bytes: the device's peak where there is one, else the process's resident peak."""
    if torch.cuda.is_available() and torch.get_default_device().type == "cuda":
        return torch.cuda.max_memory_allocated()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def earlier(evidence: Path) -> tuple[Path, ...]:
    """Where the evidence of the checkpoints before this one is kept, in order."""
    return tuple(sorted(place for place in evidence.parent.glob("*") if place.name < evidence.name))


class Workshop:
    """The folder where a run is in the making, and what happens in it."""

    def __init__(self, asked: Asked, wanted: Sequence[Wanted], root: Path) -> None:
        self.asked, self.wanted, self.root = asked, wanted, root
        self.folder = root / f"{asked.id}{PARTIAL}"
        self.saved = self.folder / "checkpoint.safetensors"
        self.records: list[Record] = []

    def evaluate(self, model: Any, exam: Exam, at: float) -> None:
        evidence = self.folder / "evidence" / f"{at:.2f}"
        shutil.rmtree(evidence, ignore_errors=True)
        seed = seed_of("evaluate", self.asked.seed, at)
        with aside(model, seed):
            desk = Desk(replace(exam, earlier=earlier(evidence)), model, evidence, seed)
            self.records += score(desk, self.wanted, at)
            if at == 1.0:
                keep_exhibits(evidence, exam, model)
        write_scores(self.folder, self.records)

    def begin(self) -> None:
        """Clear away what a killed run said of itself, and what it had half written."""
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            for left in (self.folder / "run.json", *self.folder.rglob(".*")):
                left.unlink(missing_ok=True)

    def fit(self, run: Run, progress: Callable[[Stream], None] | None, leaving: Callable[[], bool]) -> None:
        """Train and score; the outcome goes into `run`, whatever it is."""
        asked = self.asked
        restored = checkpoint.load(self.saved)
        if restored is None:
            shutil.rmtree(self.folder / "evidence", ignore_errors=True)
        else:
            done = asked.at[: restored["stream"]["observed"]]
            self.records = [record for record in read_scores(self.folder) if record.at in done]
        task = make_task(asked)
        space = make_space(task)
        seed_everything(seed_of("model", asked.seed))
        model = make_model(asked, task)
        stream = Stream(
            task, Budget(asked.examples, asked.seconds, asked.flops), seed_of("order", asked.seed), asked.at,
            observe=lambda at: self.evaluate(model, Exam(task, "valid", space, trace=stream.trace), at),
            save=lambda state: checkpoint.save(state, self.saved), every=asked.checkpoint or asked.examples // 4,
            restored=restored, model=model, progress=progress, leaving=leaving,
        )  # fmt: skip
        try:
            model.fit(stream)
        finally:
            write_whole(self.folder / "trace.jsonl", to_lines(stream.trace))
            run.cost = {
                "examples": stream.used, "seconds": round(stream.seconds, 3), "flops": stream.flops,
                "parameters": parameters(model), "memory": peak_memory(),
            }  # fmt: skip
        run.why = stream.stopped
        self.evaluate(model, Exam(task, "test", space, trace=stream.trace), 1.0)
        if state := checkpoint.state_of(model):
            checkpoint.save_whole(state, self.folder / "model.safetensors")

    def finish(self, run: Run) -> None:
        """Write the outcome and give the folder its name: only now does the run exist."""
        write_run(self.folder, run)
        place = self.root / self.asked.id
        with writing(place):
            self.saved.unlink(missing_ok=True)
            shutil.rmtree(place, ignore_errors=True)
            self.folder.rename(place)


def run(
    asked: Asked, wanted: Sequence[Wanted], root: Path, progress: Callable[[Stream], None] | None = None,
    leaving: Callable[[], bool] = bool,
) -> Run:  # fmt: skip
    """Do one run in this process, or take it up where a killed one left it. Never raises for the model's faults.

    Once `leaving()` holds, or nothing more can be written, the run is left "stopped" where the same call goes on.
    """
    torch.set_num_threads(1)
    if asked.device != "cpu":
        torch.set_default_device(asked.device)
        torch.use_deterministic_algorithms(True, warn_only=True)  # its import takes seconds, and the CPU has no need
    shop = Workshop(asked, wanted, root)
    outcome = Run(asked, status="ok", versions=provenance.versions())
    try:
        shop.begin()
        try:
            shop.fit(outcome, progress, leaving)
        except Diverged as error:
            outcome.status, outcome.why = "diverged", str(error)
        except NotImplementedError as error:
            outcome.status, outcome.why = "skipped", str(error) or "the model says that it cannot"
        except Exception as error:
            outcome.status, outcome.why = "failed", f"{type(error).__name__}: {error}"
            outcome.traceback = traceback.format_exc()
        shop.finish(outcome)
    except Stopped as reason:
        outcome.status, outcome.why = "stopped", str(reason)
    return outcome


def rescore(folder: Path, wanted: Sequence[Wanted], versions: dict[str, str]) -> None:
    """Score a finished run's kept evidence by what a changed metric made stale, or what is asked anew."""
    torch.set_num_threads(1)
    done = read_run(folder)
    records = read_scores(folder)
    todo = stale(records, wanted, versions)
    task = make_task(done.asked)
    space = make_space(task)
    names = {want.name for want in todo}
    fresh = [record for record in records if record.metric not in names]
    for place in sorted((folder / "evidence").iterdir()):
        at = float(place.name)
        exam = Exam(task, "test" if at == 1.0 else "valid", space, earlier(place))
        fresh += score(Desk(exam, None, place), todo, at)
    write_scores(folder, sorted(fresh, key=lambda record: record.at))

"""Progress: a bar a run and one overall on a terminal, one plain line a run elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from genbench.execute.local import Job, Watcher


def label(job: Job) -> str:
    return f"{job.asked.task} · {job.asked.model} · seed {job.asked.seed}"


def clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class Lines:
    """For pipes and CI: a line when a run ends."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.begin = total, 0, time.monotonic()

    def started(self, job: Job) -> None:
        pass

    def progressed(self, job: Job, spent: float, rate: float, loss: float | None) -> None:
        pass

    def ended(self, job: Job, status: str, why: str) -> None:
        self.done += 1
        gone = time.monotonic() - self.begin
        left = gone / self.done * (self.total - self.done)
        reason = f" ({why})" if why and status != "ok" else ""
        print(f"[{self.done}/{self.total}] {label(job)}: {status}{reason}; {clock(left)} left", flush=True)


class Bars:
    """For people: every run at work, its loss and speed, and the whole with the time left."""

    def __init__(self, total: int) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self.bars = Progress(
            TextColumn("{task.description:<36}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(), TimeRemainingColumn(), TextColumn("{task.fields[note]}"),
        )  # fmt: skip
        self.overall = self.bars.add_task(f"all {total} runs", total=total, note="")
        self.tasks: dict[str, object] = {}

    def started(self, job: Job) -> None:
        if job.asked.id not in self.tasks:
            self.tasks[job.asked.id] = self.bars.add_task(label(job), total=1.0, note="")

    def progressed(self, job: Job, spent: float, rate: float, loss: float | None) -> None:
        note = f"{rate:,.0f} rows/s" + ("" if loss is None else f"  loss {loss:.4g}")
        self.bars.update(self.tasks[job.asked.id], completed=spent, note=note)  # type: ignore[arg-type]

    def ended(self, job: Job, status: str, why: str) -> None:
        self.bars.remove_task(self.tasks.pop(job.asked.id))  # type: ignore[arg-type]
        self.bars.advance(self.overall)
        if status != "ok":
            self.bars.console.print(f"{label(job)}: {status} ({why})", markup=False, highlight=False)


@contextmanager
def watching(total: int) -> Iterator[Watcher]:
    """The watcher that suits where the output goes."""
    if not sys.stdout.isatty():
        yield Lines(total)
        return
    bars = Bars(total)
    with bars.bars:
        yield bars

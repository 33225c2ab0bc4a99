"""Runs on this machine: a process each, forked from a server that has imported torch once, a process a core.

Workers die with their parent, however it dies; whatever becomes of a worker, its run is recorded and its
neighbours go on.
"""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Protocol

from genbench.record import PARTIAL, Asked, Run, write_run

GRACE = 20.0  # seconds beyond the budget's own before a run that does not answer is killed
BEAT = 0.2  # seconds between two words of progress


@dataclass(frozen=True)
class Job:
    """One run to do, or, with `folder`, a finished one to score anew."""

    asked: Asked
    wanted: tuple[Any, ...]
    folder: Path | None = None
    versions: dict[str, str] = field(default_factory=dict)


class Watcher(Protocol):
    """What is told of the work as it goes on."""

    def started(self, job: Job) -> None: ...
    def progressed(self, job: Job, spent: float, rate: float, loss: float | None) -> None: ...
    def ended(self, job: Job, status: str, why: str) -> None: ...


def die_with_parent() -> None:
    """Exit at once when the process that asked for this one is gone, even if it was killed outright."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch(sentinel: int) -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, args=(parent.sentinel,), daemon=True).start()


def teller(words: Connection) -> Callable[[Any], None]:
    """A progress callback that speaks a few times a second."""
    last = [time.monotonic(), 0]

    def tell(stream: Any) -> None:
        now = time.monotonic()
        if now - last[0] >= BEAT:
            rate = (stream.used - last[1]) / (now - last[0])
            words.send((stream.spent, rate, stream.trace[-1]["loss"] if stream.trace else None))
            last[:] = [now, stream.used]

    return tell


def work(job: Job, root: Path, words: Connection) -> None:
    """A worker's whole life."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    die_with_parent()
    from genbench import run

    if job.folder is not None:
        run.rescore(job.folder, job.wanted, job.versions)
        return
    folder = root / f"{job.asked.id}{PARTIAL}"
    folder.mkdir(parents=True, exist_ok=True)
    log = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    with suppress(OSError):  # held until this process dies: how `genbench status` knows that it lives
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.dup2(log, 1)
    os.dup2(log, 2)
    outcome = run.run(job.asked, job.wanted, root, teller(words))
    words.send((outcome.status, outcome.why))


@dataclass
class Worker:
    """A process at work, and what was last heard of it."""

    job: Job
    process: Any
    words: Connection
    deadline: float | None
    outcome: tuple[str, str] | None = None
    late: bool = False

    def listen(self, watcher: Watcher) -> None:
        try:
            while self.words.poll():
                said = self.words.recv()
                if len(said) == 2:
                    self.outcome = said
                else:
                    watcher.progressed(self.job, *said)
        except (EOFError, OSError):
            pass

    def verdict(self) -> tuple[str, str]:
        """The status of a process that has ended, from its own word or from how it died."""
        if self.outcome:
            return self.outcome
        code = self.process.exitcode
        if self.late:
            return "stopped", f"no end {GRACE:g} s after its {self.job.asked.seconds:g} s; killed"
        if self.job.folder is not None and code == 0:
            return "ok", "scored anew"
        if code is not None and code < 0:
            hint = " (out of memory?)" if -code == signal.SIGKILL else ""
            return "stopped", f"its process was killed by {signal.Signals(-code).name}{hint}"
        return "stopped", f"its process ended with exit code {code}; see log.txt beside its run.json"


def record_stopped(job: Job, root: Path, why: str) -> None:
    """The parent's word on a run that could not write its own: kept beside the checkpoint it goes on from."""
    folder = root / f"{job.asked.id}{PARTIAL}"
    if job.folder is None and folder.exists():
        write_run(folder, Run(job.asked, status="stopped", why=why))


def quiet_environment() -> None:
    """One thread a process: inherited by the forkserver and all it forks."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"


def warm() -> Any:
    """The forkserver, started now and importing torch while the caller goes on."""
    quiet_environment()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["genbench.execute.preload"])
    from multiprocessing import forkserver

    forkserver.ensure_running()
    return context


def execute(
    jobs: Sequence[Job], root: Path, watcher: Watcher, processes: int | None = None
) -> list[tuple[Job, str, str]]:
    """Do all jobs. KeyboardInterrupt stops them, records each as stopped, and is raised again."""
    context = warm()
    main = sys.modules["__main__"]
    spec, main.__spec__ = getattr(main, "__spec__", None), None
    path = getattr(main, "__file__", None)
    if path:
        del main.__file__  # workers need nothing of the command that started them
    todo, busy = list(jobs), list[Worker]()
    done: list[tuple[Job, str, str]] = []
    try:
        while todo or busy:
            while todo and len(busy) < (processes or os.cpu_count() or 1):
                job = todo.pop(0)
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(target=work, args=(job, root, theirs), daemon=False)
                process.start()
                theirs.close()
                seconds = job.asked.seconds
                busy.append(Worker(job, process, ours, time.monotonic() + seconds + GRACE if seconds else None))
                watcher.started(job)
            wait([worker.process.sentinel for worker in busy], timeout=BEAT)
            for worker in list(busy):
                worker.listen(watcher)
                if worker.deadline and time.monotonic() > worker.deadline and worker.process.is_alive():
                    worker.late = True
                    worker.process.kill()
                    worker.process.join()
                if not worker.process.is_alive():
                    worker.process.join()
                    worker.listen(watcher)
                    busy.remove(worker)
                    status, why = worker.verdict()
                    if status == "stopped":
                        record_stopped(worker.job, root, why)
                    done.append((worker.job, status, why))
                    watcher.ended(worker.job, status, why)
    except BaseException:
        for worker in busy:
            worker.process.kill()
            worker.process.join()
            record_stopped(worker.job, root, "interrupted; the same command goes on from here")
        raise
    finally:
        main.__spec__ = spec
        if path:
            main.__file__ = path
    return done

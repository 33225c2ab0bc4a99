"""Runs on this machine: a process each, forked from a server that has imported torch once, a process a core.

Workers die with their parent, however it dies, and what they started dies with them; whatever becomes of a worker,
its run is recorded and its neighbours go on. A worker holds the lock of its run's folder, so that two commands can
share one grid of runs.
"""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Protocol

from genbench.errors import Stopped, writing
from genbench.record import PARTIAL, Asked, Run, read_run, write_run

GRACE = 20.0  # seconds beyond the budget's own that a run may be silent before it is killed
PATIENCE = 5.0  # seconds for a last checkpoint, when all is interrupted
BEAT = 0.2  # seconds between two words of progress
TAKEN = "taken"  # what a worker says of a run that another command is at


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
    """End this group of processes when the one that asked for it is gone, even if it was killed outright."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch(sentinel: int) -> None:
        wait([sentinel])
        os.killpg(0, signal.SIGKILL)

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


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Whether the folder is this process's alone. The lock is the kernel's: it ends with the process, however that
    ends, and is not handed on to a child."""
    held = [os.open(folder, os.O_RDONLY)]

    def let_go() -> None:
        while held:
            os.close(held.pop())

    os.register_at_fork(after_in_child=let_go)
    try:
        fcntl.flock(held[0], fcntl.LOCK_EX | fcntl.LOCK_NB)
        ours = True
    except BlockingIOError:
        ours = False
    try:
        yield ours
    finally:
        let_go()


def work(job: Job, root: Path, words: Connection, memory: int, gpu: str | None) -> None:
    """A worker's whole life, at the head of a group of processes: Ctrl-C is its parent's to answer."""
    os.setsid()
    die_with_parent()
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    if job.asked.device == "cpu":  # a GPU's driver reserves more addresses than there is memory
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    leaving = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: leaving.set())
    try:
        words.send(outcome(job, root, teller(words), leaving.is_set))
    except Stopped as reason:
        words.send(("stopped", str(reason)))


def outcome(job: Job, root: Path, tell: Callable[[Any], None], leaving: Callable[[], bool]) -> tuple[str, str]:
    """Do the job, unless another command is at it or has done it; how it ended."""
    from genbench import run

    finished, folder = root / job.asked.id, job.folder or root / f"{job.asked.id}{PARTIAL}"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with locked(folder) as ours:
        if not ours:
            time.sleep(1.0)  # until it is asked for again
            return TAKEN, ""
        if job.folder:
            run.rescore(job.folder, job.wanted, job.versions)
            return "ok", "scored anew"
        if finished.exists():
            with suppress(OSError):
                folder.rmdir()
            done = read_run(finished)
        else:
            with writing(folder):
                log = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            os.dup2(log, 1)
            os.dup2(log, 2)
            done = run.run(job.asked, job.wanted, root, tell, leaving)
        return done.status, done.why


@dataclass
class Worker:
    """A process at work, and what was last heard of it."""

    job: Job
    process: Any
    words: Connection
    heard: float
    gpu: str | None = None
    outcome: tuple[str, str] | None = None
    late: bool = False

    def listen(self, watcher: Watcher) -> None:
        try:
            while self.words.poll():
                said = self.words.recv()
                self.heard = time.monotonic()
                if len(said) == 2:
                    self.outcome = said
                else:
                    watcher.progressed(self.job, *said)
        except (EOFError, OSError):
            pass

    def silent(self) -> bool:
        """For longer than a run of its budget can be: evaluations are not told of, but take no such time."""
        seconds = self.job.asked.seconds
        return seconds is not None and time.monotonic() - self.heard > seconds + GRACE

    def end(self) -> None:
        """With all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.join()

    def verdict(self) -> tuple[str, str]:
        """The status of a process that has ended, from its own word or from how it died."""
        if self.outcome:
            return self.outcome
        code = self.process.exitcode
        if self.late:
            return "stopped", f"no word for {GRACE:g} s more than its {self.job.asked.seconds:g} s; killed"
        if code is not None and code < 0:
            hint = " (out of memory?)" if -code == signal.SIGKILL else ""
            return "stopped", f"its process was killed by {signal.Signals(-code).name}{hint}"
        return "stopped", f"its process ended with exit code {code}; see log.txt beside its run.json"


def record_stopped(job: Job, root: Path, why: str) -> None:
    """The parent's word on a run that could not write its own: kept beside the checkpoint it goes on from. None where
    another command is at that run, or nothing can be written."""
    folder = root / f"{job.asked.id}{PARTIAL}"
    if job.folder is None and folder.exists():
        with suppress(Stopped), locked(folder) as ours:
            if ours:
                write_run(folder, Run(job.asked, status="stopped", why=why))


def quiet_environment() -> None:
    """One thread a process, and a GPU's sums in one order: inherited by the forkserver and all it forks."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
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


def whole_memory() -> int:
    """Of this machine, in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def gpus(device: str) -> list[str | None]:
    """The GPUs to share out, one a run; none where all runs are on one device."""
    if device != "cuda":
        return []
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name for name in visible.split(",") if name]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]


def execute(
    jobs: Sequence[Job], root: Path, watcher: Watcher, processes: int | None = None, memory: int | None = None
) -> list[tuple[Job, str, str]]:
    """Do all jobs, so many at a time (one a core, or one a GPU), none with more `memory` than that (bytes; all).

    KeyboardInterrupt stops them, each at a checkpoint if it gets to one soon, and is raised again.
    """
    context = warm()
    main = sys.modules["__main__"]
    spec, main.__spec__ = getattr(main, "__spec__", None), None
    path = getattr(main, "__file__", None)
    if path:
        del main.__file__  # workers need nothing of the command that started them
    todo, busy = list(jobs), list[Worker]()
    done: list[tuple[Job, str, str]] = []
    slots = gpus(jobs[0].asked.device)[:processes] or [None] * (processes or os.cpu_count() or 1)
    try:
        while todo or busy:
            while todo and slots:
                job, gpu = todo.pop(0), slots.pop()
                ours, theirs = context.Pipe(duplex=False)
                given = (job, root, theirs, memory or whole_memory(), gpu)
                process = context.Process(target=work, args=given, daemon=False)
                process.start()
                theirs.close()
                busy.append(Worker(job, process, ours, time.monotonic(), gpu))
                watcher.started(job)
            wait([worker.process.sentinel for worker in busy], timeout=BEAT)
            for worker in list(busy):
                worker.listen(watcher)
                worker.late = worker.silent() and worker.process.is_alive()
                if worker.late or not worker.process.is_alive():
                    worker.end()
                    worker.listen(watcher)
                    busy.remove(worker)
                    slots.append(worker.gpu)
                    status, why = worker.verdict()
                    if status == TAKEN:
                        todo.append(worker.job)
                        continue
                    if status == "stopped":
                        record_stopped(worker.job, root, why)
                    done.append((worker.job, status, why))
                    watcher.ended(worker.job, status, why)
    except BaseException:
        for worker in busy:
            worker.process.terminate()
        end = time.monotonic() + PATIENCE
        for worker in busy:
            worker.process.join(max(0.0, end - time.monotonic()))
            worker.end()
            record_stopped(worker.job, root, "interrupted; the same command goes on from here")
        raise
    finally:
        main.__spec__ = spec
        if path:
            main.__file__ = path
    return done

"""Runs on a Ray cluster: Ray finds each a node with room for it, where it is carried out as on this machine.

No disk is shared: what there is of a run is sent along, and its folder comes back through Ray's object store. Each
process that Ray keeps on a node has a forkserver, which stays warm from run to run, and its run ends with it: if it or
its node is lost, Ray does the run again elsewhere. The nodes need this genbench, and the files that tasks read.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ray
from ray.exceptions import RayError

from genbench import provenance
from genbench.errors import BadInput, Stopped, writing
from genbench.execute import local
from genbench.execute.local import Job, Watcher, locked, record_stopped
from genbench.progress import Lines
from genbench.record import FINISHED, PARTIAL, whole

TRIES = 3  # more, for a run whose process or node was lost
Parcel = dict[str, bytes | None]


def packed(folder: Path) -> Parcel:
    """All that is in a folder, by relative path; None for a folder. A checkpoint comes last: it speaks for the rest."""
    paths = sorted(folder.rglob("*"), key=lambda path: path.name == "checkpoint.safetensors")
    return {str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes() for path in paths}


def unpack(parcel: Parcel, folder: Path) -> None:
    """Each file whole or absent."""
    for name, content in parcel.items():
        if content is None:
            (folder / name).mkdir(parents=True, exist_ok=True)
            continue
        with whole(folder / name) as beside:
            beside.write_bytes(content)


def place(job: Job, root: Path, status: str = "stopped") -> Path:
    """The folder of a run, whole or in the making."""
    return root / (job.asked.id if job.folder or status in FINISHED else f"{job.asked.id}{PARTIAL}")


def carry_out(job: Job, sent: Parcel, memory: int | None) -> tuple[str, str, Parcel]:
    """On a node: the run's status, why, and all that its folder then holds."""
    asked, here = job.asked, provenance.versions()["torch"]
    if asked.torch != here:
        return "stopped", f"{os.uname().nodename} has torch {here}, not {asked.torch}; install the same", sent
    if asked.code != provenance.code(*provenance.HARNESS, asked.model_ref, asked.task_ref):
        return "stopped", f"{os.uname().nodename} has other code; install the same there", sent
    with TemporaryDirectory(prefix="genbench-") as folder:
        root = Path(folder)
        if sent:
            place(job, root).mkdir()
            unpack(sent, place(job, root))
        there = replace(job, folder=place(job, root)) if job.folder else job
        ((_, status, why),) = local.execute([there], root, Lines(1), 1, memory)
        return status, why, packed(place(job, root, status))


def settle(job: Job, status: str, parcel: Parcel, root: Path) -> None:
    """Give what came back its place, unless another command is at that run or has finished it."""
    folder, finished = place(job, root), place(job, root, status)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with locked(folder) as ours:
        if not ours:
            return
        with writing(folder):
            if folder != finished:  # the node was sent all of it, and took some away
                for old in folder.iterdir():
                    shutil.rmtree(old) if old.is_dir() else old.unlink()
            unpack(parcel, folder)
            if folder != finished:
                shutil.rmtree(finished, ignore_errors=True)
            folder.rename(finished)


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """To the cluster at HOST:PORT; without an address to the one that is up here, else to one of this machine alone."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ours = signal.getsignal(signal.SIGTERM)
    try:
        if address:  # Ray itself would try for minutes
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), timeout=10).close()
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:  # not there, of another version, no address
        raise BadInput(f"no Ray cluster to use at {address}: {error}; `ray start --head` says HOST:PORT") from None
    signal.signal(signal.SIGTERM, ours)
    try:
        yield
    except SystemExit:  # Ray's way to say so
        raise Stopped("Ray's process on this machine is gone; the same command goes on from here") from None
    finally:
        ray.shutdown()  # which ends what we left running


def claim(device: str, memory: int | None) -> dict[str, Any]:
    """What a run takes of its node. BadInput where no node has it, for Ray would wait for one forever."""
    wanted = {"CPU": 1, "GPU": int(device.startswith("cuda")), "memory": memory or 0}
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(all(node.get(name, 0) >= n for name, n in wanted.items()) for node in nodes):
        told = ", ".join(f"{n:g} {name}" for name, n in wanted.items() if n)
        raise BadInput(f"no node of the Ray cluster has {told} for a run; see `ray status`")
    return {"num_cpus": wanted["CPU"], "num_gpus": wanted["GPU"], "memory": wanted["memory"], "max_retries": TRIES}


def execute(
    jobs: Sequence[Job], root: Path, watcher: Watcher, processes: int | None = None, memory: int | None = None,
    address: str | None = None,
) -> list[tuple[Job, str, str]]:  # fmt: skip
    """Do all jobs on a cluster, so many at a time (as many as it has room for), each with so many bytes of memory.

    KeyboardInterrupt ends them where they are and is raised again; what came back by then stays.
    """
    todo, busy, done = list(jobs), dict[Any, Job](), list[tuple[Job, str, str]]()
    with connected(address):
        do = ray.remote(carry_out).options(scheduling_strategy="SPREAD", **claim(jobs[0].asked.device, memory))
        while todo or busy:
            most = processes or 2 * int(ray.cluster_resources().get("CPU", 1))  # as many wait, that no node does
            while todo and len(busy) < most:
                job = todo.pop(0)
                there = place(job, root)
                busy[do.remote(job, packed(there) if there.exists() else {}, memory)] = job
            for ended in ray.wait(list(busy))[0]:
                job = busy.pop(ended)
                try:
                    status, why, parcel = ray.get(ended)
                    settle(job, status, parcel, root)
                except RayError as error:
                    status, why = "stopped", f"lost by Ray: {str(error).splitlines()[0]}"
                    place(job, root).mkdir(parents=True, exist_ok=True)
                except Stopped as error:
                    status, why = "stopped", str(error)
                if status == "stopped":
                    record_stopped(job, root, why)
                done.append((job, status, why))
                watcher.started(job)
                watcher.ended(job, status, why)
    return done

"""What it costs to carry runs out: a run's start after the first, two workers against one, Ray against none of it."""

import os
import sys
import time

import pytest
from test_execute import Silent, job
from test_ray import ROOM, Cluster
from test_ray import job as sent

from genbench import run
from genbench.execute import local
from genbench.execute import ray as there


class Clock(Silent):
    """When each run ended."""

    def __init__(self):
        super().__init__()
        self.times = []

    def ended(self, job, status, why):
        assert status == "ok", why
        self.times.append(time.perf_counter())


def pace(execute, jobs, root, *given, **more):
    """Seconds from one end of a run to the next, over the second half of them, when all is warm."""
    clock = Clock()
    execute(jobs, root, clock, *given, **more)
    half = len(jobs) // 2
    return (clock.times[-1] - clock.times[half - 1]) / (len(jobs) - half)


def alone(jobs, root):
    """Seconds of a run in this process."""
    begin = time.perf_counter()
    for number, j in enumerate(jobs):
        run.run(j.asked, j.wanted, root)
        if number == 0:  # which imports
            begin = time.perf_counter()
    return (time.perf_counter() - begin) / (len(jobs) - 1)


def told(benchmark, what, seconds, most):
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info["seconds"] = seconds
    print(f"\n{what}: {1000 * seconds:.0f} ms (at most {1000 * most:.0f} asked)")
    assert seconds <= most


def many(make, n, model="things:Good"):
    return [make(model, seed=seed) for seed in range(n)]


def test_start_of_a_run_after_the_first(tmp_path, benchmark):
    whole = pace(local.execute, many(job, 40), tmp_path / "processes", 1)
    told(benchmark, "start-up", whole - alone(many(job, 20), tmp_path / "alone"), 0.15)


def test_two_workers_against_one(tmp_path, race):
    jobs = [job("vae", seed=seed, examples=200_000) for seed in range(24)]
    folders = iter(range(100))

    def at_a_time(processes):
        return lambda: pace(local.execute, jobs, tmp_path / str(next(folders)), processes)

    race("24 runs, two workers", "one worker", at_a_time(2), at_a_time(1), least=1.8, rounds=1)


@pytest.fixture
def cluster(monkeypatch):
    """Of nodes with a CPU each, so many as are asked for."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    monkeypatch.setenv("RAY_worker_niceness", "0")  # as our own processes, on a machine that has others
    found = Cluster(initialize_head=True, head_node_args={**ROOM, "num_cpus": 0, "include_dashboard": False})

    def of(nodes):
        for number in range(len(found.worker_nodes), nodes):
            found.add_node(**ROOM, node_ip_address=f"127.0.0.{2 + number}")
        return found.address

    yield of
    found.shutdown()


def test_ray_on_top_of_a_process_a_run(cluster, tmp_path, benchmark):
    here = pace(local.execute, many(sent, 40), tmp_path / "here", 1)
    ray = pace(there.execute, many(sent, 40), tmp_path / "there", address=cluster(1))
    told(benchmark, "Ray", ray - here, 0.2)


@pytest.mark.parametrize("workers", [1, 2, 4, 8])
def test_runs_of_a_second_against_workers(workers, cluster, tmp_path, benchmark):
    """Naps take no core, so that the machine may have fewer."""
    each = pace(there.execute, many(sent, 8 * workers, "things:Naps"), tmp_path, address=cluster(workers))
    told(benchmark, f"{workers} workers, a run each", each * workers, 1.5)

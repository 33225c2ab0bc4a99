"""Many runs: a process each; one that dies takes nobody with it, and the same command finishes the rest."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from genbench import catalogue
from genbench.execute.local import Job, execute
from genbench.record import PARTIAL, Asked, Wanted, read_results, read_run

HERE = Path(__file__).parent
METRICS = (Wanted("frechet"),)


def job(model, seconds=60.0, **more):
    ref = catalogue.reference("models", model)
    more = {"seed": 0, "examples": 2000, **more}
    return Job(
        Asked("ring8", model, task_ref=catalogue.reference("tasks", "ring8"), model_ref=ref, seconds=seconds, **more),
        METRICS,
    )


class Silent:
    """A watcher that only remembers."""

    def __init__(self):
        self.words = []

    def started(self, job): ...

    def progressed(self, job, spent, rate, loss):
        self.words.append((job.asked.model, spent))

    def ended(self, job, status, why): ...


def test_each_death_is_a_status_and_the_neighbours_finish(tmp_path, monkeypatch):
    monkeypatch.setattr("genbench.execute.local.GRACE", 3.0)
    names = ["Good", "NaN", "Raises", "Killed", "Exits", "Declines", "Allocates", "Forks"]
    jobs = [job(f"things:{name}") for name in names] + [job("things:Hangs", seconds=1.0), job("things:Good", seed=1)]
    told = execute(jobs, tmp_path, Silent(), 2, memory=2 * 10**9)
    ended = {(j.asked.model, j.asked.seed): (status, why) for j, status, why in told}
    assert {model: status for (model, _), (status, _) in ended.items()} == {
        "things:Good": "ok", "things:NaN": "diverged", "things:Raises": "failed", "things:Killed": "stopped",
        "things:Exits": "stopped", "things:Declines": "skipped", "things:Hangs": "stopped",
        "things:Allocates": "failed", "things:Forks": "ok",
    }  # fmt: skip
    assert "allocate memory" in ended["things:Allocates", 0][1]
    assert "SIGKILL" in ended["things:Killed", 0][1]
    assert "exit code 7" in ended["things:Exits", 0][1]
    assert "no word" in ended["things:Hangs", 0][1]
    kept = {result.run.asked.model: result.run.status for result in read_results(tmp_path)}
    assert kept == {model: status for (model, _), (status, _) in ended.items()}
    if sys.platform == "linux":
        until(lambda: not workers(tmp_path), 5)


def command(tmp_path, *more):
    return [
        sys.executable, "-m", "genbench.cli", "run", "ring8", "--models", "things:Slow,things:Good", "--seeds", "2",
        "--metrics", "frechet", "--examples", "20000", "--runs", str(tmp_path / "runs"),
        "--out", str(tmp_path / "out"), *more,
    ]  # fmt: skip


def until(condition, seconds=90.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def workers(root):
    """Processes at work below a folder, by what they hold open."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(root) in os.readlink(fd) for fd in (process / "fd").iterdir()):
                found.append(int(process.name))
        except OSError:
            continue
    return found


def scores(folder):
    return {path.parent.name: path.read_text() for path in sorted(folder.rglob("scores.jsonl"))}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    done = subprocess.run(command(folder), cwd=HERE, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert f"report: {folder / 'out'}" in done.stdout
    return folder


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("victim", ["parent", "worker"])
def test_kill_9_and_the_same_command_ends_in_the_same_scores(victim, undisturbed, tmp_path):
    root = tmp_path / "runs" / "ring8"
    first = subprocess.Popen(command(tmp_path), cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    until(lambda: list(root.glob(f"*Slow*{PARTIAL}/checkpoint.safetensors")))
    at_work = [pid for pid in workers(root) if pid != first.pid]
    assert at_work
    os.kill(first.pid if victim == "parent" else at_work[0], signal.SIGKILL)
    first.communicate(timeout=120)
    until(lambda: not workers(root), 20)
    if victim == "worker":
        stopped = [run for folder in root.glob(f"*{PARTIAL}") for run in [read_run(folder)]]
        assert [run.status for run in stopped] == ["stopped"]
    again = subprocess.run(command(tmp_path), cwd=HERE, capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stderr
    assert scores(root) == scores(undisturbed / "runs" / "ring8")
    assert not list(root.glob(f"*{PARTIAL}"))


def test_two_commands_share_one_folder(undisturbed, tmp_path):
    both = [subprocess.Popen(command(tmp_path), cwd=HERE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    root = tmp_path / "runs" / "ring8"
    assert scores(root) == scores(undisturbed / "runs" / "ring8")
    assert not list(root.glob(f"*{PARTIAL}"))


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("word", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_is_recorded_and_leaves_no_process(word, tmp_path):
    root = tmp_path / "runs" / "ring8"
    first = subprocess.Popen(command(tmp_path), cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: list(root.glob(f"*Slow*{PARTIAL}/checkpoint.safetensors")))
    first.send_signal(word)
    _, complaint = first.communicate(timeout=60)
    assert first.returncode == 130
    assert complaint.strip() == "genbench: interrupted; the same command goes on from here"
    assert not workers(root)
    stopped = [read_run(folder) for folder in root.glob(f"*{PARTIAL}") if (folder / "run.json").exists()]
    assert stopped
    assert {run.why for run in stopped} == {"interrupted; the same command goes on from here"}


def test_a_second_call_does_nothing(undisturbed):
    before = {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*") if path.is_file()}
    again = subprocess.run(command(undisturbed), cwd=HERE, capture_output=True, text=True, timeout=300)
    assert "4 runs, 4 finished before" in again.stdout
    assert {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*") if path.is_file()} == before

"""A run that is killed at any moment and started again ends in the bits of one that was left alone.

Every kill is real: the run is a process of its own, which sends itself SIGKILL.
"""

import os
import random
import resource
import signal
import traceback
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from baselines.play import Player
from genbench import catalogue, checkpoint
from genbench import run as running
from genbench.budget import Stream
from genbench.execute import preload  # noqa: F401
from genbench.record import PARTIAL, Asked, Wanted, read_run

METRICS = tuple(map(Wanted, ("frechet", "likelihood_bound", "reconstruction")))
TASKS = (  # a model is tried on the first that it does not decline
    "digits", "digits-binary", "documents", "ring8-wide", "cube", "quadratic-saddle", "rock-paper-scissors",
)  # fmt: skip
QUICK = ("vae", "gan-vbn", "gmm", "things:Stages")
KILLS = 20
ROWS = 200  # of each split


@pytest.fixture(autouse=True)
def few_rows(monkeypatch):
    """What is evaluated is not the point here, only that it is the same."""
    whole = running.make_task

    def make_task(run):
        task = whole(run)
        few = {name: task.split(name)[:ROWS] for name in ("train", "valid", "test", "spare")}
        return replace(task, **few)

    monkeypatch.setattr(running, "make_task", make_task)


def asked(model, task="digits"):
    examples = ROWS + 3000  # the preamble may take all rows once
    ref = catalogue.reference("models", model)
    return Asked(
        task, model, 0, examples, task_ref=catalogue.reference("tasks", task), model_ref=ref, at=(0.1, 0.55),
        checkpoint=700,
    )  # fmt: skip


def alone(work):
    """Do it in a process of its own; how that ended, as `os.waitpid` tells."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    try:
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def watched(moment):
    """Call moment(word) at whatever happens in a run, and before each step of each writing."""

    def before(owner, name, word):
        real = getattr(owner, name)

        def told(self, *args, **more):
            moment(word(self))
            return real(self, *args, **more)

        setattr(owner, name, told)

    before(Stream, "batches", lambda stream: "a stage begins")
    before(Stream, "draw", lambda stream: f"a draw of stage {stream.stage}")
    before(Player, "step", lambda player: f"{player.name} moves")
    before(Path, "replace", lambda beside: f"{beside.name.split('.')[1]} is written beside")
    before(Path, "rename", lambda folder: "the folder gets its name")
    before(running.Workshop, "finish", lambda shop: "all is scored")
    save = checkpoint.save_file

    def torn(tensors, file, metadata=None):
        save(tensors, file, metadata)
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2])
        moment(f"{file.name.split('.')[1]} is half written")
        file.write_bytes(whole)

    checkpoint.save_file = torn


def moments(run, folder):
    """All that happens in a run that is left alone: words, in order."""
    told = folder / "told.txt"

    def work():
        words = []
        watched(words.append)
        running.run(run, METRICS, folder)
        told.write_text("\n".join(words))

    assert os.WEXITSTATUS(alone(work)) == 0
    return told.read_text().splitlines()


def killed(run, folder, word, nth):
    """Whether the run was killed when `word` was told for the nth time; else it came to its end without."""
    left = iter(range(nth))

    def moment(told):
        if told == word and next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    def work():
        watched(moment)
        running.run(run, METRICS, folder)

    ended = alone(work)
    assert os.WIFSIGNALED(ended) or os.WEXITSTATUS(ended) == 0
    return os.WIFSIGNALED(ended)


def picked(words, n, dice):
    """n moments as (word, which time), every kind of them before any kind again."""
    kinds = Counter(words)
    rounds = [dice.sample(sorted(kinds), len(kinds)) for _ in range(-(-n // len(kinds)))]
    return [(word, dice.randrange(kinds[word])) for order in rounds for word in order][:n]


def left(folder, run):
    """All that must be bit-equal: every file, with the record less its costs."""
    place = folder / run.id
    kept = {}
    for path in sorted(place.rglob("*")):
        if path.suffix == ".safetensors":
            kept[path.relative_to(place)] = load_file(path)
        elif path.is_file() and path.name != "run.json":
            kept[path.relative_to(place)] = path.read_text()
    done = read_run(place)
    cost = {name: done.cost.get(name) for name in ("examples", "flops", "parameters")}
    return {**kept, "run": asdict(replace(done, cost=cost))}


def assert_same(one, other):
    assert one.keys() == other.keys()
    for path, mine in one.items():
        if isinstance(mine, dict) and path != "run":
            assert mine.keys() == other[path].keys(), path
            assert all(torch.equal(value, other[path][name]) for name, value in mine.items()), path
        else:
            assert mine == other[path], path


def check(model, kills, tmp_path):
    """A run is killed again and again; when it gets to its end all the same, the next one takes its place."""
    for task in TASKS:
        run = asked(model, task)
        words = moments(run, tmp_path / task)
        whole = left(tmp_path / task, run)
        if whole["run"]["status"] != "skipped":
            break
    assert whole["run"]["status"] == "ok"
    folder = tmp_path / "0"
    for number, moment in enumerate(picked(words, kills, random.Random(model)), 1):
        if not killed(run, folder, *moment):
            assert_same(left(folder, run), whole)
            folder = tmp_path / str(number)
            assert killed(run, folder, *moment)
        assert (folder / f"{run.id}{PARTIAL}").exists()
    assert not killed(run, folder, "never", 0)
    assert not (folder / f"{run.id}{PARTIAL}").exists()
    assert_same(left(folder, run), whole)


@pytest.mark.parametrize("model", QUICK)
def test_one_kill(model, tmp_path):
    check(model, 1, tmp_path)


def test_a_run_that_is_asked_to_stop_keeps_all_that_it_did(tmp_path):
    run = asked("vae")
    running.run(run, METRICS, tmp_path / "whole")
    rounds = iter(range(7))
    stopped = running.run(run, METRICS, tmp_path / "cut", leaving=lambda: next(rounds, None) is None)
    assert (stopped.status, stopped.why) == ("stopped", "asked to stop; the same command goes on from here")
    kept = checkpoint.load(tmp_path / "cut" / f"{run.id}{PARTIAL}" / "checkpoint.safetensors")
    assert kept["stream"]["used"] == 8 * 64
    running.run(run, METRICS, tmp_path / "cut")
    assert_same(left(tmp_path / "cut", run), left(tmp_path / "whole", run))


@pytest.mark.parametrize("most", [2_000, 20_000, 100_000])
def test_a_run_that_cannot_write_is_stopped_and_not_failed(most, tmp_path):
    """A limit to the size of a file stands in for a full disk; tests/test_chaos.py has the real thing."""
    run = asked("vae")
    running.run(run, METRICS, tmp_path / "whole")

    def work():
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        stopped = running.run(run, METRICS, tmp_path / "cut")
        assert (stopped.status, stopped.why.split()[:2]) == ("stopped", ["cannot", "write"])

    assert alone(work) == 0
    running.run(run, METRICS, tmp_path / "cut")
    assert_same(left(tmp_path / "cut", run), left(tmp_path / "whole", run))


def test_a_checkpoint_that_cannot_be_read_counts_for_none(tmp_path):
    run = asked("gmm")
    running.run(run, METRICS, tmp_path / "whole")
    place = tmp_path / "cut" / f"{run.id}{PARTIAL}"
    place.mkdir(parents=True)
    (place / "checkpoint.safetensors").write_bytes(b"what is this")
    running.run(run, METRICS, tmp_path / "cut")
    assert_same(left(tmp_path / "cut", run), left(tmp_path / "whole", run))


@pytest.mark.slow
@pytest.mark.parametrize("model", [*sorted(catalogue.names("models")), "things:Stages"])
def test_many_kills(model, tmp_path):
    check(model, KILLS, tmp_path)

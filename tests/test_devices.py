"""Other devices than the CPU, as far as a machine without one can tell.

On torch's device `meta` tensors have shapes and no values, and nothing made on the CPU by mistake goes with them. What
must look at values cannot be tried there, and is skipped. No GPU was at hand: that its kernels give the same bits
again, and `mps` altogether, is untested but for the last test, which runs where there is a device.
"""

import os
import time
from contextlib import suppress

import pytest
import torch
from test_execute import Silent, job
from test_resume import assert_same, left
from things import Good

from baselines.play import Player
from genbench import catalogue
from genbench.budget import UNCOUNTED, Budget, Stage, Stream
from genbench.execute import local
from genbench.run import built
from genbench.task import Batch


class Enough(Exception):
    """Of the steps that players took."""


class Away(Stream):
    """Rows with no values, but for their number."""

    def draw(self, n):
        return Batch(*(None if part is None else part.to("meta") for part in super().draw(n)))


@pytest.fixture
def steps(monkeypatch):
    """The players' names as they step; nothing looks at a loss, and no optimizer at its device."""

    def unfused(optimizer):
        plain = optimizer.__init__

        def init(self, *given, fused=None, **more):
            plain(self, *given, **more)

        monkeypatch.setattr(optimizer, "__init__", init)

    def taking(self, gradients):
        step(self, gradients)
        taken.append(self.name)
        if len(taken) == 6:
            raise Enough

    taken, step = [], Player.step
    unfused(torch.optim.Adam)
    unfused(torch.optim.SGD)
    monkeypatch.setattr(Player, "step", taking)
    monkeypatch.setattr(Stage, "turn", lambda self, player: (False, UNCOUNTED))
    return taken


def on_meta(build, task):
    with torch.device("meta"), suppress(Enough):
        built(build, task).fit(Away(task, Budget(2000)))


TASKS = {name: catalogue.load("tasks", name)() for name in ("digits", "digits-binary", "documents")}


@pytest.mark.parametrize("model", sorted(catalogue.names("models")))
def test_nothing_is_made_on_the_cpu_by_mistake(model, steps):
    for task in TASKS.values():
        try:
            on_meta(catalogue.load("models", model), task)
            break
        except NotImplementedError:
            continue
        except RuntimeError as error:
            if "on meta tensors" not in str(error):
                raise
            break
    if not steps:
        pytest.skip("no player of it steps without a look at values")


class AtHome(Good):
    def fit(self, stream):
        here = torch.ones((), device="cpu").expand(self.shape)
        self.train_with(stream, lambda x, y: (x - self.mean - here).square().mean())


def test_what_is_made_on_the_cpu_by_mistake_is_found_out(steps):
    with pytest.raises(RuntimeError, match="device"):
        on_meta(AtHome, TASKS["digits"])


def test_gpus_are_shared_out_one_a_run(tmp_path, monkeypatch):
    monkeypatch.setattr(local, "gpus", lambda device: ["3", "5"])
    jobs = [job("things:SeesGPU", seed=seed) for seed in range(5)]
    begin = time.monotonic()
    told = [why for _, _, why in local.execute(jobs, tmp_path, Silent())]
    assert {"RuntimeError: 3", "RuntimeError: 5"} == set(told)
    assert time.monotonic() - begin > 1.5  # five naps of half a second, two at a time


def test_those_that_the_environment_shows_are_the_ones(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,7")
    assert [local.gpus(device) for device in ("cuda", "cuda:1", "mps", "cpu")] == [["2", "7"], [], [], []]


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_here_is_one_line(device, genbench):
    if os.environ.get("CUDA_VISIBLE_DEVICES") or torch.cuda.is_available() or torch.backends.mps.is_available():
        pytest.skip("it may be here")
    said = genbench("run", "ring8", "--device", device)
    assert (said.returncode, said.stderr.count("\n")) == (2, 1)
    assert f"--device {device}: " in said.stderr


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_run_on_the_device_at_hand_ends_in_the_same_bits(device, tmp_path):
    if not (torch.cuda.is_available() if device == "cuda" else torch.backends.mps.is_available()):
        pytest.skip(f"no {device} here")
    run = job("vae", device=device)
    for place in ("once", "again"):
        ((_, status, why),) = local.execute([run], tmp_path / place, Silent())
        assert (status, why) == ("ok", "")
    assert_same(left(tmp_path / "once", run.asked), left(tmp_path / "again", run.asked))

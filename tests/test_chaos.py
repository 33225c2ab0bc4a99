"""Everything that can go wrong, at once and in no order: nothing is lost, nothing is torn, the same command ends it."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress

import pytest
import yaml
from safetensors.torch import load_file
from test_execute import HERE, until, workers

from genbench.execute.local import locked
from genbench.record import PARTIAL, read_run, read_scores

FAULTS = 40
ROOM = "32m"
MISBEHAVED = {  # and what becomes of each in the end
    "things:Raises": "failed", "things:NaN": "diverged", "things:NaNSamples": "ok", "things:WrongShape": "ok",
    "things:Allocates": "failed", "things:Forks": "ok", "things:Hangs": "stopped", "things:Exits": "stopped",
}  # fmt: skip


def allowed(*words):
    return shutil.which(words[0]) and subprocess.run(words, capture_output=True).returncode == 0


# Root may write anywhere, unless that power is dropped.
MORTAL = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []


@pytest.fixture
def disk(tmp_path):
    """A small disk of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    if not allowed("mount", "-t", "tmpfs", "-o", f"size={ROOM}", "none", str(place)):
        pytest.skip("a small disk cannot be mounted here")
    yield place
    until(lambda: allowed("umount", str(place)))


class Chaos:
    """Commands at work on one folder, and what befalls them."""

    def __init__(self, folder, file, dice):
        self.runs, self.file, self.dice = folder / "runs", file, dice
        self.root, self.ballast = self.runs / "smoke", folder / "ballast"
        self.commands, self.count = [], Counter()

    def start(self):
        words = ["-m", "genbench.cli", "run", "smoke", "--file", str(self.file), "--memory", "1.5"]
        words += ["--runs", str(self.runs), "--out", str(self.file.parent / "page"), "--processes", "2"]
        command = subprocess.Popen(
            [*MORTAL, sys.executable, *words], cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.commands.append(command)
        return command

    def alive(self):
        self.commands = [command for command in self.commands if command.poll() is None]
        return self.commands

    # Faults

    def a_worker_is_killed(self):
        if at_work := workers(self.root):
            with suppress(ProcessLookupError):
                os.kill(self.dice.choice(at_work), signal.SIGKILL)

    def a_parent_is_killed(self):
        self.dice.choice(self.alive()).kill()

    def a_parent_is_told_to_stop(self):
        self.dice.choice(self.alive()).terminate()

    def a_second_command(self):
        if len(self.alive()) < 2:
            self.start()

    def the_disk_is_full(self):
        with suppress(OSError), self.ballast.open("wb") as file:
            while True:
                file.write(bytes(2**14))
                file.flush()
        self.wait()
        self.ballast.unlink()

    def the_folder_is_read_only(self):
        folders = [self.root, *(path for path in self.root.rglob("*") if path.is_dir())]
        for mode in (0o555, 0o755):
            for folder in folders:
                with suppress(FileNotFoundError):
                    folder.chmod(mode)
            self.wait()

    def wait(self):
        time.sleep(self.dice.uniform(0.2, 3.0))

    def befall(self):
        self.alive() or self.start()
        until(lambda: workers(self.root) or not self.alive(), 600)
        self.wait()
        if self.alive():
            fault = self.dice.choice(
                [self.a_worker_is_killed, self.a_parent_is_killed, self.a_parent_is_told_to_stop,
                 self.a_second_command, self.the_disk_is_full, self.the_folder_is_read_only]
            )  # fmt: skip
            fault()
            self.count[fault.__name__.replace("_", " ")] += 1


def benchmark(folder):
    """smoke, with the misbehaved among its models, and less time to hang."""
    smoke = yaml.safe_load((HERE.parent / "benchmarks.yaml").read_text())["smoke"]
    smoke["models"] += list(MISBEHAVED)
    smoke["budget"]["seconds"] = 5
    smoke["seeds"], smoke["findings"] = 1, {}
    file = folder / "benchmarks.yaml"
    file.write_text(yaml.safe_dump({"smoke": smoke}))
    return file, [(task, model) for task in smoke["tasks"] for model in smoke["models"]]


def torn(root):
    """Files that are not whole, and what a killed writer left beside."""
    found = []
    for path in (path for path in root.rglob("*") if path.is_file()):
        try:
            if path.suffix == ".safetensors":
                load_file(path)
            elif path.suffix in (".json", ".jsonl"):
                [json.loads(line) for line in ([path.read_text()] if path.suffix == ".json" else path.open())]
        except Exception as error:
            found.append((path, error))
        found += [(path, "left beside")] if path.name.startswith(".") else []
    return found


def scores(root):
    return {read_run(path.parent).id: read_scores(path.parent) for path in root.glob("*/run.json")}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.skipif(bool(MORTAL) and not allowed(*MORTAL, "true"), reason="root cannot be kept from writing")
def test_chaos(disk, tmp_path, capsys):
    file, pairs = benchmark(tmp_path)
    chaos = Chaos(disk, file, random.Random(0))
    while sum(chaos.count.values()) < FAULTS:
        chaos.befall()
    for command in chaos.alive():
        command.communicate(timeout=600)
    said, _ = chaos.start().communicate(timeout=600)
    assert "report: " in said, said
    until(lambda: not workers(disk), 5)

    found = {}
    for place in chaos.root.iterdir():
        done = read_run(place)
        assert place.name.endswith(PARTIAL) == (done.status == "stopped")
        assert (done.asked.task, done.asked.model) not in found
        found[done.asked.task, done.asked.model] = done.status
        with locked(place) as free:
            assert free, f"{place} is still locked"
    assert found == {(task, model): MISBEHAVED.get(model, "ok") for task, model in pairs}
    assert torn(chaos.root) == []

    undisturbed = Chaos(tmp_path, file, random.Random(0))
    undisturbed.start().communicate(timeout=600)
    assert scores(chaos.root) == scores(undisturbed.root)
    with capsys.disabled():
        faults = ", ".join(f"{word}: {n}" for word, n in sorted(chaos.count.items()))
        print(f"\n{FAULTS} faults ({faults}) upon {len(pairs)} runs: lost 0, torn 0")

"""Files that lie: whatever they hold, a reader gives what it read or one clear line, soon, and writes nowhere."""

import io
import json
import os
import signal
import sys
from contextlib import contextmanager, suppress
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.transforms.v2  # seconds, which are no input's fault  # noqa: F401
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save

from genbench import bench
from genbench.errors import BadInput
from genbench.record import Asked, Record, Run, read_results
from genbench.sources import from_array, from_folder, from_run
from genbench.tasks.files import npz

FAST, SLOW = 60, 13_000  # inputs a reader; there are eight
SECONDS = 20.0  # that one input may take, on a busy machine
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.system", "os.exec",
           "os.posix_spawn", "subprocess.Popen", "shutil.rmtree"}  # fmt: skip
watching: list[Path] = []
strayed: list[str] = []


def audit(event, args):
    """Note what is written outside of the one folder that is given."""
    writes = event in CHANGES or (event == "open" and isinstance(args[2], int) and args[2] & WRITES)
    unnamed = event == "open" and os.path.isdir(args[0])  # a file in it without a name, which leaves nothing
    if watching and writes and not unnamed and not Path(os.fsdecode(args[0])).is_relative_to(watching[0]):
        strayed.append(f"{event} {args}")


sys.addaudithook(audit)


@contextmanager
def held(folder):
    """In time, and in the folder."""

    def late(*_):
        raise TimeoutError(f"no answer in {SECONDS:g} s")

    old = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    watching.append(folder)
    try:
        yield
    finally:
        watching.clear()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    assert not strayed


# Good files


def written(write, *things, **named):
    file = io.BytesIO()
    write(file, *things, **named)
    return file.getvalue()


def picture(format, mode="RGB", side=5):
    return written(Image.new(mode, (side, side)).save, format=format)


X = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
RUN = Run(Asked("ring8", "vae", 0, 1000, at=(0.5,)), "ok", cost={"seconds": 1.0, "flops": None})
SCORE = Record("frechet", {"space": "pixels"}, "1", "lower", 1.0, "test", 0.5, 0.1, 100)
YAML = (Path(__file__).parents[1] / "benchmarks.yaml").read_text().split("\n\n")[2].encode()

GOOD = {
    "benchmarks.yaml": [YAML, b"a: {question: q, tasks: [ring8], models: [], metrics: [kid], budget: {examples: 1}}"],
    "rows.npz": [written(np.savez, x=X, y=X[:, 0, 0]), written(np.savez_compressed, x=X / 2)],
    "rows.npy": [written(np.save, X), written(np.save, np.asfortranarray(X / 2))],
    "rows.safetensors": [save({"x": torch.arange(6.0).reshape(2, 3), "y": torch.arange(2)})],
    "images/one.png": [*(picture("PNG", mode) for mode in ("RGB", "P", "LA", "1", "I;16")), picture("JPEG"),
                       picture("BMP"), picture("WEBP"), picture("TIFF"), picture("GIF")],
    "runs/one/run.json": [json.dumps(asdict(RUN), indent=1).encode()],
    "runs/one/scores.jsonl": [(json.dumps(asdict(SCORE)) + "\n").encode()],
    "runs/one/evidence/1.00/Samples.safetensors": [save({"real": torch.ones(3, 2), "fake": torch.ones(4, 2)})],
}  # fmt: skip

READERS = {
    "benchmarks.yaml": lambda folder: bench.read(folder / "benchmarks.yaml"),
    "rows.npz": lambda folder: from_array(folder / "rows.npz", None, 4),
    "rows.npy": lambda folder: from_array(folder / "rows.npy", None, None),
    "rows.safetensors": lambda folder: from_array(folder / "rows.safetensors", None, None),
    "images/one.png": lambda folder: from_folder(folder / "images", 4),
    "runs/one/run.json": lambda folder: read_results(folder / "runs"),
    "runs/one/scores.jsonl": lambda folder: read_results(folder / "runs"),
    "runs/one/evidence/1.00/Samples.safetensors": lambda folder: from_run(folder / "runs" / "one"),
}


# What is done to them

BITS = [
    b"&a ", b"*a", b"<<: ", b"!!python/object/apply:os.system [touch x]", b"!!binary ", b"!!timestamp ", b"!!int ",
    b"!!set ", b"2001-13-45", b"9" * 5000, b"[" * 3000, b"{" * 3000, b'{"a":' * 3000, b"? ", b"- ", b": ", b"\n", b"\t",
    b"null", b"NaN", b"-Infinity", b"1e999", b"true", b'""', b"[]", b"{}", b"\0", b"\xff\xfe", b"\xed\xa0\x80",
    b"../../x", b"/etc/passwd", b"\x80\x04cos\nsystem\n", b"|O", b"(2000000000,)", b"\xff\xff\xff\xff", b"\x7f",
]  # fmt: skip


@st.composite
def spoilt(draw, good):
    """A good file with a few bytes set, put in, taken out or moved; seldom something else altogether."""
    data = bytearray(draw(st.sampled_from(good) | st.binary(max_size=64)))
    for _ in range(draw(st.integers(0, 5))):
        at, to = (draw(st.integers(0, len(data))) for _ in range(2))
        bits = draw(st.sampled_from(BITS) | st.binary(min_size=1, max_size=4))
        match draw(st.sampled_from(["set", "set", "put", "cut", "take", "again"])):
            case "set":
                data[at : at + len(bits)] = bits
            case "put":
                data[at:at] = bits
            case "cut":
                del data[at:]
            case "take":
                del data[min(at, to) : max(at, to)]
            case "again":
                data[at:at] = data[min(at, to) : max(at, to)]
    return bytes(data)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=5), part, max_size=3),
    max_leaves=5,
)


@st.composite
def retyped(draw, good):
    """A good record with a value of another kind at some key."""
    values = json.loads(good[0])
    inner = values["asked"] if "asked" in values and draw(st.booleans()) else values
    inner[draw(st.sampled_from(sorted(inner)) | st.text(max_size=3))] = draw(VALUES)
    return json.dumps(values).encode()


def inputs(name):
    mutated = spoilt(GOOD[name])
    return mutated | retyped(GOOD[name]) if name.endswith(("run.json", "scores.jsonl")) else mutated


def fuzz(name, folder, n):
    for other, (first, *_) in GOOD.items():
        (folder / other).parent.mkdir(parents=True, exist_ok=True)
        (folder / other).write_bytes(first)
    count = 0

    @settings(max_examples=n, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(inputs(name))
    def attempt(data):
        nonlocal count
        count += 1
        (folder / name).write_bytes(data)
        with held(folder), suppress(BadInput):
            READERS[name](folder)

    attempt()
    return count


def refused(read, told):
    with pytest.raises(BadInput, match=told):
        read()


def test_bombs_are_refused(tmp_path, monkeypatch):
    """A little that unfolds to more than a machine holds."""
    pairs = [*pairwise("abcdefghijklmnopqrstu")]
    laughs = "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in pairs)
    merged = "".join(f"{b}: &{b} {{<<: [*{a}, *{a}]}}\n" for a, b in pairs)
    for text in (f"a: &a [x]\n{laughs}", f"a: &a {{x: y}}\n{merged}"):
        (tmp_path / "bomb.yaml").write_text(text)
        with held(tmp_path):
            refused(lambda: bench.read(tmp_path / "bomb.yaml"), "unfold to too much")
    (tmp_path / "self.yaml").write_text("a: &a {a: *a}")
    with held(tmp_path):
        refused(lambda: bench.read(tmp_path / "self.yaml"), "self.yaml")
    monkeypatch.setattr("genbench.tasks.arrays.MOST", 2**20)
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros((2**11, 2**10), np.uint8))
    np.savez(tmp_path / "plain.npz", x=np.zeros((2**11, 2**10), np.uint8))
    for read in (lambda: npz(str(tmp_path / "bomb.npz")), lambda: from_array(tmp_path / "bomb.npz", None, None)):
        refused(read, "unpack to")
    refused(lambda: npz(str(tmp_path / "plain.npz")), "shape")  # it is no bomb: only no images
    (tmp_path / "images").mkdir()
    Image.new("1", (20_000, 20_000)).save(tmp_path / "images" / "bomb.png")
    refused(lambda: from_folder(tmp_path / "images", 4), "pixels; shrink or remove it")


def test_a_link_out_of_the_tree_is_refused(tmp_path):
    (tmp_path / "outside.png").write_bytes(picture("PNG"))
    for name, to in (("one.png", "outside.png"), ("folder", "."), ("notes", "/etc")):
        folder = tmp_path / f"images-{name}"
        folder.mkdir()
        (folder / "good.png").write_bytes(picture("PNG"))
        (folder / name).symlink_to((tmp_path / to).resolve())
        refused(lambda folder=folder: from_folder(folder, None), "a link that leaves")


@pytest.mark.parametrize("name", GOOD)
def test_some_spoilt_files(name, tmp_path):
    assert fuzz(name, tmp_path, FAST) >= FAST // 2


@pytest.mark.slow
@pytest.mark.parametrize("name", GOOD)
def test_many_spoilt_files(name, tmp_path):
    assert fuzz(name, tmp_path, SLOW) >= 12_500

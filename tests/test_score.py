"""`genbench score`: samples from anywhere, the same numbers as elsewhere, and one line for what a user can mend."""

import json
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import save_file
from test_cli import refused
from torch import Tensor, nn

from genbench import catalogue
from genbench import run as running
from genbench.metrics import copying, frechet, kid
from genbench.record import PARTIAL, Wanted, read_scores
from genbench.record import Asked as AskedRun
from genbench.score import Asked, score
from genbench.sources import Reading, from_script, read
from genbench.tasks.digits import digits as digits_task
from genbench.tasks.digits import digits_binary

RECORDED = ("frechet", "kid", "inception_score", "uniformity", "wasserstein_bracket", "projected_wasserstein", "modes",
            "accepted", "copying")  # fmt: skip
KEYS = {"name", "value", "error", "n", "low", "high", "pvalue", "reject", "better", "unit", "space", "version", "note"}


@pytest.fixture(autouse=True)
def distrustful(monkeypatch):
    monkeypatch.setenv("GENBENCH_TRUST", "0")  # and so put back when a test has trusted


@pytest.fixture
def scores(genbench):
    """{name: object} of a call that must succeed, from stdout alone."""

    def call(*words):
        said = genbench("score", *words, "--json")
        assert said.returncode == 0, said.stderr
        return {row["name"]: row for row in json.loads(said.stdout)}

    return call


@pytest.fixture
def pair(noise):
    """Two laws on R^3, unequal counts, float64."""
    return noise.normal(size=(90, 3)), 1.5 * noise.normal(size=(70, 3)) + 0.5


def pictures(folder, x, suffix="png"):
    folder.mkdir()
    for i, image in enumerate(x):
        Image.fromarray(image).save(folder / f"{i:03d}.{suffix}")
    return folder


def bytes_(noise, n=40, shape=(6, 5), low=0, high=256):
    return noise.integers(low, high, (n, *shape), dtype=np.uint8)


# The same numbers as elsewhere


@pytest.mark.parametrize("kind", ["npz", "npy", "safetensors"])
def test_the_numbers_are_those_of_the_library(kind, pair, tmp_path, scores):
    write = {"npz": lambda p, x: np.savez(p, x=x), "npy": np.save, "safetensors": lambda p, x: save_file({"it": x}, p)}
    for name, x in zip("ab", pair, strict=True):
        write[kind](tmp_path / f"{name}.{kind}", x)
    found = scores(f"a.{kind}", f"b.{kind}", "--metrics", "frechet,kid")
    for name, metric in (("frechet", frechet), ("kid", kid)):
        e = metric(*pair)
        assert found[name]["value"] == pytest.approx(e.value, rel=1e-9)
        assert found[name]["error"] == pytest.approx(e.error, rel=1e-9)
        assert (found[name]["n"], found[name]["n_real"], found[name]["n_fake"]) == (70, 90, 70)
        assert found[name]["version"] == metric.version


@pytest.fixture
def run(tmp_path):
    """A finished run of digits in the folder where runs are kept, and a way to make others."""

    def make(model="gmm", wanted=RECORDED, **more):
        ref = catalogue.reference("models", model)
        task = {"task_ref": catalogue.reference("tasks", "digits"), "model_ref": ref}
        asked = AskedRun("digits", model.replace(":", "."), 0, examples=1500, **task, **more)
        done = running.run(asked, [Wanted(name) for name in wanted], tmp_path / "runs" / "mine")
        return tmp_path / "runs" / "mine" / done.id

    return make


def test_a_run_scores_as_it_did_when_it_ran(run, scores):
    folder = run()
    recorded = {record.metric: record for record in read_scores(folder) if record.at == 1.0}
    for name, metrics in ((folder, RECORDED), (folder.name, ["frechet"]), (f"runs/mine/{folder.name}", ["kid"])):
        found = scores("task:digits/test", name, "--metrics", ",".join(metrics))
        assert list(found) == list(metrics)
        for metric in metrics:
            was = recorded[metric]
            for key in ("value", "error", "low", "high", "pvalue", "n", "version"):
                expected = getattr(was, key)
                expected = pytest.approx(expected, rel=1e-9, abs=1e-12) if isinstance(expected, float) else expected
                assert found[metric][key] == expected, (metric, key)
            assert found[metric]["space"] == was.options.get("space", "")


def test_whatever_samples_allow_is_scored_and_the_rest_has_its_reason(genbench):
    found = score("task:digits", "task:digits/spare", Asked(), Reading())
    scored = {record.metric for record in found.records}
    assert {"frechet", "kid", "copying", "accepted", "modes", "inception_score"} <= scored
    assert scored.isdisjoint(found.reasons)
    assert scored | set(found.reasons) == set(catalogue.names("metrics"))
    said = genbench("score", "task:digits", "task:digits/spare").stdout
    assert "log_likelihood, bits_per_dim (asks a model for log_prob)" in said[said.index("not scored:") :]


def test_pain_2_13_nothing_is_fetched(noise, tmp_path, monkeypatch, genbench):
    """With the network down, arrays of one's own are scored in the spaces that ship; others say which file to fetch."""
    paths = [tmp_path / "real.npy", tmp_path / "fake.npy"]
    for path in paths:
        np.save(path, bytes_(noise, shape=(8, 8)))

    def offline(*_, **__):
        raise OSError("no network")

    for way in ("connect", "connect_ex"):
        monkeypatch.setattr(f"socket.socket.{way}", offline)
    monkeypatch.setattr("socket.getaddrinfo", offline)
    for space in ("pixels", "digits"):
        said = genbench("score", *paths, "--space", space, "--metrics", "frechet,kid,coverage")
        assert said.returncode == 0, said.stderr
    refused(genbench("score", *paths, "--space", "inception"), "no network", ".pth", "'pixels' works")


def test_a_metric_that_cannot_be_imported_stops_no_other(pair, tmp_path, monkeypatch, genbench):
    monkeypatch.setitem(catalogue.names("metrics"), "theirs", "no.such.package:metric")
    for name, x in zip("ab", pair, strict=True):
        np.save(tmp_path / f"{name}.npy", x)
    said = genbench("score", "a.npy", "b.npy").stdout
    assert "\nfrechet " in said
    assert re.search(r"theirs \('no.such.package:metric': no module named 'no'", said)
    refused(genbench("score", "a.npy", "b.npy", "--metrics", "theirs"), "no module named 'no'")


# What comes in


def test_a_folder_is_the_same_as_its_array_of_bytes(noise, tmp_path, scores):
    real, fake = bytes_(noise), bytes_(noise, 50, high=200)
    pictures(tmp_path / "real", real)
    pictures(tmp_path / "fake", fake)
    np.savez(tmp_path / "fake.npz", images=fake)
    one, other = (scores("real", name, "--metrics", "frechet,kid") for name in ("fake", "fake.npz"))
    for name, metric in (("frechet", frechet), ("kid", kid)):
        expected = metric(real.reshape(40, -1) / 255, fake.reshape(50, -1) / 255).value
        assert one[name]["value"] == pytest.approx(expected, rel=1e-4)  # float32 pixels
        assert other[name]["value"] == one[name]["value"]


def test_which_array_of_a_file(noise, pair, tmp_path, scores, genbench):
    a, b = pair
    save_file({"a": a, "b": b}, tmp_path / "two.safetensors")
    np.savez(tmp_path / "two.npz", a=a, b=b)
    for file in ("two.npz", "two.safetensors"):
        refused(genbench("score", file, file), "holds 2 arrays: a, b", f"{file}:a")
        refused(genbench("score", f"{file}:c", file), "unknown array", "'c'")
        found = scores(f"{file}:a", f"{file}:b", "--metrics", "frechet")
        assert found["frechet"]["value"] == pytest.approx(frechet(a, b).value, rel=1e-9)
    np.savez(tmp_path / "named.npz", x=a, y=np.zeros(len(a), int))
    found = scores("named.npz", "two.npz:b", "--metrics", "frechet")
    assert found["frechet"]["value"] == pytest.approx(frechet(a, b).value, rel=1e-9)


def test_a_task_with_options_and_splits(scores):
    task = digits_binary(threshold=3)
    features = running.make_space(task).features
    expected = frechet(features(task.valid.x), features(digits_binary().spare.x))
    ask = ("task:digits-binary{threshold: 3}/valid", "task:digits-binary/spare", "--metrics", "frechet")
    found = scores(*ask)["frechet"]
    assert found["value"] == pytest.approx(expected.value, rel=1e-9)
    assert (found["n_real"], found["n_fake"]) == (197, 300)
    assert found["space"].startswith("digits:")


def test_a_space_of_ones_own_choice(scores):
    seen = scores("task:digits", "task:digits/spare", "--space", "pixels", "--metrics", "frechet")["frechet"]
    assert seen["space"] == "pixels"
    task = digits_task()
    assert seen["value"] == pytest.approx(frechet(task.test.x.flatten(1), task.spare.x.flatten(1)).value, rel=1e-9)


def test_n_takes_a_fixed_shuffle_of_each_side(pair, tmp_path, scores, genbench):
    for name, x in zip("ab", pair, strict=True):
        np.save(tmp_path / f"{name}.npy", x)
    rows = [x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:80].numpy()] for x in pair]
    found = scores("a.npy", "b.npy", "--n", 80)["frechet"]
    assert found["value"] == pytest.approx(frechet(*rows).value, rel=1e-9)
    assert (found["n_real"], found["n_fake"]) == (80, 70)
    said = genbench("score", "a.npy", "b.npy", "--metrics", "frechet").stdout
    assert "90 real and 70 fake rows" in said
    assert "rows:" not in genbench("score", "a.npy", "b.npy", "--metrics", "frechet", "--n", 70).stdout


def test_a_sorted_file_fools_no_metric_that_looks_at_the_first_rows(tmp_path, scores):
    task = digits_task()
    train = task.train.dequantised(task.spec.x, torch.Generator().manual_seed(0)).x
    assert torch.equal(read("task:digits/train", Reading()).x, train)
    np.save(tmp_path / "sorted.npy", torch.cat([train[:300], task.spare.x]).numpy())  # copies first
    mixed = scores("task:digits/test", "sorted.npy", "--metrics", "copying")["copying"]
    whole = scores("task:digits/test", "task:digits/train", "--metrics", "copying", "--n", 300)["copying"]
    assert whole["value"] < -20
    assert whole["reject"]
    assert -0.65 < mixed["value"] / -whole["value"] < -0.35


def test_copying_takes_training_rows(pair, noise, tmp_path, scores, genbench):
    real, fake = pair
    train = noise.normal(size=(100, 3))
    for name, x in {"real": real, "fake": fake, "train": train, "flat": train[:, :2]}.items():
        np.save(tmp_path / f"{name}.npy", x)
    ask = ("real.npy", "fake.npy", "--metrics", "copying", "--n", 70)
    refused(genbench("score", *ask), "copying cannot be scored here", "no training rows are known")
    refused(genbench("score", "task:digits/train", "task:digits", "--metrics", "copying"), "no training rows")
    order = [torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:70].numpy() for x in (real, fake)]
    expected = copying(train, real[order[0]], fake[order[1]]).value
    assert scores(*ask, "--real-train", "train.npy")["copying"]["value"] == pytest.approx(expected, rel=1e-9)
    refused(genbench("score", *ask, "--real-train", "flat.npy"), "REAL rows are 3", "2 (flat.npy)")
    refused(genbench("score", "task:digits", "task:digits/spare", "--real-train", "train.npy"), "rows of its own")


# Generators


class FromNoise(nn.Module):
    latents: int

    def __init__(self, latents: int):
        super().__init__()
        self.latents = latents

    def forward(self, z: Tensor) -> Tensor:
        return torch.cat([z, z], 1) * 2.0


class FromCount(nn.Module):
    def forward(self, n: int) -> Tensor:
        return torch.rand(n, 1, 4, 4)


class Spatial(nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        return (z.flatten(1) * 40.0 + 128.0).clamp(0.0, 255.0).to(torch.uint8).view(-1, 1, 2, 2)


class Short(nn.Module):
    def forward(self, n: int) -> Tensor:
        return torch.rand(n - 1, 6)


class NaN(nn.Module):
    def forward(self, n: int) -> Tensor:
        return torch.rand(n, 6) / torch.zeros(6) - torch.full([n, 6], float("inf"))


class Raises(nn.Module):
    def forward(self, n: int) -> Tensor:
        raise RuntimeError("the moon")


def script(tmp_path, module, name="g.pt"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch.jit ages
        torch.jit.script(module).save(str(tmp_path / name))
    return name


def test_a_generator_gives_as_many_rows_as_it_must_from_its_seed(tmp_path, noise, scores):
    np.save(tmp_path / "real.npy", noise.normal(size=(1300, 6)))
    ask = ("real.npy", script(tmp_path, FromNoise(3)), "--trust", "--metrics", "frechet")
    first, again, other = (scores(*ask, "--seed", seed)["frechet"] for seed in (0, 0, 1))
    z = torch.cat([torch.randn(n, 3, generator=g) for g in [torch.Generator().manual_seed(0)] for n in (500, 500, 300)])
    expected = frechet(np.load(tmp_path / "real.npy"), 2 * torch.cat([z, z], 1)).value
    assert first["value"] == again["value"] == pytest.approx(expected, rel=1e-6)
    assert other["value"] != first["value"]
    assert (first["n_real"], first["n_fake"]) == (1300, 1300)
    assert scores(*ask, "--n", 90)["frechet"]["n_fake"] == 90


def test_a_generator_of_counts_and_one_of_shaped_latents(tmp_path, noise, scores, genbench):
    np.save(tmp_path / "real.npy", noise.random((60, 1, 4, 4)))
    state = torch.get_rng_state()
    counted = scores("real.npy", script(tmp_path, FromCount()), "--trust", "--metrics", "kid")["kid"]
    assert abs(counted["value"]) < 4 * counted["error"]
    assert torch.equal(state, torch.get_rng_state())
    seeds = {}
    for seed in (0, 1, 1):
        torch.rand(3)
        seeds.setdefault(seed, set()).add(float(from_script("g.pt", 9, Reading(trust=True, seed=seed)).x.sum()))
    assert [len(sums) for sums in seeds.values()] == [1, 1]
    assert seeds[0] != seeds[1]
    np.savez(tmp_path / "bytes.npz", np.uint8(noise.normal(size=(200, 2, 2)).clip(-3, 3) * 40 + 128))
    name = script(tmp_path, Spatial())
    shaped = scores("bytes.npz", name, "--trust", "--latents", "4x1x1", "--metrics", "kid")["kid"]
    assert abs(shaped["value"]) < 4 * shaped["error"]
    refused(genbench("score", name, name, "--trust", "--latents", "4x1x1"), "both sides are generators", "--n")
    both = scores(name, name, "--trust", "--latents", "4", "--n", 50, "--metrics", "kid")["kid"]
    assert (both["n_real"], both["n_fake"]) == (50, 50)


def test_code_runs_only_when_it_is_trusted(tmp_path, monkeypatch, genbench):
    np.save(tmp_path / "real.npy", np.zeros((9, 6)))
    monkeypatch.setattr(torch.jit, "load", lambda *a, **k: pytest.fail("it was loaded"))
    refused(genbench("score", "real.npy", script(tmp_path, FromNoise(3))), "g.pt", "--trust")


@pytest.mark.parametrize(
    ("module", "words", "parts"),
    [
        (Short(), [], ["returned shape (8, 6)", "not 9 rows"]),
        (NaN(), [], ["NaN or infinite values in 9 of 9 rows"]),
        (Raises(), [], ["failed on n = 9", "the moon"]),
        (Spatial(), [], ["failed on n = 9", "--latents"]),
        (Spatial(), ["--latents", "lots"], ["latents are a size", "'lots'"]),
        (Spatial(), ["--latents", "0"], ["latents are a size"]),
        (Spatial(), ["--latents", "7"], ["failed on (9, 7) latents"]),
        (FromNoise(4), [], ["REAL rows are 6", "FAKE rows 8"]),
    ],
)
def test_a_generator_that_cannot_be_used(module, words, parts, tmp_path, genbench):
    np.save(tmp_path / "real.npy", np.random.default_rng(0).normal(size=(9, 6)))
    refused(genbench("score", "real.npy", script(tmp_path, module), "--trust", *words), *parts)


def test_a_file_of_weights_is_no_generator(tmp_path, genbench):
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "weights.pt")
    refused(genbench("score", "task:digits", "weights.pt", "--trust"), "weights.pt", "not TorchScript")
    (tmp_path / "empty.pt").write_bytes(b"")
    refused(genbench("score", "task:digits", "empty.pt", "--trust"), "empty.pt", "not TorchScript")


# What is said


def test_json_alone_on_stdout(genbench):
    ask = ("score", "task:digits", "task:digits/spare", "--metrics", "wasserstein_bracket,frechet", "--json")
    rows = json.loads(genbench(*ask).stdout)
    assert all(set(row) >= KEYS for row in rows)
    bracket = next(row for row in rows if row["name"] == "wasserstein_bracket")
    assert bracket["low"] <= bracket["value"] <= bracket["high"]


def test_the_table_gives_value_error_n_direction_and_unit_on_one_plain_line(genbench):
    said = genbench("score", "task:digits", "task:digits/spare", "--metrics", "frechet,wasserstein_bracket")
    assert said.stderr == ""
    assert not re.search(r"[\x1b│─━]", said.stdout)
    (line,) = [line for line in said.stdout.splitlines() if line.startswith("frechet ")]
    assert re.fullmatch(r"frechet +\d+\.\d+ +\d+\.\d+ +300 +↓ +squared feature units.*", line.rstrip())
    (line,) = [line for line in said.stdout.splitlines() if line.startswith("wasserstein_bracket")]
    assert re.search(r"in \[-?[\d.]+, [\d.]+\]; W_N at N = 18", line)
    assert "task:digits/spare: 300 rows of 1x8x8" in said.stdout


@pytest.mark.parametrize(
    ("change", "doubt"),
    [
        (lambda x: 255 * x, "REAL in [0, 1] and FAKE in [0, 255]"),
        (lambda x: 2 * x - 1, "FAKE in [-1, 1]"),
        (lambda x: (x - 0.45) / 0.22, "FAKE in [-2.05, 2.5]"),
        (lambda x: x, ""),
        (lambda x: 1.1 * x - 0.05, ""),
    ],
)
def test_another_scale_is_noticed(change, doubt, noise, tmp_path, genbench):
    x = np.linspace(0, 1, 60 * 9).reshape(60, 3, 3)
    for name, side in (("real", x), ("fake", change(noise.permutation(x)))):
        np.save(tmp_path / f"{name}.npy", side)
    said = genbench("score", "real.npy", "fake.npy", "--metrics", "frechet").stdout
    assert doubt in said
    assert ("not on one scale?" in said) == bool(doubt)
    back = genbench("score", "fake.npy", "real.npy", "--metrics", "frechet").stdout
    assert ("not on one scale?" in back) == bool(doubt)


@pytest.mark.parametrize(("factor", "noticed"), [(50, True), (0.02, True), (3, False)])
def test_a_tenfold_range_is_noticed_whatever_the_scale(factor, noticed, noise, tmp_path, genbench):
    np.save(tmp_path / "a.npy", noise.normal(size=(50, 4)))
    np.save(tmp_path / "b.npy", factor * noise.normal(size=(50, 4)))
    said = genbench("score", "a.npy", "b.npy", "--metrics", "frechet").stdout
    assert ("not on one scale?" in said) == noticed


def test_bytes_against_floats_that_were_never_divided(noise, tmp_path, genbench):
    x = bytes_(noise)
    np.savez(tmp_path / "bytes.npz", x=x)
    for name, floats in (("raw", x[:, None].astype(np.float32)), ("unit", x[:, None] / 255)):
        np.save(tmp_path / f"{name}.npy", floats)
    said = genbench("score", "bytes.npz", "raw.npy", "--metrics", "frechet").stdout
    assert "REAL in [0, 1] and FAKE in [0, 255]; bytes were divided by 255" in said
    said = genbench("score", "bytes.npz", "unit.npy", "--metrics", "frechet").stdout
    assert "one scale" not in said
    said = genbench("score", "bytes.npz", "bytes.npz", "--metrics", "frechet").stdout
    assert "REAL and FAKE are the same rows" in said


def test_resizing_and_compression_are_said(noise, tmp_path, genbench):
    pictures(tmp_path / "large", bytes_(noise, 20, (8, 12)))
    pictures(tmp_path / "small", bytes_(noise, 20, (6, 6)), "jpg")
    ask = ("score", "large", "small", "--metrics", "frechet")
    refused(genbench(*ask), "REAL rows are 1x8x12 (large), FAKE rows 1x6x6 (small)", "--resize")
    said = genbench(*ask, "--resize", 6).stdout
    assert "large: 20 rows of 1x6x6 (resized from 12x8 to 6x6, bilinear, antialias, centre crop)" in said
    assert "small: 20 rows of 1x6x6\n" in said
    assert "JPEG" in said
    assert "not perceptual" in said
    refused(genbench(*ask, "--resize", 0), "from 1 to 4096", "0")


# Whatever a user can mend


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["good.npx", "good.npz"], ["good.npx: no such file", "did you mean good.npz?"]),
        (["god.npz:x", "good.npz"], ["god.npz:x: no such file", "did you mean good.npz?"]),
        (["digits/test", "good.npz"], ["no such file", "did you mean task:digits/test?"]),
        (["nowhere", "good.npz"], ["nowhere: no such file, folder or run", "give a folder of images"]),
        (["task:digts/test", "good.npz"], ["unknown task 'digts'", "did you mean 'digits'?"]),
        (["task:digits/tset", "good.npz"], ["unknown split 'tset'", "did you mean 'test'?"]),
        (["task:digits-binary{thresold: 3}", "good.npz"], ["'thresold'", "did you mean 'threshold'?"]),
        (["task:digits-binary{threshold: many}", "good.npz"], ["'threshold'", "'many'"]),
        (["task:digits-binary{threshold: 3", "good.npz"], ["write a task as task:NAME"]),
        (["task:digits{[}", "good.npz"], ["task:digits{[}"]),
        (["task:folder", "good.npz"], ["missing", "'path'"]),
        (["task:", "good.npz"], ["write a task as task:NAME"]),
        (["good.npz", "good.npz", "--metrics", "frechett"], ["unknown metric 'frechett'", "did you mean 'frechet'?"]),
        (["good.npz", "good.npz", "--metrics", "log_likelihood"], ["cannot be scored", "asks a model for log_prob"]),
        (["good.npz", "good.npz", "--metrics", "modes"], ["modes cannot be scored", "neither known modes nor classes"]),
        (["good.npz", "good.npz", "--space", "pixles"], ["unknown space 'pixles'", "did you mean 'pixels'?"]),
        (["good.npz", "good.npz", "--space", "digits"], ["the space 'digits'", "use 'pixels'"]),
        (["good.npz", "good.npz", "--n", "0"], ["--n must be at least 1, not 0"]),
        (["good.npz", "good.npz", "--n", "1"], ["no metric can be scored", "1 row", "at least 2"]),
        (["good.npz", "good.npz", "--n", "many"], ["--n", "valid integer"]),
        (["good.npz", "good.npz", "--device", "abacus"], ["--device abacus"]),
        (["good.npz"], ["Missing argument"]),
        (["good.npz", "wide.npz"], ["REAL rows are 4", "FAKE rows 5", "different shape"]),
        (["last.npy", "first.npy"], ["4x4x3", "3x4x4", "transpose"]),
        (["good.npz", "one.npz"], ["no metric can be scored", "1 row"]),
        (["good.npz", "nan.npz"], ["nan.npz: x has NaN or infinite values in 3 of 30 rows"]),
        (["good.npz", "objects.npz"], ["objects.npz", "pickled objects"]),
        (["good.npz", "objects.npy"], ["objects.npy", "pickled objects"]),
        (["good.npz", "words.npy"], ["words.npy", "<U5", "not an array of numbers"]),
        (["good.npz", "whole.npy"], ["whole.npy", "int64", "bytes (n, h, w[, c]) or floats"]),
        (["good.npz", "none.npz"], ["none.npz", "(0, 4)"]),
        (["good.npz", "empty.npz"], ["unknown array of empty.npz"]),
        (["good.npz", "torn.npz"], ["torn.npz", "not an .npz"]),
        (["good.npz", "torn.npy"], ["torn.npy", "not a readable .npy"]),
        (["good.npz", "torn.safetensors"], ["torn.safetensors", "not a readable .safetensors"]),
        (["good.npz", "notes.txt"], ["notes.txt: not a kind of file that holds rows"]),
        (["empty", "good.npz"], ["empty: no images below it"]),
        (["mixed", "good.npz"], ["mixed sizes", "--resize"]),
        (["corrupt", "good.npz"], ["bad.png: not a readable image"]),
        (["good.npz", "absent.pt", "--trust"], ["absent.pt: no such file"]),
    ],
)
def test_a_slip(words, parts, noise, tmp_path, genbench):
    good = noise.normal(size=(30, 4))
    arrays = {"good": good, "wide": noise.normal(size=(30, 5)), "one": good[:1], "none": good[:0]}
    arrays["nan"] = np.where(np.arange(30)[:, None] < 3, np.nan, good)
    arrays["objects"] = np.array([{}] * 30, dtype=object)
    for name, x in arrays.items():
        np.savez(tmp_path / f"{name}.npz", x=x)
    np.savez(tmp_path / "empty.npz")
    loose = {"objects": arrays["objects"], "words": np.array(["seven"] * 30), "whole": np.arange(30).reshape(10, 3)}
    loose |= {"last": noise.random((9, 4, 4, 3)), "first": noise.random((9, 3, 4, 4))}
    for name, x in loose.items():
        np.save(tmp_path / f"{name}.npy", x, allow_pickle=True)
    for name in ("torn.npz", "torn.npy", "torn.safetensors", "notes.txt"):
        (tmp_path / name).write_bytes(b"not what it says")
    (tmp_path / "empty").mkdir()
    pictures(tmp_path / "mixed", [np.zeros((4, 4), np.uint8), np.zeros((5, 4), np.uint8)])
    pictures(tmp_path / "corrupt", bytes_(noise, 3))
    (tmp_path / "corrupt" / "bad.png").write_bytes(b"not a picture")
    refused(genbench("score", *words), *parts)


def test_runs_that_left_nothing_to_score(run, tmp_path, genbench):
    whole = run("noise", ("frechet",))
    said = genbench("score", "task:digits", whole.name[:-1])
    refused(said, "no such file, folder or run", f"did you mean {whole.name}?")
    silent = run("pca", ("log_likelihood",))
    refused(genbench("score", "task:digits", silent), "kept no samples")
    failed = run("things:Raises", ("frechet",))
    refused(genbench("score", "task:digits", failed), "failed", "the moon is in the wrong quarter", "no samples")
    kept = whole / "evidence" / "1.00" / "Samples.safetensors"
    kept.write_bytes(kept.read_bytes()[:100])
    refused(genbench("score", "task:digits", whole), "its samples cannot be read")
    (whole / "run.json").write_text("{")
    refused(genbench("score", "task:digits", whole), "run.json: not a run of genbench")
    (whole / "run.json").unlink()
    unfinished = whole.rename(whole.with_name(whole.name + PARTIAL))
    for name in (unfinished, unfinished.name, whole.name):
        refused(genbench("score", "task:digits", name), "has not finished", "genbench run")


def test_help_imports_no_torch(tmp_path):
    code = (
        "import sys; sys.argv = ['genbench', 'score', '--help']\nimport genbench.cli\ntry: genbench.cli.main()\n"
        "except SystemExit as e: print(bool(e.code) or 'torch' in sys.modules, file=sys.stderr)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert said.stderr.strip() == "False"


def test_labelled_samples_are_tested_for_uniformity_by_their_labels(tmp_path, noise, scores):
    """Not by what a space sees; a class of none is left out, and the other side names classes that never came."""
    x = noise.normal(size=(300, 3)).astype(np.float32)
    np.savez(tmp_path / "real.npz", x=x, y=np.arange(300) % 5)
    even, lacking = np.arange(300) % 5, np.arange(300) % 4
    even[:50] = -1
    for name, y in (("even", even), ("lacking", lacking)):
        np.savez(tmp_path / f"{name}.npz", x=x, y=y)
    said = scores(tmp_path / "real.npz", tmp_path / "even.npz", "--metrics", "uniformity_l1,uniformity_l2")
    assert (said["uniformity_l1"]["n"], said["uniformity_l1"]["reject"]) == (250, False)
    lost = scores(tmp_path / "real.npz", tmp_path / "lacking.npz", "--metrics", "uniformity_l1")["uniformity_l1"]
    assert lost["reject"]
    assert lost["value"] == pytest.approx(0.25, abs=0.02)  # 5 times 4/16, less 1
    np.savez(tmp_path / "floats.npz", x=x, y=noise.normal(size=300))
    assert read(str(tmp_path / "floats.npz"), Reading()).y is None


def test_a_space_s_classes_are_tested_for_uniformity(tmp_path, scores):
    """Of digits without labels; half of the classes are not all of them."""
    rows = digits_task().train
    np.save(tmp_path / "all.npy", rows.x.numpy())
    np.save(tmp_path / "half.npy", rows.x[rows.y < 5].numpy())
    ask = ("--space", "digits", "--metrics", "class_uniformity")
    fair, half = (
        scores("task:digits/test", tmp_path / f"{name}.npy", *ask)["class_uniformity"] for name in ("all", "half")
    )
    assert not fair["reject"]
    assert half["reject"]
    assert half["value"] == pytest.approx(1, abs=0.1)  # a half of the symbols, alike: N |p - U|^2 = 1

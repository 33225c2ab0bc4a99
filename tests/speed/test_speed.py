"""How long things take: `pytest tests/speed --benchmark-only`. Ordinary test runs skip all of this."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from baselines.adversarial.gan import GAN
from baselines.autoencoding.vae import VAE
from genbench import catalogue, checkpoint
from genbench.budget import Budget, Stream, seed_everything
from genbench.catalogue import load
from genbench.record import Asked
from genbench.run import run

ROOT = Path(__file__).parents[2]
TURNS = 1000  # as in a real run, where one turn in a thousand has its FLOPs counted


def command(*words):
    return [sys.executable, "-m", "genbench.cli", *words]


def quietly(*words, cwd=ROOT):
    subprocess.run(command(*words), cwd=cwd, check=True, capture_output=True)


@pytest.mark.parametrize("words", [("--help",), ("list", "models")], ids=" ".join)
def test_the_command_line_answers_within_half_a_second(words, benchmark):
    benchmark.pedantic(quietly, words, rounds=9, warmup_rounds=1)
    assert benchmark.stats["median"] <= 0.5


def bare_batches(task, n):
    """The Stream's batches, rows, labels and noise, drawn as a plain loop would."""
    x, y, cell = task.train.x, task.train.y, task.spec.x.cell
    while True:
        for index in torch.randperm(len(x)).split(n):
            if len(index) == n:
                yield x[index] + cell * torch.rand(n, *x.shape[1:]), y[index]


def bare_vae(task):
    model = VAE(task.spec)
    optimizer = torch.optim.Adam(model.parameters(), lr=model.rate, fused=True)
    for _, (x, _) in zip(range(TURNS), bare_batches(task, model.batch), strict=False):
        optimizer.zero_grad()
        model.loss(x, None).backward()
        optimizer.step()


def bare_gan(task):
    model = GAN(task.spec)
    critic = model.optimizer(model.critic.parameters(), lr=model.critic_rate)
    generator = model.optimizer(model.generator.parameters(), lr=model.rate)
    batches = bare_batches(task, model.batch)
    for turn, (x, _) in zip(range(TURNS), batches, strict=False):
        if turn % 2 == 0:
            with torch.no_grad():
                fake = model.sample(len(x))
            critic.zero_grad()
            model.objective.critic(model.score(x), model.score(fake), x, fake).backward()
            critic.step()
        else:
            model.critic.requires_grad_(False)
            generator.zero_grad()
            model.objective.generator(model.score(model.sample(len(x)))).backward()
            generator.step()
            model.critic.requires_grad_(True)


def ours(build, task):
    model = build(task.spec)
    model.fit(Stream(task, Budget(TURNS * model.batch), model=model))


@pytest.mark.parametrize(("build", "bare"), [(VAE, bare_vae), (GAN, bare_gan)], ids=["vae", "gan"])
def test_stream_and_play_over_a_bare_loop(build, bare, benchmark):
    task, ratios = load("tasks", "digits")(), []

    def pair():
        times = []
        for loop in (lambda: ours(build, task), lambda: bare(task)):
            seed_everything(0)
            start = time.perf_counter()
            loop()
            times.append(time.perf_counter() - start)
        ratios.append(times[0] / times[1])

    benchmark.pedantic(pair, rounds=11, warmup_rounds=1)
    benchmark.extra_info["ratio"] = statistics.median(ratios)
    print(f"\nours over bare, median of {len(ratios)} pairs: {statistics.median(ratios):.3f}")
    assert statistics.median(ratios) <= 1.03


@pytest.mark.parametrize("model", ["vae", "gan", "realnvp"])
def test_checkpoints_cost_at_most_three_percent(model, tmp_path, benchmark, monkeypatch):
    """Of a run of smoke's budget, at the default interval: a quarter of the examples."""
    spent, save = [], checkpoint.save

    def timed(tree, path):
        start = time.perf_counter()
        save(tree, path)
        spent.append(time.perf_counter() - start)

    monkeypatch.setattr(checkpoint, "save", timed)
    refs = {"task_ref": catalogue.reference("tasks", "digits"), "model_ref": catalogue.reference("models", model)}
    done = benchmark.pedantic(lambda: run(Asked("digits", model, 0, 20_000, **refs), (), tmp_path), rounds=1)
    share = sum(spent) / (sum(spent) + done.cost["seconds"])
    benchmark.extra_info["share"] = share
    print(f"\n{model}: {len(spent)} checkpoints take {share:.2%} of {done.cost['seconds']:.1f} s")
    assert share <= 0.03


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """`genbench run`, whole and timed once; everything after it is a second call."""
    folder = tmp_path_factory.mktemp("quick")
    start = time.perf_counter()
    quietly("run", "--file", str(ROOT / "benchmarks.yaml"), cwd=folder)
    return folder, time.perf_counter() - start


def test_quick_takes_at_most_five_minutes(quick, benchmark):
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info["seconds"] = quick[1]
    print(f"\ngenbench run: {quick[1]:.0f} s")
    assert quick[1] <= 300


def test_a_second_call_takes_at_most_five_seconds(quick, benchmark):
    benchmark.pedantic(lambda: quietly("run", "--file", str(ROOT / "benchmarks.yaml"), cwd=quick[0]), rounds=3)
    assert benchmark.stats["median"] <= 5


def test_a_report_with_cached_figures_takes_at_most_six_seconds(quick, benchmark):
    (quick[0] / "reports/quick/.inputs").unlink(missing_ok=True)
    benchmark.pedantic(
        lambda: quietly("report", "quick", "--file", str(ROOT / "benchmarks.yaml"), cwd=quick[0]), rounds=3
    )
    assert benchmark.stats["median"] <= 6

"""The search of declared options: it finds what is best, on validation rows alone, with as many trials for everyone."""

import os
import signal
import subprocess
import sys
from functools import partial

import pytest
import yaml
from test_cli import refused
from test_execute import HERE, until, workers
from tried import Fixed, Shifted

from genbench import bench, catalogue
from genbench import tune as tuning
from genbench.record import PARTIAL, read_results


def tune(genbench, *more, models="tried:Shifted", tasks="tried:no_test"):
    words = ["--tasks", tasks, "--models", models, "--metric", "frechet", "--examples", 2000]
    return genbench("tune", "ring8", *words, *more)


def test_the_options_that_are_declared():
    assert tuning.ranges(Shifted) == {"shift": (float, (-2.0, 2.0)), "turn": (str, ("left", "right"))}
    assert tuning.ranges(partial(Shifted, turn="left")) == tuning.ranges(Shifted)
    assert tuning.ranges(Fixed) == {}
    assert list(tuning.ranges(partial(Shifted, shift=3.0))) == ["turn"], "what stands outside makes the variant"
    vae, iwae = (tuning.ranges(catalogue.load("models", name)) for name in ("vae", "iwae"))
    assert vae == iwae


@pytest.mark.parametrize(
    ("kind", "values", "u", "wanted"),
    [
        (float, (-2.0, 2.0), 0.25, -1.0),
        (float, (1e-4, 1e-2), 0.5, 1e-3),
        (int, (2, 4), 0.999, 4),
        (int, (0, 3), 0.5, 2),
        (str, ("a", "b"), 0.5, "b"),
        (tuple, ((64,), (128, 128), (8,)), 0.99, (8,)),
    ],
)
def test_where_a_point_lies(kind, values, u, wanted):
    assert tuning.between(kind, values, u) == pytest.approx(wanted) if kind is float else wanted


def test_points_fill_a_range_begin_with_what_is_and_go_on_from_fewer():
    found = {"a": (int, (1, 8)), "b": (float, (1.0, 100.0))}
    many = tuning.points(found, 65)
    assert many[0] == {}
    assert tuning.points(found, 9) == many[:9]
    assert {p["a"] for p in many[1:]} == set(range(1, 9))
    assert sum(p["b"] < 10 for p in many[1:]) == pytest.approx(32, abs=2)  # half of them below the logarithmic middle


def test_the_best_is_found_by_validation_rows_alone_with_equal_trials(genbench, tmp_path):
    said = tune(genbench, "--trials", 5, models="tried:Shifted,tried:Unsure")
    assert said.returncode == 0, said.stderr
    results = read_results(tmp_path / "runs/ring8-tune")
    by_model = [r.model.split("#")[0] for r in results]
    assert by_model.count("tried:Shifted") == by_model.count("tried:Unsure") == 5
    assert {s.split for r in results for s in r.scores} == {"valid"}
    assert all(s.value < 10 for r in results for s in r.scores)
    spent = sum(r.run.cost["examples"] for r in results)
    tuned = bench.read(tmp_path / "ring8-tuned.yaml")["ring8-tuned"].tuned
    assert (tuned.trials, tuned.seeds, tuned.examples, tuned.spent) == (5, 1, 2000, spent)
    tried = [r.run.asked.hyper["shift"] for r in results if r.run.asked.hyper and r.model.startswith("tried:S")]
    assert len(tried) == 4
    for model in ("tried:Shifted", "tried:Unsure"):
        allowed = [shift for shift in tried if model.endswith("Shifted") or shift <= 0]
        assert tuned.settings["tried:no_test"][model]["shift"] == min(allowed, key=abs)
    failures = sum(r.run.status == "failed" for r in results)
    assert f"{failures} of its runs failed: RuntimeError: too far" in said.stdout
    assert "no score as it stands" in said.stdout, "the first trial of Unsure is among its failures"


def test_what_was_found_is_run_and_its_page_says_what_it_cost(genbench, tmp_path):
    tune(genbench, "--trials", 4, "--out", "found.yaml", tasks="ring8")
    words = "run ring8-tuned --file found.yaml --seeds 1 --metrics frechet --examples 2000"
    said = genbench(*words.split())
    assert said.returncode == 0, said.stderr
    (done,) = read_results(tmp_path / "runs/ring8-tuned")
    wanted = yaml.safe_load((tmp_path / "found.yaml").read_text())["ring8-tuned"]["tuned"]
    assert done.run.asked.hyper == wanted["settings"]["ring8"]["tried:Shifted"]
    assert (done.run.asked.split, done.run.asked.seed) == ("test", 0)
    for page in ("README.md", "index.html"):
        text = (tmp_path / "reports/ring8-tuned" / page).read_text()
        assert "genbench run ring8-tuned --metrics frechet --seeds 1 --examples 2000 --file found.yaml" in text
        assert "Tuned over 4 trials of each of tried" in text
        assert f"2,000 training examples a trial, {wanted['spent']:,} in all" in text
        assert f"shift {done.run.asked.hyper['shift']}" in text


def test_what_the_benchmark_sets_is_not_searched(genbench, tmp_path):
    (tmp_path / "benchmarks.yaml").write_text(
        "mine:\n  question: Q?\n  tasks: [ring8]\n  models: [{tried:Shifted: {shift: 0.5}}, truth]\n"
        "  metrics: [copying, frechet]\n  budget: {examples: 1000}\n"
    )
    assert genbench("tune", "mine", "--trials", 3).returncode == 0
    results = read_results(tmp_path / "runs/mine-tune")
    assert [r.run.asked.hyper["shift"] for r in results] == [0.5] * 3
    assert {s.metric for r in results for s in r.scores} == {"frechet"}, "copying has no better direction"
    found = bench.read(tmp_path / "mine-tuned.yaml")["mine-tuned"]
    assert list(found.models) == ["tried:Shifted", "truth"]
    assert found.models["tried:Shifted"] == {"shift": 0.5}


@pytest.mark.parametrize(
    ("more", "parts"),
    [
        (["--models", "vea"], ["unknown model 'vea'", "did you mean 'vae'?"]),
        (["--models", "truth"], ["truth declares no range", "Annotated[float"]),
        (["--models", "vae,thief"], ["thief declares no range"]),
        (["--metric", "frechett"], ["unknown metric 'frechett'", "did you mean 'frechet'?"]),
        (["--metric", "copying"], ["copying", "--metric"]),
        (["--trials", "1"], ["--trials"]),
        (["--tasks", "tried:no_valid", "--models", "vae"], ["tried:no_valid has no validation rows"]),
    ],
)
def test_what_cannot_be_searched_is_one_clear_line(more, parts, genbench, tmp_path):
    refused(genbench("tune", "ring8", *more), *parts)
    assert not list(tmp_path.glob("runs/ring8-tune/*"))


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("ring8:\n", "ring9:\n", ["found.yaml:1", "unknown task of the tuned settings 'ring9'"]),
        ("vae:", "vea:", ["found.yaml:1", "unknown model of the tuned settings 'vea'", "did you mean 'vae'?"]),
        ("latents:", "latent:", ["unknown option of model 'vae' 'latent'", "did you mean 'latents'?"]),
        ("spent:", "spend:", ["found.yaml:", "unknown key 'spend'", "did you mean 'spent'?"]),
    ],
)
def test_a_slip_in_what_was_found(old, new, parts, genbench, tmp_path):
    text = (
        "mine:\n  question: Q?\n  tasks: [ring8]\n  models: [vae, gan]\n  metrics: [kid]\n  budget: {examples: 100}\n"
        "  tuned:\n    {metric: kid, models: [vae], trials: 2, seeds: 1, examples: 100, spent: 200, settings: {\n"
        "      ring8:\n        {vae: {latents: 3}}}}\n"
    )
    (tmp_path / "found.yaml").write_text(text)
    assert bench.read(tmp_path / "found.yaml")["mine"].tuned.settings == {"ring8": {"vae": {"latents": 3}}}
    (tmp_path / "found.yaml").write_text(text.replace(old, new))
    refused(genbench("run", "mine", "--file", "found.yaml"), *parts)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_killed_search_goes_on_and_ends_as_one_that_was_left_alone(genbench, tmp_path):
    words = ["tune", "ring8", "--models", "tried:Slow", "--trials", "2", "--metric", "frechet", "--examples", "6000"]

    def places(name):
        return ["--runs", str(tmp_path / name), "--out", str(tmp_path / f"{name}.yaml")]

    root = tmp_path / "cut/ring8-tune"
    first = subprocess.Popen([sys.executable, "-m", "genbench.cli", *words, *places("cut")], cwd=HERE)
    until(lambda: list(root.glob(f"*{PARTIAL}/checkpoint.safetensors")))
    os.kill(first.pid, signal.SIGKILL)
    first.wait(timeout=60)
    until(lambda: not workers(root), 20)
    assert not (tmp_path / "cut.yaml").exists()
    for name in ("cut", "whole"):
        assert genbench(*words, *places(name)).returncode == 0
    assert (tmp_path / "cut.yaml").read_text() == (tmp_path / "whole.yaml").read_text()
    assert "2 runs, 2 finished before" in genbench(*words, *places("cut")).stdout

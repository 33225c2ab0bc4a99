"""What CI calls: the pytest fixture, the steps of action.yml, and the worked example of examples/ci."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from test_compare import OLD, arm, shifted, written

import genbench.bench  # noqa: F401 - what pytester imports first it takes out again, and pydantic is not read twice
from genbench.compare import read

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples/ci"


def ask(pytester, body):
    pytester.makepyfile(f"def test_scores(genbench_regression):\n    {body}\n")
    return pytester.runpytest_inprocess("-p", "genbench.plugin", "-p", "no:benchmark", "-p", "no:cacheprovider")


def test_the_fixture_passes_what_is_the_same_and_fails_with_the_table(pytester):
    written(pytester.path / "old/records.jsonl", arm(OLD))
    written(pytester.path / "new/records.jsonl", arm(shifted(OLD, 5), first=10))
    (pytester.path / "gates.yaml").write_text("- frechet[digits] <= 9")
    ask(pytester, "assert genbench_regression('old', 'old').counts['same'] == 1").assert_outcomes(passed=1)
    ask(pytester, "genbench_regression('new', 'old', fail_on='never')").assert_outcomes(passed=1)
    worse = ask(pytester, "genbench_regression('new', 'old')")
    worse.assert_outcomes(failed=1)
    worse.stdout.fnmatch_lines(["worse*digits*vae*frechet*(+50%)*"])
    broken = ask(pytester, "genbench_regression('old', 'old', gates='gates.yaml')")
    broken.stdout.fnmatch_lines(["broken*digits*vae*frechet <= 9*", "*1 of 1 gates broken"])


def stepped(folder, **inputs):
    """The action's own step, run as a runner would: its inputs as variables, its words into three files."""
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    step = next(step for step in action["runs"]["steps"] if step.get("id") == "compare")
    given = {name: spec.get("default", "") for name, spec in action["inputs"].items()} | inputs
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "RUNNER_TEMP": str(folder), "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
        **{name: given[text.removeprefix("${{ inputs.").removesuffix(" }}")] for name, text in step["env"].items()},
    }  # fmt: skip
    (folder / "bin").mkdir(exist_ok=True)
    command = folder / "bin/genbench"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m genbench.cli "$@"\n')
    command.chmod(0o755)
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", step["run"]], env=environment, capture_output=True, text=True
    )


def test_the_action_fails_a_worse_score_and_says_so_in_the_summary(tmp_path):
    old = written(tmp_path / "o d/records.jsonl", arm(OLD)).parent
    written(tmp_path / "new/records.jsonl", arm(shifted(OLD, 5), first=10))
    failed = stepped(tmp_path, old=str(old))
    assert failed.returncode == 1, failed.stderr
    assert "| worse | digits | vae | frechet" in (tmp_path / "summary").read_text()
    comment = (tmp_path / "output").read_text().strip().removeprefix("comment=")
    assert Path(comment).read_text() == (tmp_path / "summary").read_text()
    gates = tmp_path / "my gates.yaml"
    gates.write_text("- frechet[digits] <= 12; touch /tmp/never")
    refused = stepped(tmp_path, old=str(old), gates=str(gates))
    assert refused.returncode == 2
    assert "is no gate" in refused.stderr


def test_the_action_names_only_what_there_is():
    """Every input that a step reads is declared, none is spelt into a script, and the example gives known ones."""
    text = (ROOT / "action.yml").read_text()
    action = yaml.safe_load(text)
    assert not [step for step in action["runs"]["steps"] if "${{" in step.get("run", "")]
    workflow = yaml.safe_load((EXAMPLE / "regression.yml").read_text())
    step = next(step for step in workflow["jobs"]["regression"]["steps"] if step.get("id") == "scores")
    assert set(step["with"]) <= set(action["inputs"])
    for name in action["inputs"]:
        assert f"inputs.{name}" in text


def test_the_example_passes_as_it_stands_and_its_old_scores_would_fail_a_worse_model(pytester):
    shutil.copytree(EXAMPLE, pytester.path / "ci")
    done = pytester.runpytest_inprocess("-p", "genbench.plugin", "-p", "no:benchmark", "-p", "no:cacheprovider", "ci")
    done.assert_outcomes(passed=1)
    factor = {"high_quality": 0.6}
    worse = [
        replace(r, scores=tuple(replace(s, value=s.value * factor.get(s.metric, 1)) for s in r.scores))
        for r in read(EXAMPLE / "old")
    ]
    written(pytester.path / "ci/new/records.jsonl", worse)
    failed = ask(pytester, "genbench_regression('ci/new', 'ci/old', gates='ci/gates.yaml')")
    failed.stdout.fnmatch_lines(["worse*ring8*model:Mixture*high_quality*(*40%)*"])


@pytest.mark.slow
def test_the_example_fails_with_four_components(pytester):
    shutil.copytree(EXAMPLE, pytester.path / "ci")
    model = pytester.path / "ci/model.py"
    model.write_text(model.read_text().replace("components: int = 8", "components: int = 4"))
    done = pytester.runpytest_inprocess("-p", "genbench.plugin", "-p", "no:benchmark", "-p", "no:cacheprovider", "ci")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["broken*model:Mixture*high_quality*", "worse*model:Mixture*high_quality*"])


def held_against_the_committed(genbench, *cut):
    assert genbench("run", "smoke", "--file", ROOT / "benchmarks.yaml", *cut).returncode == 0
    ended = genbench("compare", "reports/smoke", ROOT / "reports/smoke", "--format", "json")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return json.loads(ended.stdout)


def test_a_cut_of_smoke_is_as_good_as_the_committed(genbench):
    found = held_against_the_committed(genbench, "--tasks", "ring8", "--models", "pca,gmm", "--seeds", 2)
    assert len(found["changes"]) >= 10
    assert found["counts"]["worse"] == 0


@pytest.mark.slow
def test_smoke_is_as_good_as_the_committed(genbench):
    assert len(held_against_the_committed(genbench)["changes"]) >= 100

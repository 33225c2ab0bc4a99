"""A stranger's package takes part with one file and a line each; a bare module takes part with no packaging at all."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

TOY = Path(__file__).parent / "outsider"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The toy package put where an installer would put it, found through its own entry points."""
    site = tmp_path_factory.mktemp("site")
    info = site / "toybench-0.1.dist-info"
    info.mkdir()
    (site / "toybench").symlink_to(TOY / "toybench")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toybench\nVersion: 0.1\n")
    lines = []
    for line in (TOY / "pyproject.toml").read_text().splitlines():
        if line.startswith('[project.entry-points."'):
            lines.append(f"[{line.split(chr(34))[1]}]")
        elif line.startswith("toybench = "):
            lines.append(line.replace('"', ""))
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return site


def genbench(*words, path, cwd):
    import os

    env = {**os.environ, "PYTHONPATH": str(path)}
    return subprocess.run(
        [sys.executable, "-m", "genbench.cli", *words], capture_output=True, text=True, env=env, cwd=cwd
    )


def test_a_package_is_found_through_its_entry_points(installed, tmp_path):
    for kind, name in (("models", "toy-gauss"), ("tasks", "toy-line"), ("metrics", "mean_gap")):
        said = genbench("list", kind, "--json", path=installed, cwd=tmp_path)
        assert name in {row["name"] for row in json.loads(said.stdout)}, said.stderr


def test_it_runs_beside_ours_and_is_scored_by_its_own_metric(installed, tmp_path):
    words = ["run", "toy-line", "--models", "truth,pca,toy-gauss", "--metrics", "mean_gap,log_likelihood"]
    said = genbench(*words, "--seeds", "1", "--examples", "2000", path=installed, cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    records = [json.loads(line) for line in (tmp_path / "reports/toy-line/records.jsonl").read_text().splitlines()]
    assert len(records) == 3
    text = (tmp_path / "reports/toy-line/scores.csv").read_text()
    assert "toy-gauss" in text
    assert "mean_gap" in text


@pytest.mark.parametrize(("kind", "name"), [("model", "toy-gauss"), ("task", "toy-line"), ("metric", "mean_gap")])
def test_the_suite_that_judges_ours_judges_theirs(kind, name, installed, tmp_path):
    said = genbench("check", kind, name, path=installed, cwd=tmp_path)
    assert said.returncode == 0, said.stdout + said.stderr
    assert said.stdout.count("ok") >= 3


def test_a_module_needs_no_packaging(tmp_path):
    (tmp_path / "mine.py").write_text((TOY / "toybench" / "things.py").read_text())
    words = ["run", "ring8-wide", "--models", "noise,mine:Gauss", "--metrics", "frechet", "--seeds", "1"]
    said = genbench(*words, "--examples", "20000", path="", cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    assert "mine:Gauss" in (tmp_path / "reports/ring8-wide/scores.csv").read_text()

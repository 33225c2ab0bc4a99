"""After and during a run: samples of a model that it kept, and how far its neighbours are."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from genbench.execute.local import locked
from genbench.record import Asked, Run, to_lines, write_run
from genbench.status import said, standings


@pytest.fixture
def made(genbench):
    """A model of images and one of points, trained for real in this folder."""
    words = ["--tasks", "digits,ring8", "--models", "pca", "--metrics", "frechet", "--seeds", 1, "--examples", 1000]
    assert genbench("run", "smoke", *words).returncode == 0
    return genbench


def test_a_kept_model_samples_a_sheet_a_folder_or_rows(made, tmp_path):
    (run,) = (place.name for place in (tmp_path / "runs/smoke").glob("digits-pca-0-*"))
    assert made("sample", run).stdout == f"{run}.png\n"
    sheet = np.asarray(Image.open(tmp_path / f"{run}.png"))
    assert sheet.shape == (8 * 33 - 1, 8 * 33 - 1)
    assert sheet[:32, :32].std() > 10, "something is drawn"
    assert (sheet[32] == 255).all(), "and a line is left between images"
    made("sample", f"runs/smoke/{run}", "-n", 11, "--out", "many")
    images = sorted((tmp_path / "many").iterdir())
    assert [image.name for image in images] == [f"{i:02d}.png" for i in range(11)]
    made("sample", run, "-n", 11, "--out", "rows.npy")
    made("sample", run, "-n", 11, "--out", "more.npy", "--seed", 1)
    rows, more = np.load(tmp_path / "rows.npy"), np.load(tmp_path / "more.npy")
    assert rows.shape == (11, 1, 8, 8)
    np.testing.assert_array_equal(np.asarray(Image.open(images[3])), (rows[3, 0].clip(0, 1) * 255).round())
    assert not np.array_equal(rows, more)
    made("sample", run, "-n", 11, "--out", "again.npy")
    np.testing.assert_array_equal(rows, np.load(tmp_path / "again.npy"))
    (ring,) = (place.name for place in (tmp_path / "runs/smoke").glob("ring8-pca-0-*"))
    for words, reason in (
        ((ring,), "no images; write them with --out FILE.npy"),
        ((run[:-1],), f"did you mean '{run}'"),
        ((run, "-n", 0), "greater than or equal to 1"),
    ):
        ended = made("sample", *words)
        assert ended.returncode == 2
        assert reason in ended.stderr
        assert len(ended.stderr.splitlines()) == 1
    (tmp_path / "runs/smoke" / run / "model.safetensors").unlink()
    assert "kept no model" in made("sample", run).stderr
    assert made("status").stdout == "smoke: 2 ok\n"
    assert made("status", "quick").returncode == 2


def test_the_status_tells_running_from_stopped_and_killed(tmp_path):
    asked = [Asked("digits", "vae", seed, 1000) for seed in range(5)]
    write_run(tmp_path / asked[0].id, Run(asked[0], "ok"))
    write_run(tmp_path / asked[1].id, Run(asked[1], "diverged", "loss is nan"))
    partial = [tmp_path / f"{a.id}.partial" for a in asked[2:]]
    for place in partial:
        place.mkdir()
        (place / "log.txt").touch()
    score = {
        "metric": "frechet",
        "options": {},
        "version": "1",
        "better": "lower",
        "at": 0.5,
        "split": "valid",
        "value": 1,
    }
    (partial[0] / "scores.jsonl").write_text(to_lines([score]))
    write_run(partial[1], Run(asked[3], "stopped", "interrupted"))
    with locked(partial[0]) as ours:
        found = standings(tmp_path)
    assert ours
    assert {run.id: (run.status, run.why) for run in found[2:]} == {
        asked[2].id: ("running", "scored at 50%"),
        asked[3].id: ("stopped", "interrupted; not scored yet"),
        asked[4].id: ("stopped", "killed; not scored yet"),
    }
    first, *rest = said("digits", found, [a.id for a in asked[:4]] + ["digits-gan-0-0"])
    assert (
        first
        == "digits: 1 diverged, 1 ok, 1 running, 1 stopped, 1 of 5 not begun (1 more are of other code or options)"
    )
    assert [line.split()[0] for line in rest] == ["diverged", "running", "stopped"]
    assert json.dumps([run.status for run in standings(tmp_path)]).count("stopped") == 3, "the lock is gone"

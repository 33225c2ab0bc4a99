"""The command line: what a user can mend is one clear line and exit code 2; what must be quick imports no torch."""

import json
import subprocess
import sys

import pytest

from genbench import bench
from genbench.catalogue import load

GOOD = """\
mine:
  question: Does it work?
  tasks: [ring8]
  models: [noise, {vae: {rate: 1.0e-3}}]
  metrics: [frechet]
  budget: {examples: 1000}
"""
PRINTED = """\
  published:
    someone:
      {source: "A, 2018", protocol: "", task: ring8, metric: frechet, values: {noise: "3", vae: "1.5 ± 0.2"}}
"""


def refused(said, *parts):
    """Exit code 2 and one line on stderr that holds every part."""
    assert said.returncode == 2, said.stdout + said.stderr
    assert said.stderr.count("\n") == 1, said.stderr
    assert "Traceback" not in said.stderr
    for part in parts:
        assert part in said.stderr, said.stderr


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("  question: Does", "  questin: Does", ["benchmarks.yaml:2", "'questin'", "did you mean 'question'?"]),
        ("frechet", "frechett", ["unknown metric 'frechett'", "did you mean 'frechet'?"]),
        ("vae:", "vea:", ["unknown model 'vea'", "did you mean 'vae'?"]),
        ("ring8", "rinng8", ["unknown task 'rinng8'", "did you mean 'ring8'?"]),
        ("{rate: 1.0e-3}", "{rat: 1.0e-3}", ["model 'vae'", "'rat'", "did you mean 'rate'?"]),
        ("{rate: 1.0e-3}", "{rate: 2e-4}", ["model 'vae', option 'rate'", "'2e-4' is text to YAML"]),
        ("{rate: 1.0e-3}", "{latents: 2.5}", ["model 'vae', option 'latents'", "2.5"]),
        ("vae: {rate: 1.0e-3}", "gan: {widths: [8, 2.5]}", ["model 'gan', option 'widths'", "[8, 2.5]"]),
        ("examples: 1000", "examples: 1e6", ["benchmarks.yaml:6", "'1e6' is text to YAML"]),
        ("examples: 1000", "examples: -5", ["benchmarks.yaml:6", "greater than 0"]),
        ("examples: 1000", "exampels: 1000", ["benchmarks.yaml:6", "did you mean 'examples'?"]),
        ("  metrics: [frechet]", "  metrics: [frechet", ["benchmarks.yaml:", "not YAML"]),
        ("  tasks: [ring8]", "  tasks: [ring8]\n  tasks: [grid25]", ["line 4", "'tasks' stands twice"]),
        ("[noise,", "[noise, noise,", ["benchmarks.yaml:4", "'noise' stands twice"]),
        ("mine:", "- mine:", ["benchmarks.yaml"]),
    ],
)
def test_a_slip_in_the_yaml(old, new, parts, tmp_path, genbench):
    assert old in GOOD
    (tmp_path / "benchmarks.yaml").write_text(GOOD.replace(old, new, 1))
    refused(genbench("run", "mine"), *parts)
    assert not list(tmp_path.glob("runs/mine/*"))


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("vae:", "vea:", ["unknown model of a published table 'vea'", "did you mean 'vae'?"]),
        ("ring8", "ring", ["unknown task of a published table 'ring'", "did you mean 'ring8'?"]),
        ("frechet", "kid", ["unknown metric of a published table 'kid'"]),
        ("1.5 ± 0.2", "about 2", ["benchmarks.yaml:9", "'about 2'"]),
        ("source", "sauce", ["benchmarks.yaml:9", "did you mean 'source'?"]),
    ],
)
def test_a_slip_in_a_published_table(old, new, parts, tmp_path, genbench):
    (tmp_path / "benchmarks.yaml").write_text(GOOD + PRINTED.replace(old, new, 1))
    refused(genbench("run", "mine"), *parts)


def test_a_list_is_what_a_model_calls_a_tuple():
    bench.check_options("model 'gan'", load("models", "gan"), {"widths": [8, 4], "rate": 1, "batch_norm": False})


def test_the_yaml_is_never_executed(tmp_path, genbench):
    (tmp_path / "benchmarks.yaml").write_text("mine: !!python/object/apply:os.system ['touch pwned']\n")
    refused(genbench("run", "mine"), "benchmarks.yaml:1", "not YAML")
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["run", "quik"], ["unknown benchmark or task 'quik'", "did you mean 'quick'?"]),
        (["run", "--models", "no.such.module:Thing"], ["no module named"]),
        (["run", "--models", "genbench.truth:Trooth"], ["'Trooth'", "did you mean 'Truth'?"]),
        (["run", "--seeds", "0"], ["--seeds must be at least 1"]),
        (["run", "--seeds", "three"], ["--seeds", "valid integer"]),
        (["run", "--sedes", "3"], ["--sedes"]),
        (["list", "modles"], ["modles"]),
        (["report", "quick"], ["no runs of quick", "genbench run quick"]),
        (["run", "--file", "absent.yaml"], ["cannot read absent.yaml"]),
        (["run", "folder:nowhere", "--models", "noise"], ["nowhere"]),
        (["run", "absent.npz", "--models", "noise"], ["absent.npz"]),
        (["check", "model", "gna"], ["unknown model 'gna'", "did you mean 'gan'?"]),
        (["list", "tasks", "--capabilities"], ["--capabilities goes with models"]),
    ],
)
def test_a_slip_on_the_command_line(words, parts, tmp_path, genbench):
    refused(genbench(*words), *parts)


def test_runs_that_cannot_be_used(tmp_path, genbench):
    (tmp_path / "file").write_text("")
    refused(genbench("run", "--runs", "file"), "cannot use file", "--runs")


def corrupted(genbench, tmp_path, change):
    """A finished run whose run.json is changed, and what the next call says of it."""
    (tmp_path / "benchmarks.yaml").write_text(GOOD.replace("[noise, {vae: {rate: 1.0e-3}}]", "[noise]"))
    assert genbench("run", "mine").returncode == 0
    (path,) = tmp_path.glob("runs/mine/*-0-*/run.json")
    path.write_text(change(path.read_text()))
    return genbench("run", "mine")


def test_a_half_written_run(tmp_path, genbench):
    refused(corrupted(genbench, tmp_path, lambda text: text[: len(text) // 2]), "run.json: not a run of genbench")


def test_a_record_of_another_version(tmp_path, genbench):
    refused(
        corrupted(genbench, tmp_path, lambda text: text.replace('"schema": 1', '"schema": 99')), "schema 99", "reads 1"
    )


def test_images_that_cannot_be_used(tmp_path, genbench):
    from PIL import Image

    folder = tmp_path / "images"
    folder.mkdir()
    ask = ["run", f"folder:{folder}", "--models", "noise", "--metrics", "frechet", "--seeds", "1"]
    refused(genbench(*ask), "no images")
    for number in range(30):
        Image.new("L", (8, 8), number).save(folder / f"{number:02d}.png")
    (folder / "30.png").write_bytes(b"not a picture")
    refused(genbench(*ask), "30.png")
    Image.new("L", (9, 8)).save(folder / "30.png")
    refused(genbench(*ask), "30.png", "size")


def test_a_folder_of_images_is_a_task(tmp_path, genbench):
    import numpy as np
    from PIL import Image

    folder = tmp_path / "images"
    folder.mkdir()
    noise = np.random.default_rng(0)
    for number in range(60):
        Image.fromarray(noise.integers(0, 256, (8, 8), dtype=np.uint8)).save(folder / f"{number:02d}.png")
    ask = ["run", f"folder:{folder}", "--models", "noise,pca", "--metrics", "frechet", "--seeds", "1"]
    said = genbench(*ask, "--examples", "500")
    assert said.returncode == 0, said.stderr
    assert "2 runs, 0 finished before" in said.stdout


@pytest.mark.parametrize(
    "words", [["--help"], ["list", "models"], ["list", "tasks", "--json"], ["list", "benchmarks"], ["run", "--help"]]
)
def test_what_must_be_quick_imports_no_torch(words, tmp_path, genbench):
    assert without_torch(words, tmp_path)


def without_torch(words, folder):
    """Whether the command ends well in a process of its own, in which torch was never imported."""
    code = (
        f"import sys; sys.argv = ['genbench', *{words!r}]\nimport genbench.cli\ntry: genbench.cli.main()\n"
        "except SystemExit as e: print(bool(e.code) or 'torch' in sys.modules, file=sys.stderr)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder)
    return said.stderr.strip() == "False"


def test_a_page_is_made_again_without_torch_from_runs_or_from_records(tmp_path, genbench):
    (tmp_path / "benchmarks.yaml").write_text(GOOD + "  seeds: 1\n")
    assert genbench("run", "mine").returncode == 0
    assert "| [mine](mine/README.md) | Does it work? |" in (tmp_path / "reports/README.md").read_text()
    records = "reports/mine/records.jsonl"
    assert without_torch(["report", "mine", "--out", "again"], tmp_path)
    assert without_torch(["report", "mine", "--records", records, "--out", "alone"], tmp_path)
    assert without_torch(["report", "yours", "--records", records, "--out", "yours"], tmp_path)
    assert without_torch(["report", "--compare", "again", records, "--out", "both"], tmp_path)
    pages = [tmp_path / name for name in ("reports/mine", "again", "alone", "yours")]
    assert len({(page / "scores.csv").read_text().count("ring8") for page in pages}) == 1
    assert len({(page / "index.html").read_bytes() for page in pages[:2]}) == 1
    assert "What came of yours?" in (tmp_path / "yours/README.md").read_text()
    refused(genbench("report", "mine", "--records", "none.jsonl"), "none.jsonl", "records.jsonl")


def test_listed_as_json(tmp_path, genbench):
    for kind in ("models", "tasks", "metrics", "spaces", "benchmarks"):
        rows = json.loads(genbench("list", kind, "--json").stdout)
        assert rows
        assert all(isinstance(row["name"], str) for row in rows)


def test_the_capability_matrix(tmp_path, genbench):
    rows = json.loads(genbench("list", "models", "--capabilities", "--json").stdout)
    can = {row["name"]: row for row in rows}
    assert can["gan"]["Sampler"]
    assert not can["gan"]["Density"]
    assert not can["gan"]["Encoder"]  # the lectures' own claim
    assert can["realnvp"]["Density"]
    assert can["vae"]["Bounded"]
    assert not can["vae"]["Density"]
    family = {name: row["family"] for name, row in can.items()}
    assert family["vae"] == "Explicit density, approximated by a variational bound"
    assert family["realnvp"] == family["pca"] == "Explicit density, tractable"
    assert family["rbm-cd1"] == "Explicit density, approximated by a Markov chain"  # though small ones are enumerated
    assert family["gan"] == "Implicit density, sampled directly"
    assert family["lsa"] == "No density and no samples: codes alone"


def test_the_taxonomy_is_a_page_of_every_model_of_data(tmp_path, genbench):
    said = genbench("report", "taxonomy")
    assert said.stdout == "report: reports/taxonomy/index.html\n"
    readme = (tmp_path / "reports/taxonomy/README.md").read_text()
    models = {row["name"]: row for row in json.loads(genbench("list", "models", "--capabilities", "--json").stdout)}
    others = {name for name, row in models.items() if not row["family"]}
    assert all(models[name]["Mover"] or models[name]["Tester"] for name in others)  # players of games, and tests
    for name in models:
        assert (f"| {name} |" in readme) is (name not in {"truth", "noise", "thief", *others})


def test_benchmarks_here_win_over_the_shipped_ones(tmp_path, genbench):
    shipped = {row["name"] for row in json.loads(genbench("list", "benchmarks", "--json").stdout)}
    assert {"quick", "smoke"} <= shipped
    (tmp_path / "benchmarks.yaml").write_text(GOOD)
    rows = json.loads(genbench("list", "benchmarks", "--json").stdout)
    assert [row["name"] for row in rows] == ["mine"]


def test_version(tmp_path, genbench):
    said = genbench("--version")
    assert said.stdout.startswith("genbench 0.")

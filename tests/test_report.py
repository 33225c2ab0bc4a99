"""The page: complete, escaped, byte for byte the same, and lazy about all that has not changed."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from shutil import which
from time import process_time

import numpy as np
import pytest
from pydantic import TypeAdapter
from safetensors.numpy import save_file

from genbench.bench import Published
from genbench.errors import BadInput
from genbench.finding import Claim
from genbench.record import Asked, Record, Result, Run, read_records, read_results, to_lines, write_run, write_scores
from genbench.report import Page, draw, report
from genbench.report.beside import side_by_side, together
from genbench.report.figures import behind, bill, panels, ranks
from genbench.report.figures import front as best_for_cost
from genbench.report.front import front
from genbench.report.page import markdown, parts, tex
from genbench.report.tables import make_table
from genbench.report.taxonomy import taxonomy
from genbench.report.words import number, runs_of

MODELS = ["vae", "gan", "truth", "realnvp", "noise", "pca", "thief"]
METRICS = ["frechet", "modes", "log_likelihood", "copying"]
SKILL = {"truth": 0.0, "thief": 0.0, "noise": 8.0, "vae": 1.0, "gan": 2.0, "realnvp": 0.5, "pca": 3.0}
DENSE = ("realnvp", "pca", "truth")
WAYS = {
    "frechet": ("lower", ""),
    "modes": ("higher", "modes"),
    "log_likelihood": ("higher", "nats"),
    "copying": ("neither", "sd"),
}


def score(metric: str, skill: float, at: float, noise: float) -> float:
    level = skill + 3 * (1 - at)
    return {
        "frechet": 0.4 + 5 * level * (1 + 0.05 * noise),
        "modes": float(round(max(0.0, 8 - level))),
        "log_likelihood": -40 - 9 * level + noise,
        "copying": noise,
    }[metric]


def write(root: Path, task: str, model: str, seed: int, *, status: str = "ok", metrics: list[str] = METRICS) -> None:
    """One finished run as the runner leaves it."""
    rng = np.random.default_rng([seed, sum(map(ord, task + model))])
    skill, asked = SKILL.get(model, 2.5), Asked(task, model, seed, 10_000, at=(0.1, 0.3), hyper={"width": 32})
    folder = root / asked.id
    cost = {"examples": 1e4, "seconds": 1 + skill + 0.1 * seed, "flops": None if model == "pca" else 3.21e10}
    why = "" if status == "ok" else "loss is nan at example 4096"
    trouble = "" if status == "ok" else "Traceback:\n  <b>ValueError</b>"
    write_run(folder, Run(asked, status, why, trouble, {**cost, "parameters": 12_345.0, "memory": 4.56e8}))
    records = []
    for at in (0.1, 0.3, 1.0):
        if status != "ok" and at > 0.1:
            continue
        for metric in metrics:
            name = metric if metric in WAYS else "frechet"
            can = name != "log_likelihood" or model in DENSE
            records.append(
                Record(
                    metric,
                    {"space": "digits:0a1b2c"} if name == "frechet" else {},
                    "1",
                    WAYS[name][0],
                    at,
                    "test" if at == 1 else "valid",
                    score(name, skill, at, rng.normal()) if can else None,
                    error=0.2 if can else None,
                    n=360,
                    why="" if can else "no log_prob",
                    unit=WAYS[name][1],
                )
            )
    write_scores(folder, records)
    steps = range(100, 10_001, 100)
    lines = [
        {"examples": e, "stage": 0, "player": p, "loss": 1 + skill / (1 + e / 500) + 0.1 * rng.normal(), "norm": None}
        for e in steps for p in (("generator", "critic") if model == "gan" else (model,))
    ]  # fmt: skip
    if model not in ("truth", "noise", "thief", "pca"):
        (folder / "trace.jsonl").write_text(to_lines(lines))
    if status == "ok":
        (folder / "evidence" / "1.00").mkdir(parents=True)
        real, fake = rows(task, 0.0, np.random.default_rng(0)), rows(task, skill, rng)
        save_file({"real": real, "fake": fake}, folder / "evidence" / "1.00" / "Samples.safetensors")


def rows(task: str, skill: float, rng: np.random.Generator) -> np.ndarray:
    if task == "ring8":
        angle = rng.integers(0, 8, 360) * np.pi / 4
        return (np.stack([np.cos(angle), np.sin(angle)], 1) + (0.05 + 0.05 * skill) * rng.normal(size=(360, 2))).astype(
            "f"
        )
    from sklearn.datasets import load_digits

    images = load_digits().images[rng.permutation(1797)[:360], None] / 16
    return (images + 0.08 * skill * rng.normal(size=images.shape)).astype(np.float32)


def make(root: Path, tasks: tuple[str, ...] = ("ring8", "digits"), models: list[str] = MODELS, seeds: int = 3) -> None:
    for task in tasks:
        for model in models:
            for seed in range(seeds):
                write(root, task, model, seed, status="diverged" if (model, seed) == ("gan", 2) else "ok")


CLAIMS = {
    "flow": {"kind": "beats", "model": "realnvp", "control": "vae", "metric": "frechet", "task": "ring8"},
    "gan": {"kind": "beats", "model": "gan", "control": "missing", "metric": "frechet", "task": "ring8"},
}


def page(**changes) -> Page:
    claims = {name: TypeAdapter(Claim).validate_python(spec) for name, spec in CLAIMS.items()}
    return replace(
        Page("quick", "Who is best?", "genbench run quick", ["ring8", "digits"], MODELS, METRICS, claims), **changes
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def pretended(kinds: list[str]):
    """Figures are only said to be drawn, which is quicker."""
    return lambda kind, data: kinds.append(kind) or {"png": kind.encode(), "pdf": b"", "svg": b""}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Runs of seven entrants on two tasks, and their report."""
    root = tmp_path_factory.mktemp("made")
    make(root / "runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(draw, "draw", pretended([]))
        report(page(), read_results(root / "runs"), root / "out")
    return root


@pytest.fixture
def drawn(monkeypatch):
    kinds: list[str] = []
    monkeypatch.setattr(draw, "draw", pretended(kinds))
    return kinds


def test_the_page_holds_everything(made):
    html = (made / "out/index.html").read_text()
    for said in (
        "Who is best?", "genbench run quick", "realnvp beats vae on frechet (ring8)", "no run of missing on ring8",
        "no log_prob", "diverged 1 of 3", "loss is nan at example 4096", "space digits", "n 360", "Learning curves",
        "Quality against cost", "Samples", "Losses", "<details>", "prefers-color-scheme", "12,345",
    ):  # fmt: skip
        assert said in html, said
    assert "http" not in html
    assert html.count("<table") == 3  # of two tasks, and of who could be asked what
    assert html.count('src="data:image/png;base64,') == 12
    assert html.index(">truth<") < html.index(">noise<") < html.index(">thief<") < html.index(">vae<")
    wanted = {
        "index.html",
        "README.md",
        "scores.csv",
        "records.jsonl",
        "tables/ring8.tex",
        "tables/digits.tex",
        ".inputs",
    }
    kinds, both = ("curves", "curves-seconds", "curves-flops", "costs", "samples", "traces"), ("ring8", "digits")
    figures = {f"figures/{kind}-{task}.{end}" for kind in kinds for task in both for end in ("png", "pdf", "svg")}
    assert set(contents(made / "out")) == wanted | figures


def test_markdown_latex_csv_and_json_agree_with_the_records(made):
    readme = (made / "out/README.md").read_text()
    assert "](figures/samples-digits.png)" in readme
    assert "diverged 1 of 3" in readme
    latex = (made / "out/tables/ring8.tex").read_text()
    assert "mean over 3 seeds" in latex
    assert r"log\_likelihood" in latex
    assert r"\toprule" in latex
    assert latex.count("{") == latex.count("}")
    rows_of = list(csv.DictReader((made / "out/scores.csv").open()))
    cell = next(r for r in rows_of if (r["task"], r["model"], r["metric"]) == ("ring8", "vae", "frechet"))
    results = [r for r in read_results(made / "runs") if (r.task, r.model) == ("ring8", "vae")]
    values = [s.value for r in results for s in r.scores if s.at == 1 and s.metric == "frechet"]
    assert float(cell["mean"]) == pytest.approx(np.mean(values))
    assert float(cell["spread"]) == pytest.approx(np.std(values, ddof=1))
    assert float(cell["sampling_error"]) == pytest.approx(0.2)
    lines = [json.loads(line) for line in (made / "out/records.jsonl").read_text().splitlines()]
    assert len(lines) == 42
    assert all({"asked", "status", "cost", "scores", "id"} <= line.keys() for line in lines)


PRINTED = {
    "source": "Someone, 2018 <1>, table 2.",
    "protocol": "Theirs: another ring.",
    "task": "ring8",
    "metric": "frechet",
    "values": {"noise": "9.8 ± 0.9", "vae": "23.80", "realnvp": "6.7"},
}


def test_published_numbers_stand_beside_ours_in_their_own_order(made, tmp_path, drawn):
    """Printed: realnvp, noise, vae, of which the flow is the best here too, and the noise the worst by far."""
    theirs = {"someone": TypeAdapter(Published).validate_python(PRINTED)}
    results = read_results(made / "runs")
    html = report(page(published=theirs), results, tmp_path / "out").read_text()
    readme = (tmp_path / "out/README.md").read_text()
    assert "Someone, 2018 &lt;1&gt;, table 2." in html
    assert "Someone, 2018 &lt;1&gt;, table 2." in readme
    lines = readme.split("## Published beside ours")[1].split("|--:|--:|\n")[1].splitlines()[:3]
    assert [line.split(" | ")[1] for line in lines] == ["6.7", "9.8 ± 0.9", "23.80"]
    value, half = make_table("ring8", MODELS, METRICS, results).cell("vae", "frechet[space=digits:0a1b2c]").text
    assert lines[2] == f"| vae | 23.80 | {value} ± {half} |"
    said = "Of 3 pairs of models that are printed apart, 2 stand in the same order here and 1 in the other"
    assert said in html
    assert said in readme
    assert "Published" not in (made / "out/index.html").read_text()


def test_published_numbers_without_a_score_of_ours(made, tmp_path, drawn):
    theirs = TypeAdapter(Published).validate_python({**PRINTED, "values": {"gan": "1", "absent": "2"}})
    elsewhere = theirs.model_copy(update={"task": "grid25"})
    html = report(
        page(published={"a": theirs, "b": elsewhere}), read_results(made / "runs"), tmp_path / "out"
    ).read_text()
    assert "no score" in html
    assert "Of 0 pairs" in html


def test_bold_is_for_what_may_be_best(made):
    table = make_table("ring8", MODELS, METRICS, read_results(made / "runs"))
    best = {row.model for row in table.rows if row.cells[0].best}
    assert best == {"realnvp"}
    assert not any(row.cells[3].best for row in table.rows), "copying has no better direction"
    assert table.cell("gan", "log_likelihood").why == "diverged 1 of 3; no log_prob"
    assert table.cell("gan", "modes").lost == "diverged 1 of 3"


def test_twice_is_byte_for_byte_the_same(made, tmp_path, drawn):
    make(tmp_path / "runs")
    report(page(), read_results(tmp_path / "runs")[::-1], tmp_path / "out")
    assert contents(tmp_path / "out") == contents(made / "out")


def test_figures_are_byte_for_byte_the_same(tmp_path):
    make(tmp_path / "runs", tasks=("digits",), models=["truth", "vae"], seeds=1)
    for name in ("one", "two"):
        report(page(tasks=["digits"]), read_results(tmp_path / "runs"), tmp_path / name)
    one = contents(tmp_path / "one")
    assert one == contents(tmp_path / "two")
    assert one["figures/samples-digits.png"].startswith(b"\x89PNG")
    assert one["figures/curves-digits.pdf"].startswith(b"%PDF")


def test_what_codes_keep_is_drawn_byte_for_byte_the_same(tmp_path):
    """Reconstructions, codes and planes of two numbers, filters; and none of them where codes are longer or no images
    were seen."""
    for seed, model in enumerate(("pca", "vae")):
        write(tmp_path / "runs", "digits", model, seed)
        (folder,) = (tmp_path / "runs").glob(f"digits-{model}-*/evidence/1.00")
        noise = np.random.default_rng(seed)
        real = rows("digits", 0.0, noise)
        width = 2 if model == "vae" else 5
        for kind, tensors in {
            "Reconstructions": {"real": real, "again": real.clip(0.2, 0.8)},
            "Codes": {"codes": noise.normal(size=(360, width)).astype("f"), "labels": noise.integers(10, size=360)},
            "Grid": {"rows": noise.uniform(size=(20, 20, 1, 8, 8)[: 5 if model == "vae" else 3]).astype("f")},
            "Nearest": {"fake": real[:12], "train": real[12:24]},
            "Walks": {name: noise.uniform(size=(5, 16, 1, 8, 8)).astype("f") for name in ("rows", "along")},
            "Filters": {"filters": noise.normal(size=(20, 1, 8, 8)).astype("f")},
        }.items():
            save_file(tensors, folder / f"{kind}.safetensors")
    results = read_results(tmp_path / "runs")
    for out in ("one", "two"):
        html = report(page(tasks=["digits"]), results, tmp_path / out).read_text()
    one = contents(tmp_path / "one")
    assert one == contents(tmp_path / "two")
    for kind in ("reconstructions", "codes", "manifolds", "walks", "filters", "nearest"):
        assert one[f"figures/{kind}-digits.png"].startswith(b"\x89PNG")
    for said in (
        "Reconstructions on digits by real rows, vae, pca.", "Codes on digits by vae.",
        "each with its nearest training row, of vae, pca.",
        "Decoded planes of codes on digits of vae.", "Filters on digits of vae, pca.",
        "Rows between codes on digits of vae, vae, number 1, vae, number 2, vae, number 3, pca,",
    ):  # fmt: skip
        assert said in html, said


def test_the_taxonomy_is_derived_and_byte_for_byte_the_same(tmp_path):
    def model(name, family, **able):
        return {"name": name, "where": f"m:{name}", "Sampler": False, "Density": False, **able, "family": family}

    families = [("energy", "By a chain"), ("log_prob", "Tractable"), ("sample", "Implicit")]
    models = [
        model("flow", "Tractable", Sampler=True, Density=True),
        model("<gan>", "Implicit", Sampler=True),
        model("truth", "Tractable", Density=True),
    ]
    for out in ("one", "two"):
        taxonomy(models, families, tmp_path / out)
    one = contents(tmp_path / "one")
    assert one == contents(tmp_path / "two")
    readme, html = (one[name].decode() for name in ("README.md", "index.html"))
    assert "- **By a chain** (`energy`): none here\n- **Tractable** (`log_prob`): flow\n" in readme
    assert "| flow | yes | yes |" in readme
    assert "| &lt;gan&gt; | yes | – |" in readme
    assert "truth" not in readme
    assert "&lt;gan&gt;" in html
    assert "<gan>" not in html


def test_nothing_changed_nothing_done_and_figures_only_where_data_changed(tmp_path, drawn, monkeypatch):
    out = tmp_path / "out"
    make(tmp_path / "runs", seeds=1)

    def again(**changes):
        drawn.clear()
        return report(page(**changes), read_results(tmp_path / "runs"), out).read_text()

    again()
    assert len(drawn) == 12
    with monkeypatch.context() as patch:
        patch.setattr("genbench.report.page.html_page", lambda *_: pytest.fail("rendered again"))
        again()
    assert "Another?" in again(question="Another?")
    assert drawn == []
    trace = next((tmp_path / "runs").glob("digits-vae-0-*")) / "trace.jsonl"
    trace.write_text("".join(trace.read_text().splitlines(keepends=True)[:-5]))
    again()
    assert drawn == ["traces"]
    (out / "figures/costs-ring8.pdf").unlink()
    again()
    assert drawn == ["costs"]


def test_what_is_gone_from_the_page_is_gone_from_the_folder(tmp_path, drawn):
    make(tmp_path / "runs", models=["vae", "truth"], seeds=1)
    everything = read_results(tmp_path / "runs")
    report(page(), everything, tmp_path / "out")
    report(page(tasks=["ring8"]), [r for r in everything if r.task == "ring8"], tmp_path / "out")
    assert not [name for name in contents(tmp_path / "out") if "digits" in name]


def test_a_report_with_cached_figures_imports_neither_torch_nor_matplotlib(made):
    code = f"""if True:
        import sys
        from pathlib import Path
        from genbench.record import read_results
        from genbench.report import Page, report
        page = Page("quick", "Other?", "x", ["ring8", "digits"], {MODELS}, {METRICS}, {{}})
        report(page, read_results(Path("runs")), Path("out"))
        sys.exit(({{"torch", "matplotlib", "scipy.stats", "pandas"}} & set(sys.modules)) or None)
    """
    subprocess.run([sys.executable, "-c", code], check=True, cwd=made)


@pytest.mark.parametrize("case", ["one seed", "all failed", "no run of a task", "no values"])
def test_poor_results_still_make_a_page(case, tmp_path, drawn):
    root = tmp_path / "runs"
    for model in ("truth", "vae", "gan"):
        for seed in range(1 if case == "one seed" else 2):
            write(root, "ring8", model, seed, status="failed" if case == "all failed" else "ok", metrics=["frechet"])
    results = read_results(root)
    if case == "no values":
        results = [
            replace(r, scores=tuple(replace(s, value=None, error=None, why="not finite") for s in r.scores))
            for r in results
        ]
    tasks = ["ring8", "grid25"] if case == "no run of a task" else ["ring8"]
    html = report(page(tasks=tasks), results, tmp_path / "out").read_text()
    said = {"one seed": "one run has no interval", "all failed": "failed", "no run of a task": "grid25"}
    assert said.get(case, "not finite") in html
    assert ("What each model could be asked" in html) == (case in ("one seed", "no run of a task"))
    assert "nan" not in (tmp_path / "out/README.md").read_text().replace("loss is nan", "")


def test_nothing_at_all_is_one_clear_line(tmp_path):
    with pytest.raises(BadInput, match="no runs of quick to report; make some with `genbench run quick`"):
        report(page(), [], tmp_path)


def test_a_torn_evidence_file_is_named(tmp_path):
    write(tmp_path / "runs", "ring8", "vae", 0)
    next((tmp_path / "runs").rglob("Samples.safetensors")).write_bytes(b"torn")
    with pytest.raises(BadInput, match=r"Samples\.safetensors: not readable"):
        report(page(), read_results(tmp_path / "runs"), tmp_path / "out")


WICKED = [
    "<script>alert(1)</script>",
    r"$x_1$ & 100% #{\\frac}",
    "a|b`c*d[e](f)",
    "😀 ∑ ~^",
    "_quiet",
    "../../etc",
    "\t[é] ħ·ÿ\x7f",
]


def test_names_are_escaped_everywhere(tmp_path, drawn):
    for name in WICKED:
        write(tmp_path / "runs", name, name, 0, metrics=[name])
    made_of = page(question="<b>&</b> $", tasks=WICKED, models=WICKED, metrics=WICKED)
    html = report(made_of, read_results(tmp_path / "runs"), tmp_path / "out").read_text()
    assert html.count("<script") == 1  # what sorts and filters
    assert "&lt;script&gt;alert(1)" in html
    assert "<b>&amp;</b>" not in html
    assert "<b>ValueError" not in html
    readme = (tmp_path / "out/README.md").read_text()
    assert "<script>" not in readme
    assert r"a\|b\`c\*d\[e\](f)" in readme
    folders = {path.parent.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")}
    assert folders == {".", "tables", "figures"}
    latex = "".join(path.read_text() for path in (tmp_path / "out/tables").glob("*.tex"))
    assert "{[}U+1F600{]}" in latex
    assert r"\$x\_1\$ \& 100\% \#\{" in latex
    assert max(latex) <= "\u017f"


def test_figures_take_any_name():
    palette = {name: i for i, name in enumerate(WICKED)}
    lines = {name: {"x": i + 1.0, "y": i + 1.0, "half": 0.1} for i, name in enumerate(WICKED)}
    panel = {"key": "k", "title": r"$\frac", "unit": "%_$", "lines": lines}
    assert draw.draw("costs", {"panels": [panel], "palette": palette})["png"]
    plane = np.zeros((5, 2), np.float32)
    planes = {WICKED[0]: [np.ones((3, 3), np.float32), np.zeros(2), np.ones(2)]}
    sheets = {"sheets": dict.fromkeys(WICKED, plane), "real": plane, "palette": palette, "planes": planes}
    assert draw.draw("samples", sheets)["pdf"]


def test_escapes():
    assert tex("[é] ħ") == "{[}é{]} {[}U+0127{]}"
    assert tex(r"a_b & 5% \x") == r"a\_b \& 5\% \textbackslash{}x"
    assert markdown("a|b\n<i>") == r"a\|b &lt;i&gt;"


@pytest.mark.parametrize(
    ("value", "half", "said"),
    [
        (12.3456, 0.0456, ("12.346", "0.046")), (12.3, 45.6, ("12", "46")), (8.0, 0.0, ("8", "0")), 
        (1234.5, 100, ("1234", "100")), (-41.234, None, ("-41.23", "0")),
        (1.5e-9, 2e-10, ("1.5e-09", "2e-10")), (0.99994, 0.00012, ("0.99994", "0.00012")),
        (-0.01, 1.4, ("0.0", "1.4")),
    ],
)  # fmt: skip
def test_numbers_are_cut_where_their_interval_is(value, half, said):
    assert number(value, half) == said


def test_whole_numbers_that_follow_one_another_are_said_by_their_ends():
    assert [runs_of(x) for x in ([], [3], [1, 0], [2, 0, 1], [0, 1, 2, 4, 6, 7, 8, 9])] == [
        "", "3", "0, 1", "0–2", "0–2, 4, 6–9",
    ]  # fmt: skip


def test_a_page_is_made_again_from_its_own_records_alone(made, tmp_path, drawn):
    """The same tables; only what needs the runs' evidence is missing, unless it is said where the runs lie."""
    lines = made / "out/records.jsonl"
    report(page(), read_records(lines, tmp_path / "nowhere"), tmp_path / "alone")
    report(page(), read_records(lines, made / "runs"), tmp_path / "beside")
    told, alone, beside = (contents(folder) for folder in (made / "out", tmp_path / "alone", tmp_path / "beside"))
    for name in ("scores.csv", "records.jsonl", "tables/ring8.tex", "tables/digits.tex"):
        assert told[name] == alone[name] == beside[name]
    assert "samples" not in "".join(alone)
    assert told["README.md"].partition(b"## ring8")[2] == beside["README.md"].partition(b"## ring8")[2] != b""


def spoilt(made: Path, tmp_path: Path, spoil) -> Path:
    """The records of a page with something done to the first, a finished run of the VAE."""
    lines = (made / "out/records.jsonl").read_text().splitlines()
    first, *rest = sorted(lines, key=lambda line: '"model": "vae"' not in line)
    run = json.loads(first)
    spoil(run)
    path = tmp_path / "records.jsonl"
    path.write_text("\n".join([json.dumps(run), *rest]) + "\n")
    return path


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda run: run["scores"][0].pop("value"), r"records\.jsonl:1: value: Field required"),
        (lambda run: run["scores"][0].update(value="good"), r"records\.jsonl:1: value: .*valid number"),
        (lambda run: run.pop("asked"), r"records\.jsonl:1: not a run, it lacks asked"),
        (lambda run: run.update(schema=99), r"records\.jsonl:1: schema 99"),
        (lambda run: run["asked"].update(colour="red"), r"records\.jsonl:1: unknown field 'colour'"),
    ],
)
def test_records_that_are_none_are_named_by_their_line(made, tmp_path, spoil, said):
    with pytest.raises(BadInput, match=said):
        read_records(spoilt(made, tmp_path, spoil), tmp_path)


def test_two_runs_of_one_id_or_of_one_seed_are_refused(made, tmp_path, drawn):
    path = made / "out/records.jsonl"
    lines = path.read_text()
    (tmp_path / "twice.jsonl").write_text(lines + lines.splitlines()[0] + "\n")
    with pytest.raises(BadInput, match=r"twice\.jsonl:43: a second run with the id digits-"):
        read_records(tmp_path / "twice.jsonl", tmp_path)
    again = spoilt(made, tmp_path, lambda run: (run["asked"].update(code="other"), run.update(id="other")))
    again.write_text(lines + again.read_text().splitlines()[0] + "\n")
    with pytest.raises(BadInput, match="on digits has two runs of seed 0"):
        report(page(), read_records(again, tmp_path), tmp_path / "out")


def test_a_value_that_is_no_number_is_a_reason(made, tmp_path, drawn):
    path = spoilt(made, tmp_path, lambda run: run["scores"][-1].update(value=float("nan"), error=float("inf")))
    html = report(page(), read_records(path, tmp_path), tmp_path / "out").read_text()
    assert "not scored" in html
    assert ">nan" not in html


def test_records_that_are_not_there_are_one_clear_line(tmp_path):
    with pytest.raises(BadInput, match="give a report's records"):
        read_records(tmp_path / "none.jsonl", tmp_path)


def test_rows_stand_in_families_and_columns_in_parts_that_a_page_holds(made):
    results = read_results(made / "runs")
    refs = {"vae": "baselines.autoencoding.vae:VAE", "pca": "baselines.linear.pca:PCA", "gan": "mine:GAN"}
    results = [
        replace(r, run=replace(r.run, asked=replace(r.run.asked, model_ref=refs.get(r.model, "a.autoencoding.b:C"))))
        for r in results
    ]
    table = make_table("ring8", ["gan", "vae", "pca", "truth", "realnvp"], METRICS, results)
    said = [(family, [row.model for row in rows]) for family, rows in table.groups]
    assert said == [("", ["truth"]), ("mine", ["gan"]), ("autoencoding", ["vae", "realnvp"]), ("linear", ["pca"])]
    assert [[i for i, _ in part] for part in parts(table)] == [[0, 1, 2, 3]]
    wide = replace(table, columns=table.columns * 5, rows=[replace(r, cells=r.cells * 5) for r in table.rows])
    assert len(parts(wide)) > 2
    assert [i for part in parts(wide) for i, _ in part] == list(range(20))


BARE = "\\documentclass{article}"
PAPER = "\\documentclass[twocolumn,10pt]{article}\\usepackage[T1]{fontenc}"


@pytest.mark.slow
@pytest.mark.skipif(which("pdflatex") is None, reason="no pdflatex")
@pytest.mark.parametrize("top", [BARE, PAPER], ids=["bare", "two columns"])
def test_latex_compiles_in_a_bare_article_and_in_a_paper(top, tmp_path, drawn):
    """Wicked names and more columns than a page is wide among them; nothing sticks out of the page."""
    models, metrics = [*WICKED, *MODELS], [*METRICS, *WICKED]
    for model in models:
        for task in ("ring8", WICKED[1]):
            write(tmp_path / "runs", task, model, 0, metrics=metrics)
    made_of = page(tasks=["ring8", WICKED[1]], models=models, metrics=metrics)
    report(made_of, read_results(tmp_path / "runs"), tmp_path / "out")
    tables = sorted((tmp_path / "out/tables").glob("*.tex"))
    body = "".join(f"Words.\\input{{tables/{path.name}}}\n" for path in tables)
    text = f"{top}\n\\usepackage{{booktabs,graphicx}}\n\\begin{{document}}\n{body}\\end{{document}}\n"
    (tmp_path / "out/paper.tex").write_text(text)
    words = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    said = subprocess.run(words, cwd=tmp_path / "out", capture_output=True, text=True, errors="replace")
    assert said.returncode == 0, said.stdout[-2000:]
    assert "Overfull \\hbox" not in said.stdout
    assert "Float too large" not in said.stdout
    assert len(tables) == 2


def traded(results, one: str, other: str):
    """The same runs, with the scores of two models exchanged, seed by seed."""
    scores = {(r.task, r.model, r.run.asked.seed): r.scores for r in results}
    names = {one: other, other: one}
    return [
        replace(r, scores=scores[r.task, names.get(r.model, r.model), r.run.asked.seed]) for r in results
    ]  # fmt: skip


def test_the_answer_follows_the_records(made, tmp_path, drawn):
    """The claim is shown; with the two models' scores exchanged it is not; with both alike nothing is decided."""
    results = read_records(made / "out/records.jsonl", tmp_path)
    alike = [
        replace(r, scores=next(o.scores for o in results if (o.task, o.model) == (r.task, "vae") and
                               o.run.asked.seed == (r.run.asked.seed + 1) % 3))
        if r.model == "realnvp" else r for r in results
    ]  # fmt: skip
    one = page(findings={"flow": page().findings["flow"]})
    said = {}
    for name, runs in {"told": results, "traded": traded(results, "realnvp", "vae"), "alike": alike}.items():
        report(one, runs, tmp_path / name)
        said[name] = (tmp_path / name / "README.md").read_text()
    assert "1 of 1 finding is shown.\n" in said["told"]
    assert "- **shown**: realnvp beats vae on frechet (ring8): the gain is " in said["told"]
    assert "0 of 1 finding is shown, 1 is not shown.\n" in said["traded"]
    assert "- **not shown**: realnvp beats vae" in said["traded"]
    assert "0 of 1 finding is shown, 1 is undecided.\n" in said["alike"]
    low, high = map(float, re.search(r"the gain is \S+ \\\[(\S+), (\S+)\\\] over", said["alike"]).groups())
    assert low < 0 < high


def test_the_front_page_has_a_line_a_page(made, tmp_path, drawn):
    results = read_records(made / "out/records.jsonl", tmp_path)
    for name, question in (("one", "Who is best?"), ("two", "Is a|b?")):
        report(page(name=name, question=question), results, tmp_path / name)
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare/README.md").write_text("# bare\n")
    (tmp_path / "empty").mkdir()
    lines = front(tmp_path).read_text().splitlines()[-3:]
    assert lines[0] == "| [bare](bare/README.md) | bare |  |"
    assert lines[1].startswith(
        "| [one](one/README.md) | Who is best? | 1 of 2 findings are shown, 1 is undecided. **shown**"
    )
    assert lines[2].startswith(r"| [two](two/README.md) | Is a\|b? |")


def test_two_pages_side_by_side(made, tmp_path):
    """A page beside itself differs nowhere; beside one with two models exchanged, in those two."""
    results = read_records(made / "out/records.jsonl", tmp_path)
    same = [p for table in together(results, results) for p in table.pairs]
    assert {p.way for p in same} == {""}
    assert all(p.gap.startswith("0") for p in same)
    other = [p for table in together(results, traded(results, "realnvp", "vae")) for p in table.pairs]
    assert {p.model: p.way for p in other if p.column.metric == "frechet" and p.way} == {
        "realnvp": "worse",
        "vae": "better",
    }
    newer = [replace(r, scores=tuple(replace(s, version="2") for s in r.scores)) for r in results]
    assert {p.why for t in together(results, newer) for p in t.pairs} == {"version 1 against 2"}
    fewer = [replace(r, scores=tuple(replace(s, n=99) for s in r.scores)) for r in results]
    assert {p.why for t in together(results, fewer) for p in t.pairs} == {"n 360 against 99"}
    html = side_by_side(made / "out", made / "out/records.jsonl", tmp_path / "both").read_text()
    assert "http" not in html
    readme = (tmp_path / "both/README.md").read_text()
    assert "| vae | frechet ↓ |" in readme
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(BadInput, match="tells of no run"):
        side_by_side(made / "out", tmp_path / "empty.jsonl", tmp_path / "both")


def test_the_pareto_front():
    points = {"cheap": (1.0, 5.0), "good": (3.0, 1.0), "beaten": (4.0, 2.0), "tied": (2.0, 5.0), "middle": (2.0, 3.0)}
    assert best_for_cost(points, lower=True) == ["cheap", "middle", "good"]
    assert best_for_cost(points, lower=False) == ["cheap"]
    assert best_for_cost({}, lower=True) == []


def test_panels_of_one_metric_are_told_apart_by_what_differs(made):
    table = make_table("ring8", MODELS, METRICS, read_results(made / "runs"))
    frechet, modes = table.columns[:2]
    twice = [replace(frechet, options=f"player {i}, space digits", key=str(i)) for i in range(2)]
    titles = [panel["title"] for panel in panels(replace(table, columns=[*twice, modes]))]
    assert titles == ["frechet ↓\nplayer 0", "frechet ↓\nplayer 1", "modes ↑"]


def test_of_many_lines_those_that_end_best_stand_out():
    lines = {f"m{i}": {"y": [0.0, (7 * i) % 13]} for i in range(13)}
    every = {"truth": {"y": [-1.0]}, **lines}
    assert behind({"lower": True, "lines": {**every, "m0": {"y": [5.5]}}})[-1] == "m11"  # 12, the highest
    for lower, best in ((True, {"m0", "m2", "m4", "m6"}), (False, {"m11", "m9", "m7", "m5"})):
        faint = behind({"lower": lower, "lines": every})
        assert set(lines) - set(faint) == best
    del every["m0"]
    assert behind({"lower": True, "lines": every}) == []


def test_what_was_spent_at_a_share_of_the_budget():
    run = Run(Asked("t", "m", 0, 1000), "ok", cost={"examples": 500, "seconds": 4.0, "flops": None})
    result = Result(run, (), Path())
    assert bill(result, 0.25, "examples") == 250
    assert bill(result, 0.25, "seconds") == 2
    assert bill(result, 1.0, "seconds") == 4, "a run that stopped early spent no more than all it spent"
    assert bill(result, 1.0, "flops") is None


def test_ranks_are_told_from_six_tasks_on(made, tmp_path):
    results = read_records(made / "out/records.jsonl", tmp_path)
    six = [
        replace(r, run=replace(r.run, asked=replace(r.run.asked, task=f"{r.task}{i}")))
        for r in results
        for i in range(3)
    ]
    tasks = sorted({r.task for r in six})
    tables = [make_table(task, MODELS, METRICS, six) for task in tasks]
    palette = {m: i for i, m in enumerate(MODELS)}
    assert ranks(tables[:5], palette) is None
    figure = ranks(tables, palette)
    assert [panel["title"] for panel in figure.data["panels"]] == ["frechet ↓", "modes ↑"]  # two densities are no field
    assert set(figure.data["panels"][0]["scores"]) == {"vae", "gan", "realnvp", "pca"}
    pytest.importorskip("scikit_posthocs")
    one, two = (draw.draw("ranks", figure.data) for _ in range(2))
    assert one == two
    assert one["png"].startswith(b"\x89PNG")


def test_500_runs_with_their_figures_drawn_before_take_less_than_six_seconds(made, tmp_path, drawn):
    """Of the processor's time, so that a busy machine is not blamed."""
    few = [r for r in read_records(made / "out/records.jsonl") if r.run.status == "ok" and r.run.asked.seed == 0]
    many = [
        replace(r, run=replace(r.run, asked=replace(r.run.asked, seed=i)))
        for r in few
        for i in range(500 // len(few) + 1)
    ]
    assert len(many) >= 500
    report(page(), many, tmp_path / "out")
    drawn.clear()
    start = process_time()
    report(page(question="Another?"), many, tmp_path / "out")
    assert process_time() - start < 6
    assert drawn == []

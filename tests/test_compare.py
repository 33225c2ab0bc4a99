"""Verdicts against what was planted, refusals in words, and no markup or NaN that gets through."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import fisher_exact, ttest_ind

from genbench import stats
from genbench.compare import Comparison, compare, read
from genbench.compare.gates import check, read_gates
from genbench.compare.verdict import LOST
from genbench.errors import BadInput
from genbench.record import SCHEMA, Asked, Record, Result, Run, read_records, to_lines
from genbench.report.comparison import as_json, as_markdown, as_text

ROOT = Path(__file__).parent.parent
WAYS = {"frechet": "lower", "log_likelihood": "higher", "copying": "neither"}


def record(metric, value, **changes) -> Record:
    made = Record(metric, {"space": "digits:0a1b"} if metric == "frechet" else {}, "1", WAYS.get(metric, "lower"), 1.0,
                  "test", value, error=0.1, n=300)  # fmt: skip
    return replace(made, **changes)


def result(seed=0, model="vae", task="digits", status="ok", why="", scores=None, asked=None, **values) -> Result:
    run = Run(replace(Asked(task, model, seed, 1000, data="d1"), **(asked or {})), status, why)
    return Result(run, tuple(record(k, v, **(scores or {})) for k, v in values.items()), Path())


def arm(values, metric="frechet", first=0, **changes) -> list[Result]:
    return [result(first + i, **{metric: v}, **changes) for i, v in enumerate(values)]


def verdicts(found: Comparison) -> dict[str, str]:
    return {change.metric: change.verdict for change in found.changes}


def only(new, old, **changes):
    (change,) = compare(new, old, **changes).changes
    return change


def written(path: Path, results) -> Path:
    lines = ({**asdict(r.run), "id": r.run.id, "scores": [asdict(s) for s in r.scores]} for r in results)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_lines(lines))
    return path


OLD = [10.0, 10.2, 9.8, 10.1, 9.9]
SPREAD = [10.0, 14.0, 7.0, 12.0, 8.0]


def shifted(values, by):
    return [v + by for v in values]


@pytest.mark.parametrize(
    ("metric", "by", "verdict"),
    [
        ("frechet", 3, "worse"),
        ("frechet", -3, "better"),
        ("log_likelihood", 3, "better"),
        ("log_likelihood", -3, "worse"),
        ("frechet", 0.01, "same"),
    ],
)
def test_a_change_beyond_noise_is_called_by_the_metrics_direction(metric, by, verdict):
    assert only(arm(shifted(OLD, by), metric, first=10), arm(OLD, metric)).verdict == verdict


def test_the_test_is_the_pooled_t_test():
    new, old = shifted(SPREAD, 2), SPREAD
    change = only(arm(new, first=10), arm(old))
    assert change.pvalue == pytest.approx(ttest_ind(new, old).pvalue)
    low, high = ttest_ind(new, old).confidence_interval()
    assert (change.gap.low, change.gap.high) == (pytest.approx(low), pytest.approx(high))


def test_fishers_test_is_scipys():
    for lost in ((3, 5, 0, 5), (2, 4, 3, 9), (0, 5, 2, 5)):
        k, n, among, of = lost
        wanted = fisher_exact([[k, n - k], [among, of - among]], "greater").pvalue
        assert stats.fisher(*lost) == pytest.approx(wanted)


def test_one_change_among_many_stands_out_less():
    """Holm: the same gap is called alone and not beside forty columns that did not change."""
    others = [(f"t{i}", f"m{i}") for i in range(40)]
    calm = [r for task, model in others for r in arm(OLD, model=model, task=task)]
    shaken = [r for task, model in others for r in arm(OLD, model=model, task=task, first=10)]
    new, old = arm(shifted(OLD, 0.35), first=10), arm(OLD)
    lone, crowd = compare(new, old, margin=0), compare([*new, *shaken], [*old, *calm], margin=0)
    assert (lone.tests, crowd.tests) == (1, 41)
    change = next(c for c in crowd.changes if c.model == "vae")
    assert (lone.changes[0].verdict, change.verdict) == ("worse", "cannot tell")
    assert change.pvalue == pytest.approx(41 * lone.changes[0].pvalue)


def test_noise_cannot_be_told_and_the_seeds_that_would_settle_it_do():
    change = only(arm(shifted(SPREAD, 1.5), first=10), arm(SPREAD))
    assert change.verdict == "cannot tell"
    assert change.why == f"{change.seeds} seeds would settle it"
    many = change.seeds
    noise = np.random.default_rng(0).normal(size=many)
    noise = (noise - noise.mean()) / noise.std(ddof=1) * np.std(SPREAD, ddof=1) + np.mean(SPREAD)
    assert only(arm(noise + 1.5, first=1000), arm(noise)).verdict in ("worse", "same")
    few = noise[: many // 2]
    few = (few - few.mean()) / few.std(ddof=1) * np.std(SPREAD, ddof=1) + np.mean(SPREAD)
    assert only(arm(few + 1.5, first=1000), arm(few)).verdict == "cannot tell"


def test_below_five_seeds_only_what_dwarfs_both_errors_is_called():
    old, new = OLD[:3], arm(shifted(OLD[:3], 0.9), first=10)
    assert only(new, arm(old)).why == "5 seeds would settle it"
    assert only(arm(shifted(old, 9), first=10), arm(old)).verdict == "worse"
    coarse = {"scores": {"error": 1.0}}
    assert only(arm(shifted(old, 9), first=10, **coarse), arm(old, **coarse)).verdict == "cannot tell"
    one = only(arm([30.0]), arm([10.0]))
    assert (one.verdict, one.why) == ("cannot tell", "one seed has no spread; 5 are the least")
    assert only(arm([8.0, 8.0], first=10), arm([2.0, 2.0])).verdict == "cannot tell", "two that agree are no spread"


def test_a_change_smaller_than_the_sampling_error_is_not_called():
    wide = {"scores": {"error": 2.0}}
    change = only(arm(shifted(OLD, 1.5), first=10, **wide), arm(OLD, **wide))
    assert change.verdict == "same", "and known to be smaller"
    assert only(arm(shifted(OLD, 2.5), first=10, **wide), arm(OLD, **wide)).verdict == "worse"


def test_equal_seeds_are_the_same_however_few_and_share_no_alarm():
    new = arm([SPREAD[0] * (1 + 1e-9)]) + arm([50.0], "log_likelihood", model="pca")
    found = compare(new, arm(SPREAD) + arm([50.0], "log_likelihood", model="pca"))
    assert set(verdicts(found).values()) == {"same"}
    assert found.tests == 0


def test_runs_that_all_raise_are_worse_and_one_that_diverged_is_not():
    failed = [result(i, status="failed", why="RuntimeError: the moon") for i in range(2)]
    found = compare(failed, arm(OLD))
    assert verdicts(found) == {LOST: "worse"}
    assert found.code() == 1
    assert "RuntimeError: the moon" in as_text(found)
    diverged = [*arm(OLD[:4]), result(4, status="diverged", why="loss is nan")]
    assert verdicts(compare(diverged, arm(OLD)))[LOST] == "cannot tell"
    five = [result(i, status="diverged") for i in range(5)]
    assert verdicts(compare(five, arm(OLD)))[LOST] == "worse"
    assert verdicts(compare(arm(OLD), five)) == {LOST: "better"}


REFUSED = {
    "version": ({"scores": {"version": "2"}}, "frechet on digits: version 2 against 1 (vae)"),
    "n": ({"scores": {"n": 1000}}, "n 1000 against 300"),
    "space": ({"scores": {"options": {"space": "pixels"}}}, "another space or other options"),
    "budget": ({"asked": {"examples": 2000}}, "another budget, examples 2000 against 1000"),
    "flops": ({"asked": {"flops": 1e9}}, "another budget, flops"),
    "data": ({"asked": {"data": "d2"}}, "other rows, data d2 against d1"),
    "task": ({"asked": {"task_options": {"n": 9}}}, "another task"),
    "clock": ({"why": "seconds: 60 s were gone at 40% of the examples"}, "the clock ended runs of NEW"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_compare_is_refused_and_said(what):
    changes, reason = REFUSED[what]
    found = compare(arm(shifted(OLD, 5), **changes), arm(OLD))
    assert not found.changes
    assert reason in found.refused[0]
    assert "(vae)" in found.refused[0]
    assert (found.code(), found.code("never")) == (2, 0)
    for text in (as_text(found), as_markdown(found), as_json(found)):
        assert "refused" in text


def test_an_n_that_is_chance_is_compared():
    new, old = ([replace(r, scores=(replace(r.scores[0], n=n),)) for r, n in zip(arm(OLD, first=f), ns, strict=True)]
                for f, ns in ((10, (90, 91, 92, 93, 94)), (0, (90, 95, 96, 97, 98))))  # fmt: skip
    assert compare(new, old).counts["same"] == 1


def test_what_is_on_one_side_only_is_a_note_and_so_is_what_may_be_the_change_under_test():
    new = [*arm(OLD, asked={"hyper": {"width": 9}, "torch": "9"}), *arm(OLD, model="gan")]
    found = compare(new, [*arm(OLD, asked={"torch": "8"}), *arm(OLD, task="rings")])
    assert found.notes[:2] == ["only in NEW: gan on digits", "only in OLD: vae on rings"]
    assert "vae on digits: hyper {'width': 9} against none; torch 9 against 8" in found.notes
    assert found.code() == 0


def test_a_metric_with_no_better_direction_is_not_gated():
    with pytest.raises(BadInput, match="no metric with a better direction"):
        compare(arm(OLD, "copying"), arm(OLD, "copying"))


def test_a_number_that_is_gone_cannot_be_told():
    new = [replace(r, scores=(replace(r.scores[0], value=None, why="no log_prob"),)) for r in arm(OLD)]
    assert only(new, arm(OLD)).why == "NEW has no number: no log_prob"
    nan = [replace(r, scores=(replace(r.scores[0], value=float("nan"), why="the value is nan"),)) for r in arm(OLD)]
    assert only(nan, arm(OLD)).why == "NEW has no number: the value is nan"
    both = [replace(r, scores=(*r.scores, record("log_likelihood", 1.0))) for r in arm(OLD)]
    assert compare(arm(OLD), both).notes == ["only in OLD: log_likelihood on digits (vae)"]


def test_nothing_of_it_imports_torch():
    words = "import sys, genbench.compare, genbench.report.comparison; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", words], env={**os.environ, "PYTHONPATH": str(ROOT)}).returncode == 0


def test_exit_codes():
    worse, noise = compare(arm(shifted(OLD, 5), first=10), arm(OLD)), compare(arm(OLD[:1], first=3), arm(OLD[:1]))
    codes = [[found.code(on) for on in ("worse", "cannot-tell", "never")] for found in (worse, noise)]
    assert codes == [[1, 1, 0], [0, 1, 0]]


def test_every_schema_that_was_ever_written_is_read():
    for schema in range(1, SCHEMA + 1):
        results = read_records(ROOT / f"tests/data/records-{schema}.jsonl")
        assert {r.run.schema for r in results} == {schema}
        assert {r.model for r in results} == {"gmm", "vae"}
        (change,) = (c for c in compare(results, results).changes if c.model == "vae" and c.metric.startswith("modes"))
        assert (change.old.value, change.verdict) == (10, "same")


def test_what_cannot_be_read_is_one_line(tmp_path, genbench):
    good = written(tmp_path / "good/records.jsonl", arm(OLD))
    line = good.read_text().splitlines()[0]
    twice = tmp_path / "twice.jsonl"
    twice.write_text(f"{line}\n{line}\n")
    again = written(tmp_path / "again.jsonl", [*arm(OLD), *arm(OLD[:1], asked={"code": "other"})])
    values = json.loads(line)
    later = tmp_path / "later.jsonl"
    later.write_text(json.dumps({**values, "schema": SCHEMA + 1}))
    lacking = tmp_path / "lacking.jsonl"
    lacking.write_text(json.dumps({k: v for k, v in values.items() if k != "scores"}))
    score = values["scores"][0]
    column, text = tmp_path / "column.jsonl", tmp_path / "text.jsonl"
    column.write_text(json.dumps({**values, "scores": [{k: v for k, v in score.items() if k != "value"}]}))
    text.write_text(json.dumps({**values, "scores": [{**score, "value": "twelve"}]}))
    torn = tmp_path / "torn.jsonl"
    torn.write_text(line[:50])
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.jsonl").touch()
    other = written(tmp_path / "other.jsonl", arm(OLD, model="gan"))
    for path, reason in (
        (tmp_path / "empty", "no runs in"),
        (tmp_path / "empty.jsonl", "no runs in"),
        (tmp_path / "nowhere", "no runs at"),
        (twice, "a second run with the id"),
        (again, "NEW has 2 runs of vae on digits with seed 0"),
        (later, f"schema {SCHEMA + 1}"),
        (lacking, "it lacks scores"),
        (column, "value: "),
        (text, "valid number"),
        (torn, "not a line of JSON"),
        (other, "share no model on a task"),
    ):
        ended = genbench("compare", path, tmp_path / "good")
        assert ended.returncode == 2, path
        assert reason in ended.stderr
        assert len(ended.stderr.splitlines()) == 1


def test_nan_in_a_file_is_no_number(tmp_path):
    path = written(tmp_path / "records.jsonl", arm(OLD))
    path.write_text(path.read_text().replace('"value": 10.2', '"value": NaN'))
    assert [r.scores[0].value for r in read(path)] == [10.0, None, 9.8, 10.1, 9.9]


NASTY = "<script>alert(1)</script> | `x` [a](http://b) 🐙 \\ *"


def test_names_cannot_become_markup():
    names = {"model": NASTY, "task": "a|b"}
    found = compare(arm(shifted(OLD, 5), first=10, **names), arm(OLD, **names))
    text = as_markdown(found)
    tags: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, _: tags.append(tag)
    parser.feed(text)
    assert set(tags) <= {"sub", "details", "summary"}
    rows = [line for line in text.splitlines() if "octopus" in line or "🐙" in line]
    assert len(rows) == 1
    assert rows[0].replace("\\|", "").count("|") == 10
    assert "🐙" in as_text(found)
    assert json.loads(as_json(found))["changes"][0]["model"] == NASTY


def test_the_three_forms_agree(tmp_path, genbench):
    new, old = written(tmp_path / "new.jsonl", arm(shifted(OLD, 5))), written(tmp_path / "old.jsonl", arm(OLD))
    table = genbench("compare", new, old)
    assert table.returncode == 1
    assert "1 scores compared: 1 worse, 0 cannot tell, 0 better, 0 same" in table.stdout
    assert "(+50%)" in table.stdout
    comment = genbench("compare", new, old, "--format", "markdown").stdout
    assert "| worse | digits | vae | frechet ↓ | 10 | 15 | 5.00 ± 0.23 (+50%) | 0.10 |" in comment
    facts = json.loads(genbench("compare", new, old, "--format", "json", "--fail-on", "never").stdout)
    (change,) = facts["changes"]
    assert (change["verdict"], change["new"]["value"], change["old"]["value"]) == ("worse", 15, 10)
    assert change["gap"]["low"] < 5 < change["gap"]["high"]
    assert facts["counts"] == {"worse": 1, "cannot tell": 0, "better": 0, "same": 0}
    assert genbench("compare", new, old, "--margin", 1.5).returncode == 2


def gated(tmp_path, text, results):
    path = tmp_path / "gates.yaml"
    path.write_text(text)
    return check(read_gates(path), results)


def test_gates_hold_every_model_but_the_references_or_one(tmp_path):
    runs = [*arm(OLD), *arm(shifted(OLD, 5), model="gan"), *arm(shifted(OLD, 90), model="noise")]
    runs += arm(OLD, "log_likelihood", model="pca")
    found = gated(tmp_path, "- frechet[digits] <= 12\n- log_likelihood[digits, pca] >= 5.5e0", runs)
    assert {(g.model, g.metric): g.verdict for g in found} == {
        ("gan", "frechet <= 12"): "worse", ("vae", "frechet <= 12"): "better", ("pca", "frechet <= 12"): "cannot tell",
        ("pca", "log_likelihood >= 5.5"): "better",
    }  # fmt: skip
    comparison = Comparison(gates=found)
    assert comparison.code() == 1
    assert "1 of 4 gates broken" in as_text(comparison)
    assert "| broken | digits | gan | frechet &lt;= 12 | 12 | 15 |" in as_markdown(comparison)
    close = gated(tmp_path, "- frechet[digits] <= 9.95", arm(OLD))
    assert (close[0].verdict, close[0].why) == ("cannot tell", "smaller than ε, which seeds do not lessen")
    assert gated(tmp_path, "- frechet[digits] <= 10", arm([10.0] * 5))[0].verdict == "same", "which is kept"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("- frechet <= 12", "is no gate"),
        ("- frechet[digits] < 12", "is no gate"),
        ("frechet[digits] <= 12", "a YAML list"),
        ("- frechet[digits] <= 1-2", "is no gate"),
        ("- frechet[digit] <= 1", "did you mean 'digits'"),
        ("[", "cannot read"),
        ("- frechot[digits] <= 1", "did you mean 'frechet'"),
        ("- frechet[digits, vea] <= 1", "did you mean 'vae'"),
    ],
)
def test_a_gate_that_gates_nothing_is_one_line(tmp_path, text, reason):
    with pytest.raises(BadInput, match=reason):
        gated(tmp_path, text, arm(OLD))


def test_false_alarms_of_a_whole_comparison_stay_below_the_level():
    """60 comparisons of 8 models x 5 metrics x 2 tasks of unlike spreads, five seeds a side, where nothing changed:
    at 5 % a count above 8 has a chance of 1 %."""
    rng = np.random.default_rng(3)
    cells = [(task, model) for task in "ab" for model in "stuvwxyz"]
    level = {cell: rng.lognormal(1, 1, 5) for cell in cells}
    scale = {cell: level[cell] * rng.choice([0.01, 0.1, 0.5], 5) for cell in cells}

    def side(first):
        return [
            result(first + i, *cell[::-1], scores={"error": 0.0}, **dict(zip("abcde", draw, strict=True)))
            for cell in cells
            for i, draw in enumerate(rng.normal(level[cell], scale[cell], (5, 5)))
        ]

    counts = [compare(side(0), side(5)).counts for _ in range(60)]
    assert sum(c["worse"] + c["better"] > 0 for c in counts) <= 8

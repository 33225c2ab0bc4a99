"""Each kind of finding: shown by records that show it, turned round when they are, undecided when they cannot say."""

import json
from dataclasses import replace

import pytest
from pydantic import TypeAdapter, ValidationError

from genbench.finding import Claim
from genbench.record import Asked, Record, Result, Run

SPEC = TypeAdapter(Claim)


def judge(results, **spec):
    verdict = SPEC.validate_python({"task": "ring8", **spec}).judge("finding", results)
    assert verdict.sentence.startswith(verdict.verdict.capitalize())
    return verdict


def result(model, seed, scores, *, better="higher", status="ok", hyper=None, folder=None, n=100, version="1", why=""):
    """A run whose scores are given as {(metric, at): value}; a bare metric is its final score."""
    at = {key if isinstance(key, tuple) else (key, 1.0): value for key, value in scores.items()}
    records = tuple(
        Record(m, {}, version, better, a, "test" if a == 1 else "valid", v, n=n, why=why) for (m, a), v in at.items()
    )
    return Result(Run(Asked("ring8", model, seed, 1000, hyper=hyper or {}), status), records, folder)


def runs(model, values, metric="modes", **how):
    return [result(model, seed, {metric: value}, **how) for seed, value in enumerate(values)]


HIGH, LOW = [7.9, 8.0, 8.1], [2.9, 3.0, 3.2]
BEATS = {"kind": "beats", "model": "unrolled", "control": "gan", "metric": "modes"}


def test_beats_and_its_reversal():
    shown = judge(runs("unrolled", HIGH) + runs("gan", LOW), **BEATS, by=3)
    assert shown.verdict == "shown"
    assert shown.text.startswith("unrolled beats gan on modes (ring8) by more than 3: the gain is 4.97 [")
    assert "over 3 seeds" in shown.text
    assert shown.estimate.low < shown.estimate.value < shown.estimate.high
    assert judge(runs("unrolled", LOW) + runs("gan", HIGH), **BEATS, by=3).verdict == "not shown"
    assert judge(runs("unrolled", HIGH) + runs("gan", LOW), **BEATS, by=5).verdict == "undecided"
    assert judge(runs("unrolled", HIGH) + runs("gan", LOW), **BEATS, by=6).verdict == "not shown"


def test_not_to_be_inferior_is_to_be_worse_by_less():
    worse = runs("unrolled", LOW) + runs("gan", HIGH)
    allowed = judge(worse, **BEATS, by=-6)
    assert allowed.verdict == "shown"
    assert allowed.text.startswith("unrolled beats gan on modes (ring8), or is at most 6 worse: the gain is -4.97 [")
    assert judge(worse, **BEATS, by=-5).verdict == "undecided"
    assert judge(worse, **BEATS, by=-4).verdict == "not shown"


def test_beats_reads_the_direction_from_the_records():
    made = runs("unrolled", LOW, better="lower") + runs("gan", HIGH, better="lower")
    assert judge(made, **BEATS).verdict == "shown"
    neither = runs("unrolled", HIGH, better="neither") + runs("gan", LOW, better="neither")
    assert "no better direction" in judge(neither, **BEATS).sentence


def test_beats_each_of_several():
    made = runs("unrolled", HIGH) + runs("gan", LOW)
    spec = BEATS | {"control": ["gan", "wgan"]}
    assert judge(made + runs("wgan", [4.0, 4.1, 4.2]), **spec).verdict == "shown"
    beaten = judge(made + runs("wgan", [9.0, 9.1, 9.2]), **spec)
    assert beaten.verdict == "not shown"
    assert "is over wgan" in beaten.text


def test_beats_by_a_factor_in_either_direction():
    made = runs("unrolled", HIGH) + runs("gan", LOW)  # 8 against 3.03
    assert judge(made, **BEATS, times=2).verdict == "shown"
    assert judge(made, **BEATS, times=3.5).verdict == "not shown"
    lower = runs("unrolled", LOW, better="lower") + runs("gan", HIGH, better="lower")
    shown = judge(lower, **BEATS, times=2)
    assert shown.verdict == "shown"
    assert "the gain beyond 2 times is 1.93 [" in shown.text
    assert judge(lower, **BEATS, times=3.5).verdict == "not shown"
    below = runs("unrolled", HIGH) + runs("gan", [-3.0, -2.9, -3.1])
    assert "falls below 0" in judge(below, **BEATS, times=2).sentence


def test_beats_against_another_metric_of_the_same_model():
    """By the runs' own differences, however far the runs lie apart."""
    made = [result("vae", s, {"one": 3.0 + s, "many": 3.5 + 1.01 * s}) for s in range(3)]
    spec = {"kind": "beats", "model": "vae", "control": "vae"}
    assert judge(made, **spec, metric="many", against="one").verdict == "shown"
    assert judge(made, **spec, metric="one", against="many").verdict == "not shown"
    assert "vae has no none (ring8)" in judge(made, **spec, metric="many", against="none").sentence
    other = made + runs("pca", [1.0, 1.1], "cost", better="lower")
    mixed = judge(other, kind="beats", model="vae", control="pca", metric="many", against="cost")
    assert "no better direction that is cost's too" in mixed.sentence


def test_within_a_window_where_the_control_is_not():
    spec = {"kind": "within", "model": "a", "control": "b", "metric": "modes"}
    made = runs("a", HIGH) + runs("b", LOW)
    shown = judge(made, **spec, above=7, below=9)
    assert shown.verdict == "shown"
    assert shown.text.startswith("modes (ring8) of a is above 7 and below 9, that of b is not: it is 8 [7.75, 8.25]")
    assert "of b 3.03 [" in shown.text
    assert judge(made, **spec, above=2, below=9).verdict == "not shown"  # the control lies there too
    assert judge(made, **spec, below=4).verdict == "not shown"
    assert judge(made, **spec, above=8).verdict == "undecided"
    assert judge(made, **spec, above=3, below=9).verdict == "undecided"  # the control may
    both = spec | {"control": ["b", "c"]}
    assert judge(made + runs("c", HIGH), **both, above=7).verdict == "not shown"
    assert "b has one run" in judge(made[:4], **spec, above=7).sentence


def test_within_a_window_every_model_of_several():
    """Told by the one with the least room."""
    spec = {"kind": "within", "model": ["a", "c"], "control": "b", "metric": "modes", "above": 7}
    made = runs("a", HIGH) + runs("b", LOW)
    shown = judge(made + runs("c", [7.5, 7.51, 7.52]), **spec)
    assert shown.verdict == "shown"
    assert "of a and c is above 7" in shown.text
    assert "of 2 models the nearest to the edge, c, is 7.51 [" in shown.text
    assert judge(made + runs("c", [6.5, 6.51, 6.52]), **spec).verdict == "not shown"
    assert judge(made + runs("c", [6.9, 7.2, 7.5]), **spec).verdict == "undecided"
    edge = judge(made + runs("c", [8.5, 8.51, 8.52]), **spec, below=8.6)
    assert (edge.verdict, edge.estimate.value) == ("shown", pytest.approx(8.51))


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (runs("unrolled", HIGH), "no run of gan on ring8"),
        (runs("unrolled", HIGH) + runs("gan", [None] * 3, why="no log_prob"), "gan has no modes (ring8) (no log_prob)"),
        (runs("unrolled", HIGH) + runs("gan", [3.0]), "gan has one run"),
        (runs("unrolled", HIGH) + runs("gan", LOW, version="2"), "versions 1 and 2"),
        (runs("unrolled", HIGH) + runs("gan", LOW, n=50), "n of 100 and 50"),
        ([], "no run of unrolled on ring8"),
    ],
    ids=["no control", "no value", "one run", "versions", "n", "nothing"],
)
def test_what_cannot_be_compared_is_undecided_and_says_why(made, reason):
    verdict = judge(made, **BEATS)
    assert verdict.verdict == "undecided"
    assert reason in verdict.sentence


def test_runs_that_were_lost_are_told():
    made = runs("unrolled", HIGH) + runs("gan", LOW) + [result("gan", 9, {}, status="diverged")]
    assert "1 of 4 runs of gan left no score" in judge(made, **BEATS).sentence


def test_options_pick_one_of_several():
    made = [*runs("unrolled", HIGH), *runs("gan", LOW)]
    twice = [
        Result(r.run, (*r.scores, Record("modes", {"k": 2}, "1", "higher", 1.0, "test", 1.0, n=100)), r.folder)
        for r in made
    ]
    assert "name one: modes, modes[k=2]" in judge(twice, **BEATS).sentence
    assert judge(twice, **BEATS, options={"k": 2}, by=1).verdict == "not shown"


def test_equals_within_a_margin():
    spec = {"kind": "equals", "model": "a", "control": "b", "metric": "modes"}
    made = runs("a", HIGH) + runs("b", [8.0, 8.1, 8.2])
    assert judge(made, **spec, by=1.0).verdict == "shown"
    assert judge(made, **spec, by=0.05).verdict == "undecided"
    assert judge(runs("a", HIGH) + runs("b", LOW), **spec, by=1.0).verdict == "not shown"


def test_equals_another_metric_of_the_same_runs():
    """Paired: the runs themselves differ by far more than the margin."""
    spec = {"kind": "equals", "model": "rbm", "control": "rbm", "metric": "annealed", "against": "exact", "by": 0.1}
    made = [result("rbm", s, {"annealed": 5 * s + gap, "exact": 5 * s}) for s, gap in enumerate([0.01, -0.02, 0.02])]
    shown = judge(made, **spec)
    assert shown.verdict == "shown"
    assert shown.text.startswith("rbm equals rbm in exact on annealed (ring8) within 0.1: the difference is 0.00333 [")
    off = [result("rbm", s, {"annealed": 5 * s + 0.5 + 0.01 * s, "exact": 5 * s}) for s in range(3)]
    assert judge(off, **spec).verdict == "not shown"
    crossed = [result("rbm", 0, {"annealed": 1.0}), result("rbm", 1, {"exact": 1.0})]
    assert "rbm has no run with annealed and exact" in judge(crossed, **spec).sentence


def test_ordered():
    made = runs("a", HIGH) + runs("b", [5.0, 5.1, 5.3]) + runs("c", LOW)
    spec = {"kind": "ordered", "metric": "modes"}
    assert judge(made, **spec, models=["a", "b", "c"]).verdict == "shown"
    assert judge(made, **spec, models=["b", "a", "c"]).verdict == "not shown"
    assert judge(made + runs("d", [2, 9, 4]), **spec, models=["a", "d", "c"]).verdict == "undecided"


def test_fails_by_status_and_by_threshold():
    spec = {"kind": "fails", "model": "gan"}
    bad = [result("gan", s, {}, status="diverged") for s in range(8)]
    good = runs("gan", [8.0] * 8)
    assert judge(bad, **spec).verdict == "shown"
    assert judge(good, **spec).verdict == "not shown"
    assert judge(bad[:4] + good[:4], **spec).verdict == "undecided"
    assert judge(good, **spec, metric="modes", beyond=8.5).verdict == "shown"
    assert judge(good, **spec, metric="modes", beyond=7.5).verdict == "not shown"
    assert "came to an end" in judge([result("gan", 0, {}, status="skipped")], **spec).sentence


def falling(model, seed, sign=-1.0, **how):
    at = (0.1, 0.2, 0.4, 0.8)
    scores = {("frechet", a): 10 + sign * a + 0.01 * seed * a for a in at}
    return result(model, seed, scores | {("kid", a): 2 + sign * a**2 for a in at}, **how)


def test_slope_along_training():
    spec = {"kind": "slope", "model": "vae", "metric": "frechet", "below": 0.0}
    shown = judge([falling("vae", s) for s in range(3)], **spec)
    assert shown.verdict == "shown"
    assert shown.estimate.value == pytest.approx(-0.99)
    assert judge([falling("vae", s, sign=1.0) for s in range(3)], **spec).verdict == "not shown"
    assert "cannot carry an interval" in judge([falling("vae", 0)], **spec).sentence


def test_log_slope_against_a_hyper_parameter():
    def sweep(power):
        return [
            result(f"iwae-{k}", s, {"gap": 3.0 * k**power * (1 + 0.01 * s)}, hyper={"k": k})
            for k in (1, 5, 50)
            for s in (0, 1)
        ]

    models = ["iwae-1", "iwae-5", "iwae-50"]
    spec = {
        "kind": "slope",
        "model": models,
        "metric": "gap",
        "against": "k",
        "log": True,
        "above": -1.1,
        "below": -0.9,
    }
    assert judge(sweep(-1), **spec).verdict == "shown"
    assert judge(sweep(-2), **spec).verdict == "not shown"
    assert "no number for 'width'" in judge(sweep(-1), **spec | {"against": "width"}).sentence


def test_correlates_along_training_over_runs_and_with_a_loss(tmp_path):
    spec = {"kind": "correlates", "model": "vae", "metric": "frechet"}
    made = [falling("vae", s) for s in range(3)]
    assert judge(made, **spec, against="kid").verdict == "shown"
    assert judge(made, **spec, against="kid", below=0.0).verdict == "not shown"
    assert "has both at three points" in judge(made, **spec, against="nothing").sentence
    assert "name either" in judge(made, **spec).sentence
    control = [falling("gan", s, 1.0) for s in range(3)]
    turned = [Result(r.run, tuple(replace(x, value=-x.value) if x.metric == "kid" else x for x in r.scores), None)
              for r in control]  # fmt: skip
    assert judge(made + turned, **spec, against="kid", control="gan").verdict == "shown"
    assert judge(made + control, **spec, against="kid", control="gan").verdict == "not shown"
    ends = [result(f"m{i}", 0, {"frechet": i, "kid": i**2}) for i in range(8)]
    over = {"kind": "correlates", "metric": "frechet", "against": "kid", "along": "runs"}
    assert judge(ends, **over).verdict == "shown"
    assert judge([result(f"m{i}", 0, {"frechet": i, "kid": -i}) for i in range(8)], **over).verdict == "not shown"
    lines = [
        {"examples": e, "stage": 0, "player": "critic", "loss": 1 - e / 1000, "norm": None} for e in range(10, 1001, 10)
    ]
    (tmp_path / "trace.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    traced = [falling("vae", s, folder=tmp_path) for s in range(3)]
    assert judge(traced, **spec, loss="critic").verdict == "shown"
    assert (
        judge([falling("vae", s, 1.0, folder=tmp_path) for s in range(3)], **spec, loss="critic").verdict == "not shown"
    )


@pytest.mark.parametrize(
    "spec",
    [
        BEATS | {"margin": 3},
        BEATS | {"kind": "beat"},
        BEATS | {"by": "2e-4"},
        BEATS | {"times": 0.5},
        {"kind": "within", "model": "a", "metric": "m", "above": 1.0},
        {"kind": "equals", "model": "a", "control": "b", "metric": "m", "by": 0.0},
        {"kind": "ordered", "models": ["a"], "metric": "m"},
    ],
)
def test_specs_are_strict(spec):
    with pytest.raises(ValidationError):
        SPEC.validate_python({"task": "ring8", **spec})


def test_says_replaces_the_claim_and_not_the_numbers():
    said = judge(runs("unrolled", HIGH) + runs("gan", LOW), **BEATS, says="Unrolling covers the modes.")
    assert said.sentence.startswith("Shown: Unrolling covers the modes: the gain is 4.97 [")

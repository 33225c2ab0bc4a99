"""What the committed page of `quick` shows, held against what it must: made by `genbench run`, read here."""

import json
from pathlib import Path

import pytest

RECORDS = Path(__file__).parents[1] / "reports" / "quick" / "records.jsonl"
DISTANCES = ("frechet", "kid", "wasserstein_bracket", "projected_wasserstein")
REFERENCES = ("truth", "noise", "thief")


@pytest.fixture(scope="module")
def finals():
    """{(task, metric): {model: [(value, error, n) a seed]}} of the final scores."""
    found = {}
    for line in RECORDS.read_text().splitlines():
        run = json.loads(line)
        for score in run["scores"]:
            if score["at"] == 1.0 and score["value"] is not None:
                place = found.setdefault((run["asked"]["task"], score["metric"]), {})
                place.setdefault(run["asked"]["model"], []).append((score["value"], score["error"], score["n"]))
    return found


def mean(scores):
    """The mean over seeds and its standard error from the sampling errors of all of them."""
    values, errors, _ = zip(*scores, strict=True)
    return sum(values) / len(values), sum(error**2 for error in errors) ** 0.5 / len(errors)


def tasks(finals):
    return sorted({task for task, _ in finals})


def trained(models, *but):
    return [model for model in models if model not in (*REFERENCES, *but)]


def test_nine_entrants_on_two_tasks_with_three_seeds(finals):
    by_task = [finals[task, "frechet"] for task in tasks(finals)]
    assert sum(len([m for m in models if len(models[m]) == 3]) >= 9 for models in by_task) >= 2


def test_no_model_beats_truth_beyond_two_standard_errors_at_equal_n(finals):
    for task in tasks(finals):
        for metric in DISTANCES:
            scores = finals[task, metric]
            truth, error = mean(scores["truth"])
            for model in trained(scores):
                value, its_error = mean(scores[model])
                assert {n for _, _, n in scores[model]} == {n for _, _, n in scores["truth"]}
                assert value > truth - 2 * (error**2 + its_error**2) ** 0.5, (task, metric, model)


def test_noise_is_worse_than_every_entrant_that_learnt_to_generate(finals):
    """All but deep-ae on the plane: a decoder of codes that nothing ties to N(0, I) is as good as noise there."""
    for task in tasks(finals):
        scores = finals[task, "wasserstein_bracket"]
        noise, _ = mean(scores["noise"])
        for model in trained(scores, *(["deep-ae"] if task == "ring8-wide" else [])):
            assert mean(scores[model])[0] < noise, (task, model)


def test_the_thief_is_caught_by_copying_and_by_no_distance(finals):
    for task in tasks(finals):
        copying = finals[task, "copying"]
        assert mean(copying["thief"])[0] < -10
        assert all(mean(copying[model])[0] > -4 for model in trained(copying)), task
        assert abs(mean(copying["truth"])[0]) < 3
        for metric in DISTANCES:
            scores = finals[task, metric]
            thief, error = mean(scores["thief"])
            for model in trained(scores):
                value, its_error = mean(scores[model])
                assert thief <= value + 2 * (error**2 + its_error**2) ** 0.5, (task, metric, model)


def test_a_judge_that_no_space_uses_accepts_the_better_half_of_the_models(finals):
    """At 80 % of the rate of real rows, each of them, give or take its standard error."""
    for task, sure in (("digits", 4), ("digits-binary", 2)):
        scores = finals[task, "accepted"]
        best = sorted((mean(scores[model]) for model in trained(scores)), reverse=True)[:sure]
        assert all(value >= 0.8 - error for value, error in best), (task, best)

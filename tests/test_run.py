"""One run: what is metered, what is left alone, and what becomes of one that goes wrong."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from baselines.play import Player, play
from genbench import catalogue, checkpoint
from genbench import run as running
from genbench.budget import Budget, Stream
from genbench.evidence import learnt
from genbench.record import PARTIAL, Asked, Wanted, read_run, read_scores
from genbench.task import Real, Rows, Spec, Task

METRICS = (Wanted("frechet"), Wanted("high_quality"), Wanted("likelihood_bound"))


def toy(n=100):
    rows = Rows(torch.arange(n, dtype=torch.float32)[:, None].expand(n, 2).contiguous())
    return Task("toy", Spec(Real((2,))), rows, rows, rows, rows)


def asked(model, task="ring8", seed=0, **more):
    ref = catalogue.reference("models", model)
    defaults = {"examples": 6000, "at": (0.2, 0.5), "checkpoint": 1500}
    return Asked(task, model, seed, task_ref=catalogue.reference("tasks", task), model_ref=ref, **{**defaults, **more})


def outcome(folder):
    """All that must be bit-equal: scores, evidence, weights, trace."""
    tensors = {path.relative_to(folder): load_file(path) for path in sorted(folder.rglob("*.safetensors"))}
    return (folder / "scores.jsonl").read_text(), (folder / "trace.jsonl").read_text(), tensors


def assert_same(one, other):
    scores, trace, tensors = outcome(one)
    scores_too, trace_too, tensors_too = outcome(other)
    assert scores == scores_too
    assert trace == trace_too
    assert tensors.keys() == tensors_too.keys()
    for path, values in tensors.items():
        assert all(torch.equal(value, tensors_too[path][name]) for name, value in values.items()), path


# The stream


def test_a_budget_is_never_exceeded_and_a_short_batch_never_drawn():
    stream = Stream(toy(), Budget(250))
    sizes = [len(batch.x) for batch in stream.batches(60)]
    assert sizes == [60] * 4
    assert stream.used == 240


def test_every_row_comes_once_an_epoch():
    stream = Stream(toy(100), Budget(200))
    rows = torch.cat([batch.x[:, 0] for batch in stream.batches(20)])
    assert sorted(rows[:100].tolist()) == sorted(rows[100:].tolist()) == list(range(100))
    assert rows[:100].tolist() != rows[100:].tolist()


def test_stages_share_one_budget():
    stream = Stream(toy(), Budget(100))
    first = sum(len(batch.x) for batch in stream.batches(10, until=0.5))
    assert (first, stream.spent) == (50, 0.5)
    assert sum(len(batch.x) for batch in stream.batches(10)) == 50


def test_whole_is_charged_and_never_overdraws():
    stream = Stream(toy(100), Budget(130))
    assert len(stream.whole().x) == 100
    assert len(stream.whole().x) == 30
    assert stream.used == 130


def test_a_query_is_paid_for_by_a_row_or_costs_one():
    law = torch.distributions.Normal(0.0, 1.0)
    stream = Stream(replace(toy(), log_prob=lambda x: law.log_prob(x).sum(1)), Budget(30))
    x = next(stream.batches(10)).x.requires_grad_()
    (slope,) = torch.autograd.grad(stream.query(x).sum(), x)
    assert torch.equal(slope, -x)
    assert stream.used == 10
    stream.query(x[:3])
    assert stream.used == 13
    next(stream.batches(10))
    stream.query(x[:4])
    assert stream.used == 23
    again = Stream(stream.task, stream.budget)
    again.restore(stream.state())
    assert len(again.query(x)) == 10
    assert again.used == 27
    assert len(again.query(x)) == 3
    assert again.used == 30
    with pytest.raises(NotImplementedError, match="the law of toy is not known"):
        Stream(toy(), Budget(20)).query(x)


def test_a_law_that_is_offered_is_asked_before_one_that_is_known():
    stream = Stream(replace(toy(), log_prob=lambda x: x[:, 0], query=lambda x: x[:, 0] + 7), Budget(20))
    assert stream.query(torch.zeros(2, 2)).tolist() == [7, 7]


def test_rows_do_not_depend_on_what_the_model_draws_from_the_global_generator():
    def rows(disturb):
        out = []
        for batch in Stream(toy(), Budget(100), seed=3).batches(10):
            out.append(batch.x)
            torch.rand(disturb)
        return torch.cat(out)

    assert torch.equal(rows(0), rows(17))


def test_dequantisation_is_fresh_in_training_and_fixed_in_evaluation():
    task = catalogue.load("tasks", "digits")()
    stream = Stream(task, Budget(2000))
    one, two = stream.whole().x, stream.whole().x
    cells = task.spec.x.levels
    assert torch.equal(
        torch.sort((one * cells).floor().flatten(1).sum(1))[0], torch.sort((two * cells).floor().flatten(1).sum(1))[0]
    )
    assert not torch.equal(one.sort(0)[0], two.sort(0)[0])
    assert torch.equal(task.test.x, catalogue.load("tasks", "digits")().test.x)


def test_seconds_and_flops_stop_a_run_early():
    stream = Stream(toy(), Budget(10**9, seconds=0.05))
    for _ in stream.batches(10):
        pass
    assert stream.stopped.startswith("seconds")
    weight = torch.zeros(2, 2, requires_grad=True)
    stream = Stream(toy(), Budget(10**6, flops=20_000))
    play(stream.batches(10), Player("p", lambda x, y: (x @ weight).mean(), torch.optim.SGD([weight], lr=0.1)))
    assert stream.stopped.startswith("flops")
    assert 20_000 < stream.flops < 30_000  # forward 2 x 10 x 2 x 2, backward by the weight as much


def test_flops_are_null_where_nothing_can_be_counted(tmp_path):
    run = running.run(asked("pca", "ppca", examples=25_000), (), tmp_path)
    assert run.status == "ok"
    assert run.cost["flops"] is None


# A run leaves no trace of being looked at


@pytest.mark.parametrize("model", ["vae", "gan", "wgan-gp"])
def test_finals_are_bit_equal_with_and_without_evaluation_on_the_way(model, tmp_path):
    looked_at = running.run(asked(model), METRICS, tmp_path / "a")
    left_alone = running.run(asked(model, at=()), METRICS, tmp_path / "b")
    assert looked_at.status == left_alone.status == "ok"
    places = [tmp_path / name / run.id for name, run in (("a", looked_at), ("b", left_alone))]
    finals = [[score for score in read_scores(place) if score.at == 1.0] for place in places]
    assert finals[0] == finals[1]
    assert any(score.value is not None for score in finals[0])
    assert {score.at for score in read_scores(places[0])} == {0.2, 0.5, 1.0}
    weights = [load_file(place / "model.safetensors") for place in places]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(tmp_path):
    for name in ("a", "b"):
        running.run(asked("vae"), METRICS, tmp_path / name)
    run = asked("vae")
    assert_same(tmp_path / "a" / run.id, tmp_path / "b" / run.id)
    other = running.run(asked("vae", seed=1), METRICS, tmp_path / "a")
    assert outcome(tmp_path / "a" / run.id)[0] != outcome(tmp_path / "a" / other.id)[0]


def test_the_nearest_training_rows_are_kept_beside_pictures_alone(tmp_path):
    """By brute force; the thief's are nearer than any other's: its samples themselves, but for their noise."""
    gaps = []
    rows = learnt(catalogue.load("tasks", "digits")()).x
    for model in ("pca", "thief"):
        run = running.run(asked(model, "digits", at=()), METRICS[:1], tmp_path)
        kept = load_file(tmp_path / run.id / "evidence/1.00/Nearest.safetensors")
        apart = (kept["fake"][:, None] - rows[None]).flatten(2).square().sum(2)
        assert torch.equal(kept["train"], rows[apart.argmin(1)])
        assert len(kept["fake"]) == 12
        gaps.append(apart.min(1).values)
    assert gaps[1].max() < gaps[0].min()
    run = running.run(asked("pca", at=()), METRICS[:1], tmp_path)
    assert not list((tmp_path / run.id).rglob("Nearest*"))


def test_a_density_is_kept_over_the_plane(tmp_path):
    """The truth's has the ring's eight modes, one Gaussian's has one; a model with no density leaves none."""
    for model, peaks in (("truth", 8), ("pca", 1), ("noise", 0)):
        run = running.run(asked(model, at=()), METRICS[:1], tmp_path)
        kept = tmp_path / run.id / "evidence/1.00/Plane.safetensors"
        assert kept.exists() == (peaks > 0)
        if peaks:
            values = load_file(kept)
            density = values["density"]
            around = torch.nn.functional.max_pool2d(density[None], 3, stride=1, padding=1)[0]
            assert int(((density == around) & (density > 0.05)).sum()) == peaks
            assert density.max() == 1
            assert torch.allclose((values["low"] + values["high"]) / 2, torch.zeros(2), atol=0.2)


# Gone wrong


@pytest.mark.parametrize(
    ("model", "status", "why"),
    [
        ("NaN", "diverged", "player's loss or gradient was not finite"),
        ("Raises", "failed", "RuntimeError: the moon"),
        ("Detached", "failed", "no parameter of player 'player' receives a gradient"),
        ("Declines", "skipped", "needs rows of another kind"),
    ],
)
def test_a_run_that_goes_wrong_is_recorded(model, status, why, tmp_path):
    run = running.run(asked(f"things:{model}", at=(0.2,)), METRICS, tmp_path)
    kept = read_run(tmp_path / run.id)
    assert (kept.status, why in kept.why) == (status, True)
    assert ("Traceback" in kept.traceback) == (status == "failed")
    assert not (tmp_path / f"{run.id}{PARTIAL}").exists()
    if status == "diverged":
        assert 0.4 < kept.cost["examples"] / 6000 < 0.7
        assert {score.at for score in read_scores(tmp_path / run.id)} == {0.2}
        assert (tmp_path / run.id / "trace.jsonl").read_text().count("\n") > 2


def test_samples_of_the_wrong_shape_are_a_reason_not_a_number(tmp_path):
    run = running.run(asked("things:WrongShape", at=()), METRICS, tmp_path)
    scores = {score.metric: score for score in read_scores(tmp_path / run.id)}
    assert scores["frechet"].value is None
    assert scores["frechet"].why == "sample(2000) returned shape (2000, 5), expected (2000, 2)"
    assert scores["likelihood_bound"].why == "no bound"


def test_a_new_metric_scores_old_evidence_without_the_model(tmp_path, monkeypatch):
    first = running.run(asked("vae"), METRICS[:1], tmp_path)
    monkeypatch.setattr(running, "make_model", None)
    versions = {"frechet": "1", "kid": "1"}
    running.rescore(tmp_path / first.id, (Wanted("frechet"), Wanted("kid")), versions)
    scores = read_scores(tmp_path / first.id)
    assert [(score.metric, score.at) for score in scores if score.value is not None] == [
        ("frechet", 0.2), ("kid", 0.2), ("frechet", 0.5), ("kid", 0.5), ("frechet", 1.0), ("kid", 1.0),
    ]  # fmt: skip


def test_each_checkpoint_is_compared_with_those_before_it_also_when_scored_anew(tmp_path):
    run = running.run(asked("vae"), (Wanted("rotation"), Wanted("high_quality")), tmp_path)
    first, *scores = [score for score in read_scores(tmp_path / run.id) if score.metric == "rotation"]
    assert (first.at, first.value, first.why) == (0.2, None, "no samples of an earlier checkpoint are kept")
    assert [(score.at, score.n) for score in scores] == [(0.5, 2000), (1.0, 4000)]
    running.rescore(tmp_path / run.id, (Wanted("rotation"),), {"rotation": "next"})
    assert [score for score in read_scores(tmp_path / run.id) if score.metric == "rotation"] == [first, *scores]


def test_a_checkpoint_is_a_tree_again(tmp_path):
    tree = {"a": [1, 2.5, None, "x", True], 3: {"t": torch.arange(4), "u": torch.tensor(1.5)}, "empty": {}}
    checkpoint.save(tree, tmp_path / "c.safetensors")
    again = checkpoint.load(tmp_path / "c.safetensors")
    assert again.keys() == tree.keys()
    assert again["a"] == tree["a"]
    assert torch.equal(again[3]["t"], tree[3]["t"])
    assert json.dumps(again["empty"]) == "{}"

"""What training leaves behind, against closed forms and brute force: traces, whole batches, critics."""

import numpy as np
import pytest
import torch
from scipy.stats import f_oneway
from torch import nn

from baselines.nets import leaky, mlp, steepest
from genbench.catalogue import load
from genbench.errors import BadInput, NotApplicable
from genbench.evidence import Batches, Desk, Exam, LipschitzScores, Odds, Scores, Trace
from genbench.metrics import (
    certified_gap,
    confidence,
    critic_gap,
    fluctuation,
    gradient_norm,
    odds_error,
    roughness,
    settled_loss,
    wasserstein,
)
from genbench.spaces.pixels import Pixels
from genbench.tasks.planes import ring8_wide, two_gaussians


def traced(loss, norm=None, player=None):
    loss = np.asarray(loss, dtype=float)
    return loss, loss if norm is None else norm, np.zeros(len(loss), dtype=int) if player is None else player


def test_a_steady_loss_is_smooth_and_a_jumping_one_as_rough_as_its_noise():
    time = np.arange(4000.0)
    assert roughness(*traced(5 - 0.001 * time)).value == pytest.approx(0, abs=1e-9)
    noisy = 2 + 0.001 * time + 0.3 * np.random.default_rng(0).normal(size=4000)
    last = noisy[3000:]
    line = np.polyval(np.polyfit(time[3000:], last, 1), time[3000:])
    found = roughness(*traced(noisy), turns=1000)
    assert found.value == pytest.approx(np.sqrt(np.mean((last - line) ** 2)) / np.abs(last).mean())
    assert found.value == pytest.approx(0.3 / 5.5, rel=0.1)
    assert found.n == 1000
    with pytest.raises(NotApplicable, match="0 throughout"):
        roughness(*traced(np.zeros(9)))


def test_its_error_is_the_spread_of_repeats():
    noise = np.random.default_rng(1)
    made = [roughness(*traced(2 + 0.5 * noise.normal(size=400)), turns=100) for _ in range(300)]
    assert np.mean([e.error for e in made]) == pytest.approx(np.std([e.value for e in made]), rel=0.15)


def test_a_player_is_judged_by_its_own_last_turns():
    player = np.arange(80) % 2
    loss, norm = np.arange(80.0), 100 + np.arange(80.0)
    assert settled_loss(loss, norm, player).value == pytest.approx(loss[0::2][-16:].mean())
    assert gradient_norm(loss, norm, player, player=1, turns=10).value == pytest.approx(norm[1::2][-10:].mean())
    with pytest.raises(BadInput, match="player=2"):
        settled_loss(loss, norm, player, player=2)


def test_the_trace_numbers_players_by_who_moved_first():
    turns = [("critic", 1.0, 2.0), ("generator", 3.0, 4.0), ("critic", 5.0, 6.0)]
    lines = [{"examples": 0, "player": p, "loss": loss, "norm": norm} for p, loss, norm in turns]
    task = ring8_wide(train=10, test=10)
    model = load("models", "gan")(task.spec)
    e = Desk(Exam(task, "test", Pixels(), trace=lines), model).get(Trace)
    assert e.player.tolist() == [0, 1, 0]
    assert e.loss.tolist() == [1, 3, 5]
    assert e.norm.tolist() == [2, 4, 6]
    with pytest.raises(NotApplicable, match="no turn"):
        Desk(Exam(task, "test", Pixels()), model).get(Trace)


def test_the_fluctuation_is_the_f_of_a_one_way_analysis_of_variance():
    x = np.random.default_rng(0).normal(size=(30, 8, 1)) + np.random.default_rng(1).normal(size=(30, 1, 1))
    assert fluctuation(x).value == pytest.approx(f_oneway(*x[:, :, 0]).statistic)


def test_the_fluctuation_of_independent_rows_of_collapsed_batches_and_of_centred_ones():
    x = np.random.default_rng(0).normal(size=(2000, 8, 3))
    found = fluctuation(x)
    assert abs(found.value - 1) < 4 * found.error < 0.15
    assert not found.reject
    alike = x + 2 * np.random.default_rng(1).normal(size=(2000, 1, 3))
    assert fluctuation(alike).value == pytest.approx(1 + 8 * 4, rel=0.1)
    assert fluctuation(x - x.mean(1, keepdims=True)).value == pytest.approx(0, abs=1e-12)
    with pytest.raises(NotApplicable, match="all alike"):
        fluctuation(np.repeat(x[:, :1], 8, 1))


@torch.no_grad()
def test_batches_are_made_as_in_training_and_the_model_is_left_as_it_was():
    task = ring8_wide(train=100, test=10)
    model = load("models", "gan")(task.spec, widths=(16,)).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    e = Desk(Exam(task, "test", Pixels()), model, seed=0).get(Batches)
    assert e.fake.shape == (Batches.MANY, Batches.SIZE, 2)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not model.training
    assert fluctuation(e).value < 0.5  # normalised by its own batch
    apart = load("models", "gan-unnormalised")(task.spec, widths=(16,))
    assert fluctuation(Desk(Exam(task, "test", Pixels()), apart, seed=0).get(Batches)).value == pytest.approx(
        1, abs=0.3
    )


def test_the_bound_of_a_networks_steepness():
    layers = [nn.Linear(2, 2, bias=False), leaky(), nn.Linear(2, 1, bias=False)]
    with torch.no_grad():
        layers[0].weight.copy_(torch.tensor([[3.0, 0.0], [0.0, 1.0]]))
        layers[2].weight.copy_(torch.tensor([[0.0, 2.0]]))
    assert steepest(nn.Sequential(*layers)) == pytest.approx(6)
    with pytest.raises(NotImplementedError, match="BatchNorm1d"):
        steepest(mlp(2, 4, 1, norm=nn.BatchNorm1d))


@pytest.mark.parametrize("name", ["gan", "wgan", "wgan-gp", "sngan"])
def test_a_certified_gap_never_exceeds_the_distance_and_the_raw_gap_of_a_steep_critic_does(name):
    task = two_gaussians(separation=6.0, train=500, test=200)
    model = load("models", name)(task.spec, widths=(16, 16)).eval()
    real, fake = task.test.x, task.spare.x + torch.tensor([1.0, 0.0])
    for steeper in (1.0, 1.5, 3.0):
        with torch.no_grad():
            model.critic[-1].bias.fill_(2.0)
            for layer in model.critic:
                if isinstance(layer, nn.Linear) and name != "sngan":
                    layer.weight *= steeper
            f, g, L = model.score(real), model.score(fake), model.lipschitz()
        assert abs(certified_gap(f / L, g / L).value) <= wasserstein(real, fake).value
    assert L > 0
    steep = 10 * (real - real.mean(0))[:, 0], 10 * (fake - real.mean(0))[:, 0]
    assert critic_gap(*steep).value < -wasserstein(real, fake).value  # the control: nothing holds a raw gap


def test_scores_are_of_held_out_rows_and_of_samples_and_divided_by_the_constant():
    task = ring8_wide(train=100, test=50)
    desk = Desk(Exam(task, "test", Pixels()), model := load("models", "gan")(task.spec), seed=0)
    raw = desk.get(Scores)
    torch.testing.assert_close(raw.real, model.score(task.test.x).detach())
    torch.testing.assert_close(desk.get(LipschitzScores).real, raw.real / model.lipschitz())
    with pytest.raises(NotApplicable, match="2 rows as one"):
        Desk(Exam(task, "test", Pixels()), load("models", "pacgan")(task.spec)).get(Scores)


def test_gaps_and_confidence_are_means():
    f, g = np.array([1.0, 2.0, 6.0]), np.array([0.0, 1.0])
    assert critic_gap(f, g).value == certified_gap(f, g).value == pytest.approx(2.5)
    assert critic_gap(f, g).error == pytest.approx(np.sqrt(7 / 3 + 0.5 / 2))
    assert confidence(f, g).value == 3


def test_odds_are_right_where_the_logit_is_that_of_the_two_densities():
    known = np.log([1.0, 3.0, 9.0])
    assert odds_error(known, known).value == 0
    assert odds_error(known, np.zeros(3)).value == pytest.approx((0 + 0.25 + 0.4) / 3)

    class Best:
        def sample(self, n):
            return 2 * torch.randn(n, 2)

        def fake_log_prob(self, x):
            return torch.distributions.Normal(0, 2).log_prob(x).sum(1)

        def score(self, x):
            return task.log_prob(x) - self.fake_log_prob(x)

    task = two_gaussians(train=10, test=50)
    e = Desk(Exam(task, "test", Pixels()), Best(), seed=0).get(Odds)
    assert len(e.known) == 100
    assert odds_error(e).value == 0
    alone = load("models", "critic-alone")(task.spec)
    x = task.test.x
    torch.testing.assert_close(alone.fake_log_prob(x), Best().fake_log_prob(x))

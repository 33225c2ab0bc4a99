"""Modes, their share and their number, against answers that are known without them."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from laws import held, spread, uniform

from genbench.catalogue import load
from genbench.errors import BadInput, NotApplicable
from genbench.evidence import Exam, Samples, Symbols, Visits
from genbench.metrics import effective_symbols, high_quality, imbalance, mode_kl, modes, rotation, support_size
from genbench.metrics.support import closest, neighbours
from genbench.spaces.pixels import Pixels


def test_modes_at_the_usual_threshold():
    """20 of 2560 count, 19 do not; draws of no mode make up the rest."""
    counts = [20, 19, 500, 500, 500, 500, 1, 0]
    draws = np.concatenate([np.repeat(np.arange(8), counts), np.full(2560 - sum(counts), -1)])
    assert modes(draws, uniform(8)).value == 5
    assert high_quality(draws, uniform(8)).value == pytest.approx(2040 / 2560)


def test_modes_of_unequal_weights_and_of_few_draws():
    draws = [0] * 90 + [1] * 9 + [2]
    assert modes(draws, [0.9, 0.09, 0.01]).value == 3
    assert modes(draws, uniform(3)).value == 2  # 1 of 100 is not a sixteenth of a third
    assert modes([0, 0, 1], uniform(25)).value == 2
    assert modes([-1, -1], uniform(25)).value == 0
    assert modes([0, 1], [1.0, 1.0, 0.0]).value == 2


def test_the_error_of_modes_is_the_spread_over_repeats(noise):
    """Up to the fifth that the plug-in costs where counts sit on the threshold."""
    p = np.array([12, 25, 500, 500, 500, 500, 500, 23]) / 2560
    _, sd, error = spread([modes(noise.choice(8, 2560, p=p), uniform(8)) for _ in range(1000)])
    assert 0.75 * sd < error < 1.05 * sd
    assert modes(np.arange(800) % 8, uniform(8)).error < 1e-6


def test_high_quality_has_an_error_at_its_ends(noise):
    inside = high_quality([0, 1, 2, 3], uniform(4))
    assert inside.value == 1
    assert inside.error == pytest.approx(0.1)  # half of Wilson's interval at z = 1: 1 / (2 (n + 1))
    draws = [np.where(noise.random(200) < 0.9, 0, -1) for _ in range(1000)]
    _, sd, error = spread([high_quality(d, uniform(4)) for d in draws])
    assert error == pytest.approx(sd, rel=0.1)


def test_a_classifiers_symbols_have_no_quality():
    with pytest.raises(NotApplicable, match="classifier"):
        high_quality(Symbols([0, 1], uniform(2), exhaustive=1))
    assert modes(Symbols([0, 1], uniform(2), exhaustive=1)).value == 2


def test_the_divergence_of_modes_by_hand():
    """Counts 3 and 1 of equal modes; the same of modes at 3 to 1; S of N modes; draws of no mode are left out."""
    by_hand = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert mode_kl([0, 0, 0, 1], uniform(2)).value == pytest.approx(by_hand)
    assert mode_kl([0, 0, -1, 0, 1, -1], uniform(2)).value == pytest.approx(by_hand)
    assert mode_kl([0, 0, -1, 0, 1, -1], uniform(2)).n == 4
    assert mode_kl([0, 0, 0, 1], [6, 2]).value == pytest.approx(0)
    assert mode_kl(np.arange(300) % 3, uniform(8)).value == pytest.approx(math.log(8 / 3))
    assert mode_kl([1, 1, 1], [0.9, 0.1]).value == pytest.approx(math.log(10))  # the other way round it is infinite


def test_the_error_of_the_divergence_by_hand():
    """var(log ratio) / T = (3/16) log(3)^2 / 40, less D = 1 / (2 x 1600); with all draws alike D remains."""
    by_hand = math.sqrt(3 / 16 * math.log(3) ** 2 / 40 - 1 / 3200)
    assert mode_kl([0, 0, 0, 1] * 10, uniform(2)).error == pytest.approx(by_hand)
    assert mode_kl([0] * 10, uniform(2)).error == pytest.approx(math.sqrt(1 / 200))


@pytest.mark.parametrize(("p", "draws"), [([0.125] * 8, 400), ([0.3, 0.3, 0.2, 0.1, 0.025, 0.025, 0.025, 0.025], 400)])
def test_the_divergence_its_bias_and_its_error_over_repeats(noise, p, draws):
    truth = sum(q * math.log(8 * q) for q in p)
    mean, sd, error = spread([mode_kl(noise.choice(8, draws, p=p), uniform(8)) for _ in range(1000)])
    assert mean - truth == pytest.approx(7 / (2 * draws), abs=4 * sd / math.sqrt(1000))
    assert 0.9 * sd < error < (1.1 if truth else 1.3) * sd


def test_the_divergence_of_a_thousand_modes_is_mostly_bias(noise):
    """As in stacked MNIST: 25600 draws of the true law."""
    found = [mode_kl(noise.integers(1000, size=25_600), uniform(1000)) for _ in range(200)]
    mean, sd, error = spread(found)
    assert mean == pytest.approx(999 / 51_200, rel=0.02)
    assert 0.9 * sd < error < 1.3 * sd


def test_what_diverges_or_was_not_drawn_has_no_number():
    with pytest.raises(NotApplicable, match="weight 0"):
        mode_kl([0, 1, 2], [0.5, 0.5, 0.0])
    with pytest.raises(NotApplicable, match="1 of 3"):
        mode_kl([0, -1, -1], uniform(2))


def test_the_error_allows_for_collisions_of_heavy_symbols(noise):
    """Zipf's law over 300 symbols: pairs that share a draw of the first vary far more than Poisson's."""
    p = 1 / np.arange(1, 301) / (1 / np.arange(1, 301)).sum()
    _, sd, error = spread([effective_symbols(noise.choice(300, 1000, p=p)) for _ in range(300)])
    assert error == pytest.approx(sd, rel=0.2)


def planted(noise, support, n, d=8):
    """Real rows of a density; fakes that are copies, with a little noise, of as many of its rows."""
    centres = noise.normal(size=(support, d))
    return noise.normal(size=(n, d)), centres[noise.integers(support, size=n)] + 1e-4 * noise.normal(size=(n, d))


def test_effective_symbols_by_hand():
    """Counts 3, 2, 1: 4 colliding pairs of 15; pairs of draws alike in three places, none in any."""
    found = effective_symbols([7, 7, 7, 10**12, 10**12, 5])
    assert found.value == pytest.approx(15 / 4)
    assert effective_symbols([3] * 9).value == 1
    assert effective_symbols([3] * 9).low == 1
    none = effective_symbols(range(100))
    assert none.high == math.inf
    assert none.value == none.low == pytest.approx(4950 / -math.log(0.025))  # exp(-pairs / N) = 0.025
    assert "at least" in none.note
    with pytest.raises(BadInput, match="at least 2"):
        effective_symbols([4])
    with pytest.raises(BadInput, match="draws"):
        effective_symbols([4, -1])


def test_imbalance_by_hand():
    """Of counts 3, 1, 0 and 0 of equal modes, and of the same where that is their weight; draws of no mode are out."""
    assert imbalance([0, 0, 0, 1], uniform(4)).value == pytest.approx(0.5)
    assert imbalance([0, -1, 0, 0, 1, -1], [0.75, 0.25]).value == 0
    assert imbalance([0, -1, 0, 0, 1, -1], uniform(2)).n == 4
    assert imbalance(np.arange(40) % 4, uniform(8)).value == pytest.approx(0.5)  # half of the modes are lost


def test_what_chance_alone_makes_of_imbalance_and_its_error(noise):
    mean, sd, error = spread([imbalance(noise.integers(10, size=300), uniform(10)) for _ in range(1000)])
    assert mean == pytest.approx(10 * math.sqrt(0.09 / (2 * math.pi * 300)), rel=0.03)
    assert sd < error < 2 * sd
    p = np.repeat([0.05, 0.15], 5)
    _, sd, error = spread([imbalance(noise.choice(10, 300, p=p), uniform(10)) for _ in range(1000)])
    assert error == pytest.approx(sd, rel=0.1)


@pytest.mark.parametrize("support", [50, 500])
def test_a_planted_support_is_found(noise, support):
    real, fake = planted(noise, support, 600)
    found = support_size(real, fake)
    assert found.value == pytest.approx(support, abs=4 * found.error)
    assert found.low <= support <= found.high < math.inf


def test_mistaken_collisions_make_it_smaller_and_are_allowed_for(noise):
    """1000 copied rows, of whose pairs one in 500 is as near as the closest 2 permille of real pairs."""
    real, fake = planted(noise, 1000, 800)
    found = support_size(real, fake, rate=0.002)
    assert found.value == pytest.approx(1 / (1 / 1000 + 0.002), rel=0.2)
    assert found.low < found.value < 1000 < found.high


def test_a_sampler_with_the_data_s_own_law_has_at_least_what_can_be_seen(noise):
    found = support_size(noise.normal(size=(600, 8)), noise.normal(size=(500, 8)))
    assert found.high == math.inf
    assert found.low > 5000
    assert "at least" in found.note


def test_the_threshold_is_set_by_real_rows_alone(noise):
    real, fake = planted(noise, 20, 300)
    again, _ = planted(noise, 20, 300)
    thresholds = [support_size(real, rows).note.split("tau = ")[1] for rows in (fake, again, 100 * fake)]
    assert len(set(thresholds)) == 1
    assert support_size(real, 100 * fake).value == pytest.approx(20, rel=0.2)  # noise of 0.01 is far below tau still


def test_equal_rows_collide_though_real_ones_do_too(noise):
    """Rows of whole numbers: the threshold is 0, and no collision is mistaken, however large the rows' values."""
    real, fake = noise.integers(9, size=(300, 1)), 1e6 + noise.integers(9, size=(300, 1))
    found = support_size(real, fake)
    assert "tau = 0," in found.note
    assert found.low <= 9 <= found.high
    assert found.high < 11


def test_neighbours_and_the_closest_pairs_are_those_found_one_by_one(noise, monkeypatch):
    monkeypatch.setattr("genbench.metrics.support.ROWS", 16)
    x = torch.as_tensor(noise.normal(size=(50, 3)))
    x[7] = x[30]
    apart = (x[:, None] - x).square().sum(2)
    apart.fill_diagonal_(math.inf)
    ordered = apart[torch.triu(torch.ones(50, 50), 1) > 0].sort().values
    for k in (1, 2, 10, 300):
        assert closest(x, k) == pytest.approx(float(ordered[k - 1]), abs=1e-9)
    assert neighbours(x, 0.5).tolist() == (apart <= 0.5).sum(1).tolist()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("support", "draws"), [(5, 400), (50, 100), (500, 60), (500, 1000), (5000, 2000), (10**6, 1000)]
)
def test_intervals_hold_the_support_of_uniform_laws(noise, support, draws):
    """In at least 95 % of 2000 repeats: none below 94 %, three standard errors of the share."""
    found = [effective_symbols(noise.integers(support, size=draws)) for _ in range(2000)]
    assert held(found, support) >= 0.94


@pytest.mark.slow
@pytest.mark.parametrize("draws", [200, 2000])
def test_intervals_hold_the_effective_number_of_other_laws(noise, draws):
    """Zipf's law over 300 symbols, whose collisions vary more than Poisson's: 1 / |p|^2 is 24."""
    p = 1 / np.arange(1, 301)
    p /= p.sum()
    found = [effective_symbols(noise.choice(300, draws, p=p)) for _ in range(2000)]
    assert held(found, 1 / (p**2).sum()) >= 0.94
    _, sd, error = spread(found)
    assert error == pytest.approx(sd, rel=0.15)


@pytest.mark.slow
@pytest.mark.parametrize(("support", "repeats"), [(50, 1000), (500, 1000), (5000, 1000)])
def test_intervals_hold_a_planted_support(noise, support, repeats):
    found = [support_size(*planted(noise, support, 250)) for _ in range(repeats)]
    assert held(found, support) >= 0.95 - 2 * math.sqrt(0.05 * 0.95 / repeats)


def test_rotation_by_hand():
    """From one mode to another, then half of it back; who stays, on one mode or on all, does not rotate."""
    assert rotation([[10, 0, 0], [0, 20, 0], [5, 5, 0]]).value == pytest.approx((1 + 0.5) / 2)
    assert rotation([[10, 0, 0], [0, 20, 0], [5, 5, 0]]).n == 40
    for stays in ([[7, 0], [3, 0]], [[6, 6], [4, 4], [1, 1]]):
        assert (rotation(stays).value, rotation(stays).error) == (0, 0)


def test_the_error_of_rotation_is_the_spread_over_repeats_and_its_note_the_bias(noise):
    laws = np.array([[0.7, 0.2, 0.1], [0.1, 0.5, 0.4], [0.3, 0.1, 0.6]])
    draws = np.array([300, 300, 600])
    mean, sd, error = spread([rotation(noise.multinomial(draws, laws)) for _ in range(1000)])
    assert mean == pytest.approx((0.6 + 0.4) / 2, abs=0.005)
    assert error == pytest.approx(sd, rel=0.1)
    still = [rotation(noise.multinomial(1000, uniform(8), size=6)) for _ in range(200)]
    assert np.mean([e.value for e in still]) == pytest.approx(0.047, abs=0.002)
    assert still[0].note.startswith("0.047")


def test_what_is_no_course_has_no_rotation():
    for counts in ([[3, 4]], [[1, 2], [0, 0]], [[1, -1], [1, 2]], [[0.5, 0.5], [1.0, 0.0]], [1, 2, 3]):
        with pytest.raises(BadInput, match="counts"):
            rotation(counts)


def test_a_sample_far_from_all_modes_is_its_nearest_s(tmp_path):
    """Samples of three checkpoints, none within the radius of a mode."""
    task = load("tasks", "ring8")(train=10, test=10)
    centres = task.modes.centres
    seen = [Samples(task.test.x, 3 * centres[mode].expand(5, 2)) for mode in (0, 0, 5)]
    for at, samples in zip(("0.20", "0.50"), seen, strict=False):
        (tmp_path / at).mkdir()
        samples.save(tmp_path / at)
    first, both = Exam(task, "test", Pixels()), (tmp_path / "0.20", tmp_path / "0.50")
    visits = Visits.collect(seen[2], replace(first, earlier=both))
    assert visits.counts.tolist() == [[5 * (i == mode) for i in range(8)] for mode in (0, 0, 5)]
    assert rotation(visits).value == 0.5
    with pytest.raises(NotApplicable, match="earlier"):
        Visits.collect(seen[0], first)

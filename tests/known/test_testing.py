"""Tests of uniformity, against answers that are known without them."""

import itertools
import math

import numpy as np
import pytest
from laws import spread, uniform
from scipy import stats

from genbench.collisions import collision_law, collisions, moments, pvalue, window
from genbench.errors import BadInput, NotApplicable
from genbench.evidence import Draws, Symbols
from genbench.metrics import uniformity, uniformity_l1, uniformity_l2
from genbench.metrics.testing import tallies


def paninski(noise, n, eps):
    """The hardest law at statistical distance eps: pairs at (1 +- 2 eps) / n, with new signs each time."""
    signs = noise.choice([-1, 1], n // 2)
    return np.stack([1 + 2 * eps * signs, 1 - 2 * eps * signs], 1).ravel() / n


def heavy(noise, n, eps):
    """One symbol takes its excess from all others: |p - U|_2 = eps."""
    p = np.full(n, (1 - 1 / n - eps * math.sqrt(1 - 1 / n)) / (n - 1))
    p[0] = 1 - (n - 1) * p[1]
    return noise.permutation(p)


def needed(test, n, eps):
    """The stated number of draws, as the warning says it."""
    words = test([0, 1], n, eps=eps).note.split()
    return int(words[words.index("where") + 1])


def rejections(noise, test, law, n, eps, draws, repeats):
    found = (test(noise.choice(n, draws, p=law(noise, n, eps)), n, eps=eps) for _ in range(repeats))
    return sum(e.reject for e in found)


def even(noise, n, eps):
    return uniform(n)


def test_collisions_by_hand():
    """Counts 3, 1, 0: 3 ordered pairs twice over 12, times 3 symbols, less 1."""
    assert uniformity([0, 0, 0, 1], uniform(3)).value == pytest.approx(3 * 6 / 12 - 1)
    assert uniformity_l1([0, 0, 0, 1], 3).value == pytest.approx(3 * 6 / 12 - 1)
    assert uniformity_l2([0, 0, 0, 1], 3).value == pytest.approx(6 / 12 - 1 / 3)
    assert uniformity([0, 1, 2], uniform(3)).value == -1


def test_the_error_of_collisions_by_hand():
    """Counts 4, 1, 0: a2 = 12/20, a3 = 24/60, variance (2 (.6 - .36) + 4 x 3 (.4 - .36)) / 20, times 3 squared."""
    assert uniformity([0, 0, 0, 0, 1], uniform(3)).error == pytest.approx(3 * math.sqrt(0.048))
    assert uniformity_l2([0, 0, 0, 0, 1], 3).error == pytest.approx(math.sqrt(0.048))


@pytest.mark.parametrize("largest", [7, 300, 10**6, 2**62])
def test_counting_and_sorting_tally_as_numpy_does(noise, largest):
    draws = noise.integers(largest, size=3000) // 3 * 3
    _, counts = np.unique(draws, return_counts=True)
    found = tallies(Draws(draws, largest).draws, largest)
    assert sorted(found[found > 0]) == sorted(counts)
    assert collisions(found) == ((counts * (counts - 1)).sum() // 2, (counts * (counts - 1) * (counts - 2)).sum())


@pytest.mark.parametrize(
    ("p", "draws"), [([0.4, 0.3, 0.1, 0.1, 0.05, 0.05], 60), ([0.25] * 4, 40), ([0.75] + [0.005] * 50, 30)]
)
def test_uniformity_is_unbiased_and_its_variance_exact(noise, p, draws):
    """The formula is; the error, which puts sample power sums into it, is up to 0.3 too large at uniformity."""
    p = np.array(p)
    n, a2, a3 = len(p), (p**2).sum(), (p**3).sum()
    exact = n * math.sqrt((2 * (a2 - a2**2) + 4 * (draws - 2) * (a3 - a2**2)) / (draws * (draws - 1)))
    mean, sd, error = spread([uniformity_l1(noise.choice(n, draws, p=p), n) for _ in range(1200)])
    assert mean == pytest.approx(n * a2 - 1, abs=4 * sd / math.sqrt(1200))
    assert sd == pytest.approx(exact, rel=0.06)
    assert (0.9 if len(set(p)) > 1 else 1) * exact < error < (1.15 if len(set(p)) > 1 else 1.3) * exact


@pytest.mark.parametrize(("n", "draws"), [(2, 200), (8, 45), (100, 160), (100, 1000), (3000, 876)])
@pytest.mark.parametrize("test", [uniformity_l1, uniformity_l2], ids=lambda test: test.name)
def test_uniform_samplers_pass(noise, test, n, draws):
    """Size at most 0.05: the upper end of 400 trials' interval."""
    assert rejections(noise, test, even, n, 0.01, draws, 400) <= stats.binom.ppf(0.999, 400, 0.05)


@pytest.mark.parametrize("n", [8, 100, 1000])
def test_the_nearest_laws_at_eps_are_found(noise, n):
    """At the stated number of draws, from Paninski's pairs; with a tenth of it, hardly."""
    draws = needed(uniformity_l1, n, 0.25)
    assert draws == math.ceil(1.5 * math.sqrt(n) / 0.25**2)
    assert rejections(noise, uniformity_l1, paninski, n, 0.25, draws, 200) >= 0.75 * 200
    assert rejections(noise, uniformity_l1, paninski, n, 0.25, draws // 10, 200) <= 0.4 * 200


def test_fewer_draws_than_stated_are_warned_of():
    draws = np.arange(240) % 100
    assert uniformity_l1(draws, 100, eps=0.25).note == ""
    assert uniformity_l1(draws[1:], 100, eps=0.25).note == "239 draws where 240 are needed to find eps = 0.25"
    assert "10 draws where 130 " in uniformity_l2(draws[:10], 100, eps=0.1).note  # 5 / (10 x 0.01) + 8 / 0.1


@pytest.mark.slow
@pytest.mark.parametrize("eps", [0.1, 0.25, 0.4])
@pytest.mark.parametrize("n", [2, 8, 100, 1000, 10_000])
def test_size_and_power_in_statistical_distance_are_those_stated(noise, n, eps):
    """1000 repeats, signs drawn anew; power with its own 3 standard errors below it."""
    draws = needed(uniformity_l1, n, eps)
    assert rejections(noise, uniformity_l1, even, n, eps, draws, 1000) <= stats.binom.ppf(0.999, 1000, 0.05)
    assert rejections(noise, uniformity_l1, paninski, n, eps, draws, 1000) >= stats.binom.ppf(0.999, 1000, 2 / 3)


@pytest.mark.slow
@pytest.mark.parametrize("eps", [0.05, 0.1, 0.3])
@pytest.mark.parametrize("n", [2, 8, 100, 1000, 10_000])
def test_size_and_power_in_l2_are_those_stated(noise, n, eps):
    """One heavy symbol is the hardest law; Paninski's pairs at |p - U|_2 = eps where they exist."""
    draws = needed(uniformity_l2, n, eps)
    least = stats.binom.ppf(0.999, 1000, 2 / 3)
    assert rejections(noise, uniformity_l2, even, n, eps, draws, 1000) <= stats.binom.ppf(0.999, 1000, 0.05)
    assert rejections(noise, uniformity_l2, heavy, n, eps, draws, 1000) >= least
    if (distance := eps * math.sqrt(n) / 2) <= 0.5:
        pairs = [uniformity_l2(noise.choice(n, draws, p=paninski(noise, n, distance)), n, eps=eps) for _ in range(1000)]
        assert sum(e.reject for e in pairs) >= least


def test_eps_is_a_statistical_distance_not_its_double(noise):
    """The value at distance eps is 4 eps^2, and the threshold half of that: the factor of 4 between TV and L1."""
    p = paninski(noise, 10, 0.1)
    draws = np.repeat(np.arange(10), np.round(p * 1e6).astype(int))
    found = uniformity_l1(draws, 10, eps=0.1)
    assert found.value == pytest.approx(4 * 0.1**2, rel=1e-3)
    assert found.reject
    assert uniformity_l1(draws, 10, eps=0.14).reject  # 2 eps^2 = .0392
    assert not uniformity_l1(draws, 10, eps=0.15).reject  # 2 eps^2 = .045
    assert uniformity_l1(draws, 10, eps=0.15).pvalue < 0.001


def test_eps_in_l2_is_not_squared(noise):
    """Paninski's pairs at 0.1 on 10 symbols: |p - U|_2 = 0.2 / sqrt(10) = 0.0632, its square the value."""
    p = paninski(noise, 10, 0.1)
    draws = np.repeat(np.arange(10), np.round(p * 1e6).astype(int))
    found = uniformity_l2(draws, 10, eps=0.0632)
    assert found.value == pytest.approx(0.004, rel=1e-3)
    assert found.reject
    assert uniformity_l2(draws, 10, eps=0.089).reject  # eps^2 / 2 = .00396
    assert not uniformity_l2(draws, 10, eps=0.0905).reject  # .0041
    assert not uniformity_l2(draws, 10, eps=0.4).reject


def listed(draws, n):
    """The law of the colliding pairs of uniform draws, from all sequences."""
    law = {}
    for sequence in itertools.product(range(n), repeat=draws):
        pairs, _ = collisions(np.bincount(sequence))
        law[pairs] = law.get(pairs, 0) + n**-draws
    return law


@pytest.mark.parametrize(("draws", "n"), [(5, 3), (2, 7), (4, 4), (8, 2), (7, 2), (6, 5), (9, 3)])
def test_pvalues_and_moments_are_those_of_uniform_samplers_listed_one_by_one(draws, n):
    law = listed(draws, n)
    for pairs in law:
        assert pvalue(pairs, draws, n) == pytest.approx(sum(p for k, p in law.items() if k >= pairs), abs=1e-12)
    mean, sd, skew = moments(draws, n)
    k, p = np.array(list(law)), np.array(list(law.values()))
    assert mean == pytest.approx(p @ k)
    assert sd**2 == pytest.approx(p @ (k - mean) ** 2)
    assert skew * sd**3 == pytest.approx(p @ (k - mean) ** 3)


@pytest.mark.parametrize(("draws", "n"), [(100, 8), (150, 3), (60, 1000), (500, 100)])
def test_exact_pvalues_are_those_of_simulated_samplers(noise, draws, n):
    counts = noise.multinomial(draws, uniform(n), 10_000)
    found = (counts * (counts - 1)).sum(1) // 2
    for share in (0.5, 0.1, 0.02):
        pairs = int(np.quantile(found, 1 - share))
        assert pvalue(pairs, draws, n) == pytest.approx((found >= pairs).mean(), abs=4 * math.sqrt(share) / 100)


def test_pvalues_at_their_ends():
    """Never 0; among a million symbols, one shared birthday of 1000 is the birthday problem."""
    assert uniformity([0] * 100, uniform(8)).pvalue == pytest.approx(8.0**-99)
    assert uniformity(range(8), uniform(8)).pvalue == 1
    assert uniformity([0, 0, 0], uniform(1)).pvalue == 1
    none_shared = np.prod(1 - np.arange(1000) / 1e6)
    assert uniformity_l1([0, *range(999)], 10**6).pvalue == pytest.approx(1 - none_shared, abs=1e-9)
    assert uniformity_l1(range(1000), 10**6).pvalue == 1
    huge = uniformity_l1([5, 5, 7], 10**15).pvalue  # three pairs may be the one
    assert huge == pytest.approx(3e-15, rel=0.05)


@pytest.mark.parametrize(
    ("draws", "n", "within"),
    [(340, 3, 3e-3), (400, 4, 2e-3), (600, 8, 5e-4), (1200, 100, 5e-4), (3000, 2000, 5e-4), (20_000, 10**8, 5e-4)],
)
def test_approximate_pvalues_join_the_exact_ones(monkeypatch, draws, n, within):
    """By Pearson's law or Poisson's, at all numbers of pairs that there can be."""
    law, (low, _, _) = collision_law(draws, n), window(draws, n)
    places = (np.flatnonzero(law > 1e-9) + low).tolist()
    monkeypatch.setattr("genbench.collisions.CELLS", 2**20)
    exact = np.array([pvalue(k, draws, n) for k in places])
    monkeypatch.setattr("genbench.collisions.CELLS", 0)
    apart = np.abs([pvalue(k, draws, n) for k in places] - exact)
    assert apart[exact <= 0.1].max() < within
    assert apart.max() < 0.02
    assert apart.max() > 0


def test_a_models_symbols_are_tested_as_draws(noise):
    drawn = Symbols(noise.integers(-1, 4, size=200), uniform(4))
    draws = Draws.collect(drawn, None)
    assert draws.n == 4
    ours, theirs = uniformity(drawn), uniformity_l1(draws)
    assert (ours.value, ours.pvalue, ours.n) == (theirs.value, theirs.pvalue, theirs.n)
    with pytest.raises(NotApplicable, match="not uniform"):
        Draws.collect(Symbols([0, 1], [0.6, 0.4]), None)
    with pytest.raises(NotApplicable, match="none of 2"):
        Draws.collect(Symbols([-1, -1], uniform(4)), None)


def test_draws_of_no_mode_are_counted_out_loud():
    found = uniformity([0, 1, -1, 2, 0, -1], uniform(3))
    assert found.n == 4
    assert "2 of 6" in found.note
    assert found.value == uniformity([0, 1, 2, 0], uniform(3)).value
    with pytest.raises(NotApplicable, match="1 of 3"):
        uniformity([-1, -1, 0], uniform(3))
    with pytest.raises(NotApplicable, match="not uniform"):
        uniformity([0, 1, 0], [0.5, 0.3, 0.2])


@pytest.mark.parametrize("n", [2.5, "ten", None])
def test_a_number_of_symbols_is_an_integer(n):
    with pytest.raises(BadInput, match="integer"):
        uniformity_l1([0, 1, 0], n)


def test_counts_of_numpy_and_a_distance_out_of_range():
    assert uniformity_l1(np.array([0, 1, 0], np.uint8), np.int64(3)).n == 3
    for eps in (0, 1, -0.1, 2):
        for test in (uniformity_l1, uniformity_l2):
            with pytest.raises(BadInput, match="eps"):
                test([0, 1, 0], 3, eps=eps)

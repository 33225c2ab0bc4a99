"""Tests of uniformity, against answers that are known without them."""

import itertools
import math

import numpy as np
import pytest
from laws import spread, uniform
from scipy import stats

from genbench.errors import NotApplicable
from genbench.metrics import (
    uniformity,
)


def paninski(noise, n, eps):
    """The hardest law at statistical distance eps: pairs at (1 +- 2 eps) / n, with new signs each time."""
    signs = noise.choice([-1, 1], n // 2)
    return np.stack([1 + 2 * eps * signs, 1 - 2 * eps * signs], 1).ravel() / n


def test_collisions_by_hand():
    """Counts 3, 1, 0: 3 ordered pairs twice over 12, times 3 symbols, less 1."""
    assert uniformity([0, 0, 0, 1], uniform(3)).value == pytest.approx(3 * 6 / 12 - 1)
    assert uniformity([0, 1, 2], uniform(3)).value == -1


def test_the_error_of_collisions_by_hand():
    """Counts 4, 1, 0: a2 = 12/20, a3 = 24/60, variance (2 (.6 - .36) + 4 x 3 (.4 - .36)) / 20, times 3 squared."""
    assert uniformity([0, 0, 0, 0, 1], uniform(3)).error == pytest.approx(3 * math.sqrt(0.048))


@pytest.mark.parametrize(
    ("p", "draws"), [([0.4, 0.3, 0.1, 0.1, 0.05, 0.05], 60), ([0.25] * 4, 40), ([0.75] + [0.005] * 50, 30)]
)
def test_uniformity_is_unbiased_and_its_variance_exact(noise, p, draws):
    """The formula is; the error, which puts sample power sums into it, is up to 0.3 too large at uniformity."""
    p = np.array(p)
    n, a2, a3 = len(p), (p**2).sum(), (p**3).sum()
    exact = n * math.sqrt((2 * (a2 - a2**2) + 4 * (draws - 2) * (a3 - a2**2)) / (draws * (draws - 1)))
    mean, sd, error = spread([uniformity(noise.choice(n, draws, p=p), uniform(n)) for _ in range(1200)])
    assert mean == pytest.approx(n * a2 - 1, abs=4 * sd / math.sqrt(1200))
    assert sd == pytest.approx(exact, rel=0.06)
    assert (0.9 if len(set(p)) > 1 else 1) * exact < error < (1.15 if len(set(p)) > 1 else 1.3) * exact


@pytest.mark.parametrize(("n", "draws"), [(8, 45), (100, 160), (100, 1000), (3000, 876)])
def test_uniform_samplers_pass(noise, n, draws):
    """Size at most 0.05: the upper end of 600 trials' interval, and half a percent for the fixed simulation."""
    rejected = sum(uniformity(noise.integers(n, size=draws), uniform(n)).reject for _ in range(600))
    assert rejected <= stats.binom.ppf(0.999, 600, 0.055)


@pytest.mark.parametrize("n", [8, 100, 1000, 3000])
def test_the_nearest_laws_at_eps_are_found(noise, n):
    """At 2 sqrt(n) / eps^2 draws, from Paninski's pairs; with 1 / 10 of that, hardly."""
    draws = int(2 * math.sqrt(n) / 0.25**2)

    def power(draws):
        laws = (paninski(noise, n, 0.25) for _ in range(250))
        return np.mean([uniformity(noise.choice(n, draws, p=p / p.sum()), uniform(n)).reject for p in laws])

    assert power(draws) >= 0.85
    assert power(draws // 10) <= 0.4


def test_eps_is_a_statistical_distance_not_its_double(noise):
    """The value at distance eps is 4 eps^2, and the threshold half of that: the factor of 4 between TV and L1."""
    p = paninski(noise, 10, 0.1)
    draws = np.repeat(np.arange(10), np.round(p * 1e6).astype(int))
    found = uniformity(draws, uniform(10), eps=0.1)
    assert found.value == pytest.approx(4 * 0.1**2, rel=1e-3)
    assert found.reject
    assert uniformity(draws, uniform(10), eps=0.14).reject  # 2 eps^2 = .0392
    assert not uniformity(draws, uniform(10), eps=0.15).reject  # 2 eps^2 = .045
    assert uniformity(draws, uniform(10), eps=0.15).pvalue < 0.001


def test_pvalues_are_those_of_uniform_samplers_listed_one_by_one():
    draws, n = 5, 3
    found = {}
    for sequence in itertools.product(range(n), repeat=draws):
        found.setdefault(round(uniformity(sequence, uniform(n)).value, 9), []).append(sequence)
    for value, sequences in found.items():
        exact = sum(len(same) for other, same in found.items() if other >= value) / n**draws
        assert uniformity(sequences[0], uniform(n)).pvalue == pytest.approx(exact, abs=4 * math.sqrt(0.25 / 1999))


def test_pvalues_at_their_ends():
    """A simulated one is never 0; among a million symbols, one shared birthday of 1000 is the birthday problem."""
    assert uniformity([0] * 100, uniform(8)).pvalue == 1 / 2000
    assert uniformity(range(8), uniform(8)).pvalue == 1
    none_shared = np.prod(1 - np.arange(1000) / 1e6)
    assert uniformity([0, *range(999)], uniform(10**6)).pvalue == pytest.approx(1 - none_shared, abs=1e-3)
    assert uniformity(range(1000), uniform(10**6)).pvalue == 1


def test_poisson_pvalues_join_the_simulated_ones(noise, monkeypatch):
    draws = noise.integers(1900, size=900)
    simulated = uniformity(draws, uniform(1900)).pvalue
    monkeypatch.setattr("genbench.metrics.testing.SIMULATED", 0)
    assert uniformity(draws, uniform(1900)).pvalue == pytest.approx(simulated, abs=0.05)


def test_draws_of_no_mode_are_counted_out_loud():
    found = uniformity([0, 1, -1, 2, 0, -1], uniform(3))
    assert found.n == 4
    assert "2 of 6" in found.note
    assert found.value == uniformity([0, 1, 2, 0], uniform(3)).value
    with pytest.raises(NotApplicable, match="1 of 3"):
        uniformity([-1, -1, 0], uniform(3))
    with pytest.raises(NotApplicable, match="not uniform"):
        uniformity([0, 1, 0], [0.5, 0.3, 0.2])

"""Kernel distances, against answers that are known without them."""

import itertools
import math

import pytest
from laws import spread

from genbench.metrics import (
    kid,
)


def brute_kid(x, y, degree=3):
    def k(a, b):
        return (a @ b / len(a) + 1) ** degree

    n, m = len(x), len(y)
    xx = sum(k(x[i], x[j]) for i, j in itertools.permutations(range(n), 2)) / (n * (n - 1))
    yy = sum(k(y[i], y[j]) for i, j in itertools.permutations(range(m), 2)) / (m * (m - 1))
    return xx + yy - 2 * sum(k(a, b) for a in x for b in y) / (n * m)


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_kid_is_the_sum_over_pairs_at_unequal_counts(noise, degree, monkeypatch):
    x, y = noise.normal(size=(13, 4)), noise.normal(size=(7, 4)) + 0.5
    monkeypatch.setattr("genbench.metrics.kernels.ROWS", 5)  # more blocks than one
    assert kid(x, y, degree=degree).value == pytest.approx(brute_kid(x, y, degree), rel=1e-10)


def test_kid_is_unbiased_at_unequal_counts(noise):
    """compare_gan divides by the difference of real scores alone, and is not."""
    mean, sd, _ = spread([kid(noise.normal(size=(40, 3)), noise.normal(size=(15, 3))) for _ in range(600)])
    assert abs(mean) < 3 * sd / math.sqrt(600)


def test_kid_of_degree_one_is_the_distance_of_means(noise):
    """E: |m|^2 / d, without the bias of plugging in."""
    mean, sd, _ = spread(
        [kid(noise.normal(size=(20, 4)), noise.normal(size=(30, 4)) + 1, degree=1) for _ in range(600)]
    )
    assert mean == pytest.approx(1, abs=3 * sd / math.sqrt(600))


@pytest.mark.parametrize(("n", "m", "shift", "slack"), [(100, 60, 0.0, 0.3), (60, 150, 0.3, 0.12), (80, 80, 1.0, 0.12)])
def test_the_error_of_kid_is_the_spread_over_repeats(noise, n, m, shift, slack):
    """At equal laws the degenerate part is all there is, and the floor at it makes the error a little large."""
    _, sd, error = spread([kid(noise.normal(size=(n, 8)), noise.normal(size=(m, 8)) + shift) for _ in range(600)])
    assert 0.88 * sd < error < (1 + slack) * sd

"""The Frechet distance, against answers that are known without them."""

import math

import numpy as np
import pytest
from laws import exact_moments, spd, spread

from genbench.metrics import (
    frechet,
)


def test_frechet_of_two_small_sets_by_hand():
    """Means (1.5, 1) and (5.5, 9); deviations .5 and 3.5 along one axis, times 100/99; nothing along the other."""
    real, fake = np.ones((100, 2)), 9 * np.ones((100, 2))
    real[:50, 0] = 2
    fake[50:, 0] = 2
    assert frechet(real, fake).value == pytest.approx(16 + 64 + 9 * 100 / 99, abs=1e-9)


@pytest.mark.parametrize("d", [1, 2, 5, 30])
def test_frechet_is_the_closed_form_of_gaussians(noise, d):
    a, b, m, k = spd(noise, d), spd(noise, d), noise.normal(size=d), noise.normal(size=d)
    values, vectors = np.linalg.eigh(a)
    root = vectors * np.sqrt(values) @ vectors.T
    bures = np.trace(a) + np.trace(b) - 2 * np.sqrt(np.linalg.eigvalsh(root @ b @ root)).sum()
    found = frechet(exact_moments(noise, 50, m, a), exact_moments(noise, 40, k, b)).value
    assert found == pytest.approx(((m - k) ** 2).sum() + bures, rel=1e-9)


def test_frechet_of_commuting_covariances(noise):
    a, b = np.array([4.0, 1.0, 9.0]), np.array([1.0, 1.0, 16.0])
    real, fake = exact_moments(noise, 30, np.zeros(3), np.diag(a)), exact_moments(noise, 60, np.ones(3), np.diag(b))
    assert frechet(real, fake).value == pytest.approx(3 + 1 + 0 + 1, rel=1e-9)


@pytest.mark.parametrize(("n", "d"), [(2, 1), (2, 5), (10, 64), (500, 8)])
def test_frechet_of_a_set_and_itself_is_nothing(noise, n, d):
    x = 100 + 10 * noise.normal(size=(n, d))
    assert 0 <= frechet(x, x).value < 1e-9
    assert 0 <= frechet(x, x[::-1].copy()).value < 1e-9


def test_frechet_of_fewer_rows_than_features(noise):
    """The trace term is the nuclear norm of the product of the centred rows."""
    x, y = noise.normal(size=(6, 20)), noise.normal(size=(9, 20)) + 1
    a, b = x - x.mean(0), y - y.mean(0)
    cross = np.linalg.svd(a @ b.T, compute_uv=False).sum() / math.sqrt(5 * 8)
    means = ((x.mean(0) - y.mean(0)) ** 2).sum()
    expected = means + (a**2).sum() / 5 + (b**2).sum() / 8 - 2 * cross
    found = frechet(x, y)
    assert found.value == pytest.approx(expected, rel=1e-12)
    assert "6 rows for 20 features" in found.note
    assert frechet(x, y[:1].repeat(5, 0)).value == pytest.approx(((x.mean(0) - y[0]) ** 2).sum() + (a**2).sum() / 5)


def test_frechet_far_from_the_origin_loses_nothing(noise):
    """Raw second moments would: torchmetrics keeps sum xx' - n mu mu'."""
    x, y = noise.normal(size=(300, 4)), noise.normal(size=(200, 4))
    assert frechet(x + 1e6, y + 1e6).value == pytest.approx(frechet(x, y).value, rel=1e-6)


@pytest.mark.parametrize(("n", "m", "d", "shift", "scale"), [(500, 400, 6, 0.5, 1.3), (300, 500, 3, 0.0, 2.0)])
def test_the_error_of_frechet_is_the_bootstraps(noise, n, m, d, shift, scale):
    x, y = noise.normal(size=(n, d)) @ spd(noise, d), scale * noise.normal(size=(m, d)) @ spd(noise, d) + shift
    again = [frechet(x[noise.integers(n, size=n)], y[noise.integers(m, size=m)]).value for _ in range(600)]
    assert frechet(x, y).error == pytest.approx(np.std(again), rel=0.1)


def test_the_error_of_frechet_is_the_spread_over_repeats(noise):
    _, sd, error = spread(
        [frechet(noise.normal(size=(300, 8)), 1.3 * noise.normal(size=(250, 8)) + 0.4) for _ in range(400)]
    )
    assert error == pytest.approx(sd, rel=0.15)


def test_the_error_of_frechet_never_flatters_where_no_covariance_is_invertible(noise):
    """Nor at equal laws, where the distance has no first order: at most twice the spread, at least it."""
    for n, m, d, shift in [(30, 40, 64, 0.3), (300, 200, 8, 0.0)]:
        _, sd, error = spread(
            [frechet(noise.normal(size=(n, d)), noise.normal(size=(m, d)) + shift) for _ in range(150)]
        )
        assert 0.9 * sd < error < 2 * sd

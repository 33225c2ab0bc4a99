"""Likelihoods, against answers that are known without them."""

import math

import numpy as np
import pytest
from scipy import stats

from genbench.errors import BadInput
from genbench.evidence import LogProbs
from genbench.metrics import (
    bits_per_dim,
    likelihood_bound,
    log_likelihood,
)


def test_log_likelihood_of_a_normal(noise):
    x = noise.normal(size=100_000)
    found = log_likelihood(stats.norm.logpdf(x), 1, 0)
    assert found.value == pytest.approx(-0.5 * math.log(2 * math.pi * math.e), abs=4 * found.error)
    assert found.error == pytest.approx(math.sqrt(0.5 / 100_000), rel=0.02)  # the variance of x^2/2 is 1/2
    assert found.n == 100_000


def test_bits_of_noise_on_levels_are_the_levels():
    """Uniform over [0, 1] has log-density 0: nothing can be saved on log2(256) = 8 bits."""
    assert bits_per_dim(np.zeros(10), 64, 256).value == 8
    assert bits_per_dim(np.full(10, 64 * math.log(2)), 64, 256).value == pytest.approx(7)
    assert bits_per_dim(np.full(10, -3 * math.log(2)), 3, 0).value == pytest.approx(1)


def test_bits_are_the_code_length_of_the_quantised_rows(noise):
    """A histogram over 16 levels, dequantised: the mean is its entropy, in bits, with all constants."""
    p = noise.dirichlet(np.ones(16))
    k = noise.choice(16, 50_000, p=p)
    found = bits_per_dim(np.log(p[k] * 16), 1, 16)  # density of (k + u) / 16
    assert found.value == pytest.approx(-(p * np.log2(p)).sum(), abs=4 * found.error)


def test_a_row_of_density_nought_is_not_dropped():
    values = [-1.0, -2.0, -math.inf, -math.inf]
    for found, sign in [
        (log_likelihood(values, 2, 0), -1),
        (likelihood_bound(values, 5), -1),
        (bits_per_dim(values, 2, 0), 1),
    ]:
        assert found.value == sign * math.inf
        assert math.isnan(found.error)
        assert found.note == "2 of 4 rows have density 0"


def test_a_density_of_a_point_is_refused():
    with pytest.raises(BadInput, match=r"\+inf"):
        log_likelihood([0.0, math.inf], 1, 0)
    with pytest.raises(BadInput, match="k=0"):
        likelihood_bound([0.0, 1.0], 0)
    with pytest.raises(BadInput, match="size=0"):
        bits_per_dim([0.0, 1.0], 0, 0)


def test_bounds_rise_to_the_likelihood_they_bound(noise):
    """x = z + noise with the prior as proposal: log p(x) is normal, and L_1 <= L_10 <= L_1000 <= log p."""
    x = noise.normal(size=400) * math.sqrt(2)
    exact = log_likelihood(LogProbs(stats.norm.logpdf(x, scale=math.sqrt(2)), 1, 0))
    found = []
    for k in (1, 10, 1000):
        weights = stats.norm.logpdf(x[:, None] - noise.normal(size=(400, k)))
        found.append(likelihood_bound(np.logaddexp.reduce(weights, axis=1) - math.log(k), k).value)
    assert found[0] < found[1] < found[2]
    assert found[2] == pytest.approx(exact.value, abs=0.01)

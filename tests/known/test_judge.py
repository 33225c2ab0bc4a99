"""The judge of digits, against answers that are known without them."""

import math

import numpy as np
import pytest
from laws import spread

from genbench.errors import BadInput, NotApplicable
from genbench.metrics import (
    accepted,
)


def test_the_judge_accepts_digits_and_no_noise(digits, noise):
    x, y = digits
    train, real, spare = slice(997), x[997:1397], x[1397:]
    truth = accepted(x[train], y[train], real, spare)
    assert abs(truth.value - 1) < 3 * truth.error
    assert accepted(x[train], y[train], real, noise.random(spare.shape)).value < 0.05
    assert accepted(x[train], y[train], real, noise.permuted(spare, axis=1)).value < 0.05
    blurred = accepted(x[train], y[train], real, spare + 0.3 * noise.normal(size=spare.shape)).value
    assert 0.05 < blurred < 0.6


def test_the_error_of_the_judges_ratio_by_hand(digits, noise):
    """60 rows it was made from and 40 of noise, on both sides: each share is .6, and both add to the error."""
    x, y = digits
    rows = np.concatenate([x[:60], noise.random((40, 64))])
    found = accepted(x[:600], y[:600], rows, rows)
    one = math.sqrt(0.6 * 0.4 / 100 + 1 / 4e4) / 1.01
    assert found.value == 1
    assert found.error == pytest.approx(math.sqrt(2) * one / 0.6)


@pytest.mark.slow
def test_the_error_of_the_judges_ratio_is_the_spread_over_repeats(digits, noise):
    x, y = digits
    rows = 0.6 * x[600:] + 0.4 * noise.permuted(x[600:], axis=1)
    found = []
    for _ in range(60):
        order = noise.permutation(len(rows))
        found.append(accepted(x[:600:4], y[:600:4], rows[order[:150]], rows[order[150:250]]))
    _, sd, error = spread(found)
    assert error == pytest.approx(sd, rel=0.3)  # 60 repeats know it to 10 %, and rows recur between them


def test_the_judge_needs_labels_of_two_classes(digits):
    x, y = digits
    some = np.where(np.arange(len(y)) % 3, -1, y)  # unlabelled rows are passed over
    assert accepted(x[:900], some[:900], x[900:1200], x[1200:]).value > 0.8
    with pytest.raises(NotApplicable, match="fewer than 2"):
        accepted(x, np.full_like(y, -1), x[:5], x[:5])
    with pytest.raises(NotApplicable, match="fewer than 2"):
        accepted(x, np.where(y == 3, 3, -1), x[:5], x[:5])
    with pytest.raises(BadInput, match="one a training row"):
        accepted(x, y[:-1], x[:5], x[:5])
    with pytest.raises(NotApplicable, match="none of 5"):
        accepted(x, y, np.full((5, 64), 0.5), x[:5])

"""What a classifier says of the fakes, against answers that are known without them."""

import math

import numpy as np
import pytest
from laws import spread

from genbench.metrics import (
    inception_score,
)


def test_inception_score_of_sure_and_of_blind_classifiers():
    sure = 1000 * np.eye(5)[np.arange(100) % 5]
    assert inception_score(sure).value == pytest.approx(5, rel=1e-12)
    assert inception_score(sure[::5]).value == pytest.approx(1, rel=1e-12)
    assert inception_score(np.zeros((30, 5))).value == pytest.approx(1, rel=1e-12)


def test_inception_score_is_its_formula_and_its_error_the_jackknife(noise):
    logits = 2 * noise.normal(size=(25, 4))

    def score(rows):
        p = np.exp(rows) / np.exp(rows).sum(1, keepdims=True)
        return math.exp((p * np.log(p / p.mean(0))).sum(1).mean())

    left = np.array([score(np.delete(logits, i, 0)) for i in range(25)])
    found = inception_score(logits)
    assert found.value == pytest.approx(score(logits), rel=1e-12)
    assert found.error == pytest.approx(math.sqrt(24 / 25 * ((left - left.mean()) ** 2).sum()), rel=1e-9)


def test_the_error_of_inception_score_is_the_spread_over_repeats(noise):
    _, sd, error = spread([inception_score(3 * noise.normal(size=(300, 10))) for _ in range(600)])
    assert error == pytest.approx(sd, rel=0.1)

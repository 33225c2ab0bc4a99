"""What a classifier says of the fakes, against answers that are known without them."""

import math

import numpy as np
import pytest
import torch
from laws import spread
from torch_fidelity.metric_isc import isc_features_to_metric
from torchmetrics.image.inception import InceptionScore

from genbench.metrics import inception_score


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


def torch_fidelity(logits, **options):
    return isc_features_to_metric(torch.tensor(logits), **options)["inception_score_mean"]


def torchmetrics(logits, splits):
    metric = InceptionScore(feature=torch.nn.Identity(), splits=splits)
    metric.update(torch.tensor(logits))
    return float(metric.compute()[0])


def test_inception_score_is_that_of_the_peers_with_one_split(noise):
    logits = 3 * noise.normal(size=(500, 10))
    right = inception_score(logits).value
    assert torch_fidelity(logits, splits=1) == pytest.approx(right, rel=1e-12)
    assert torchmetrics(logits, 1) == pytest.approx(right, rel=1e-12)


def test_the_peers_ten_splits_are_lower_and_depend_on_the_order(noise):
    """A score of 50 rows is biased downward more than one of 500, and its error there is a spread over splits."""
    logits = 3 * noise.normal(size=(500, 10))
    right, turned = inception_score(logits), inception_score(logits[::-1].copy())
    assert turned.value == pytest.approx(right.value, rel=1e-12)
    assert turned.error == pytest.approx(right.error, rel=1e-9)
    split = [torch_fidelity(logits, splits=10, rng_seed=seed) for seed in range(5)]
    assert max(split) - min(split) > 1e-3
    assert max(split) < right.value - 0.05
    assert torchmetrics(logits, 10) != torchmetrics(logits, 10)  # it shuffles by the global generator


def test_a_class_that_nobody_is_given_is_no_nan(noise):
    """0 log 0 is 0; torch-fidelity's is NaN."""
    logits = 1000 * np.eye(3)[np.arange(60) % 2]
    assert inception_score(logits).value == pytest.approx(2, rel=1e-12)
    assert math.isnan(torch_fidelity(logits, splits=1))

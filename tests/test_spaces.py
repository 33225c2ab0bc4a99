"""The shipped spaces: what their headers say is measured again, and a feature depends on its row alone."""

from __future__ import annotations

import hashlib
import json

import pytest
import torch
from safetensors import safe_open

from genbench.catalogue import load, names
from genbench.errors import BadInput, NotApplicable
from genbench.spaces.digits import WEIGHTS, Digits
from genbench.spaces.pixels import Pixels
from genbench.tasks.digits import digits, digits_binary

DIGEST = "cccd4ea407b2d7b1"  # of the weights; with new ones every score seen through this space is another


@pytest.fixture(scope="module")
def space():
    return Digits()


@pytest.fixture(scope="module")
def header():
    with safe_open(WEIGHTS, "pt") as file:
        return json.loads(file.metadata()["genbench"])


def accuracy(space, rows):
    return float((space.logits(rows.x).argmax(1) == rows.y).double().mean())


@pytest.mark.parametrize("name", names("spaces"))
def test_every_space_has_a_name_a_digest_and_features_a_row(name):
    space = load("spaces", name)()
    assert space.name == name
    assert isinstance(space.digest, str)
    assert space.features(torch.rand(5, 1, 8, 8)).shape[0] == 5


def test_the_pixels_are_the_features():
    x = torch.rand(3, 1, 2, 2)
    assert Pixels().features(x).tolist() == x.reshape(3, 4).tolist()
    with pytest.raises(NotApplicable, match="no classifier"):
        Pixels().logits(x)


def test_the_weights_are_the_pinned_ones_and_small(space):
    assert space.digest == DIGEST
    assert WEIGHTS.stat().st_size < 300_000


def test_the_header_tells_the_accuracy(space, header):
    assert header["accuracy"] == pytest.approx(accuracy(space, digits().test), abs=1 / 300)
    assert header["accuracy_binary"] == pytest.approx(accuracy(space, digits_binary().test), abs=1 / 300)
    assert header["n"] == len(digits().test)
    assert header["accuracy"] >= 0.96
    assert header["accuracy_binary"] >= 0.9


def test_the_header_tells_the_training_rows(header):
    """A split that moved would let rows that the space has learnt into the test."""
    train = digits().train
    assert hashlib.sha256(train.x.numpy().tobytes() + train.y.numpy().tobytes()).hexdigest()[:16] == header["data"]


def test_features_do_not_depend_on_the_batch(space):
    x = torch.cat([digits().test.x] * 5)
    whole = space.features(x)
    assert len(x) > 1024  # more than one chunk
    for size in (1, 7, 64):
        apart = torch.cat([space.features(rows) for rows in x[:300].split(size)])
        torch.testing.assert_close(apart, whole[:300], atol=1e-5, rtol=1e-5)
    assert torch.equal(whole, space.features(x))


def test_it_draws_no_random_number_and_keeps_no_gradient():
    state = torch.get_rng_state()
    features = Digits().features(torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(state, torch.get_rng_state())
    assert not features.requires_grad


@pytest.mark.parametrize("task", [digits, digits_binary])
def test_the_covariance_of_real_rows_is_invertible(space, task):
    features = space.features(task().test.x).double()
    assert features.shape == (300, 32)
    values = torch.linalg.eigvalsh(torch.cov(features.T))
    assert values.min() > 1e-3
    assert values.max() / values.min() < 1e5


def test_rows_a_little_outside_are_seen_alike(space):
    rows = digits().test
    for shift in (-0.1, 0.1):
        assert float((space.logits(rows.x + shift).argmax(1) == rows.y).double().mean()) >= 0.96


def test_noise_is_no_digit(space):
    """Unsure of what it is, and further from every digit than digits are from each other."""
    noise = torch.rand(300, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert space.logits(noise).softmax(1).max(1).values.mean() < 0.2
    real, fake = space.features(digits().test.x), space.features(noise)
    assert torch.cdist(fake, real).min() > torch.cdist(real, real).fill_diagonal_(torch.inf).min(1).values.median()


@pytest.mark.parametrize("shape", [(4, 8, 8), (4, 1, 28, 28), (4, 2)])
def test_other_shapes_are_refused(space, shape):
    with pytest.raises(BadInput, match=r"\(1, 8, 8\).*pixels"):
        space.features(torch.rand(shape))

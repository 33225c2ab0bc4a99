"""Nearest neighbours, against answers that are known without them."""

import math

import numpy as np
import pytest
from scipy import stats

from genbench.metrics import (
    copying,
)


def test_copying_is_mann_whitney(noise):
    train, held, fake = noise.normal(size=(50, 2)), noise.normal(size=(40, 2)), 1.3 * noise.normal(size=(40, 2))
    d_held, d_fake = (np.linalg.norm(rows[:, None] - train, axis=2).min(1) for rows in (held, fake))
    u, pvalue = stats.mannwhitneyu(d_fake, d_held, alternative="less", method="asymptotic", use_continuity=False)
    found = copying(train, held, fake)
    assert found.pvalue == pytest.approx(pvalue, rel=1e-9)
    assert found.value == pytest.approx((u - 40 * 40 / 2) / math.sqrt(40 * 40 * 81 / 12), rel=1e-9)


def test_copies_are_caught_and_held_out_rows_are_not(digits, noise):
    """The bootstrap with 1 % noise at most -10; another held-out half within 2; noise far above 0."""
    x, _ = digits
    train, held, spare = x[:997], x[997:1397], x[1397:]
    bootstrap = train[noise.integers(997, size=400)] + 0.01 * x.std() * noise.normal(size=(400, 64))
    caught, clean = copying(train, held, bootstrap), copying(train, held, spare)
    assert caught.value <= -10
    assert caught.reject
    assert abs(clean.value) <= 2
    assert not clean.reject
    assert copying(train, held, noise.random((400, 64))).value > 10


def test_exact_copies_tie_and_are_caught(noise):
    train, held = noise.normal(size=(100, 3)), noise.normal(size=(80, 3))
    assert copying(train, held, train[:80]).value < -10
    assert copying(train, train[:80], train[20:]).value == 0
    assert not copying(train, train[:80], train[20:]).reject


def test_copying_is_standard_normal_at_equal_laws_and_unequal_counts(noise):
    """Only as many rows as both have are compared, since z grows with their number."""
    train = noise.normal(size=(60, 3))
    z = np.array([copying(train, noise.normal(size=(90, 3)), noise.normal(size=(50, 3))).value for _ in range(600)])
    assert abs(z.mean()) < 3 / math.sqrt(600)
    assert z.std() == pytest.approx(1, abs=0.07)
    assert copying(train, noise.normal(size=(90, 3)), noise.normal(size=(50, 3))).n == 50

"""Modes and their share, against answers that are known without them."""

import numpy as np
import pytest
from laws import spread, uniform

from genbench.errors import NotApplicable
from genbench.evidence import Symbols
from genbench.metrics import (
    high_quality,
    modes,
)


def test_modes_at_the_usual_threshold():
    """20 of 2560 count, 19 do not; draws of no mode make up the rest."""
    counts = [20, 19, 500, 500, 500, 500, 1, 0]
    draws = np.concatenate([np.repeat(np.arange(8), counts), np.full(2560 - sum(counts), -1)])
    assert modes(draws, uniform(8)).value == 5
    assert high_quality(draws, uniform(8)).value == pytest.approx(2040 / 2560)


def test_modes_of_unequal_weights_and_of_few_draws():
    draws = [0] * 90 + [1] * 9 + [2]
    assert modes(draws, [0.9, 0.09, 0.01]).value == 3
    assert modes(draws, uniform(3)).value == 2  # 1 of 100 is not a sixteenth of a third
    assert modes([0, 0, 1], uniform(25)).value == 2
    assert modes([-1, -1], uniform(25)).value == 0
    assert modes([0, 1], [1.0, 1.0, 0.0]).value == 2


def test_the_error_of_modes_is_the_spread_over_repeats(noise):
    """Up to the fifth that the plug-in costs where counts sit on the threshold."""
    p = np.array([12, 25, 500, 500, 500, 500, 500, 23]) / 2560
    _, sd, error = spread([modes(noise.choice(8, 2560, p=p), uniform(8)) for _ in range(1000)])
    assert 0.75 * sd < error < 1.05 * sd
    assert modes(np.arange(800) % 8, uniform(8)).error < 1e-6


def test_high_quality_has_an_error_at_its_ends(noise):
    inside = high_quality([0, 1, 2, 3], uniform(4))
    assert inside.value == 1
    assert inside.error == pytest.approx(0.1)  # half of Wilson's interval at z = 1: 1 / (2 (n + 1))
    draws = [np.where(noise.random(200) < 0.9, 0, -1) for _ in range(1000)]
    _, sd, error = spread([high_quality(d, uniform(4)) for d in draws])
    assert error == pytest.approx(sd, rel=0.1)


def test_a_classifiers_symbols_have_no_quality():
    with pytest.raises(NotApplicable, match="classifier"):
        high_quality(Symbols([0, 1], uniform(2), exhaustive=1))
    assert modes(Symbols([0, 1], uniform(2), exhaustive=1)).value == 2

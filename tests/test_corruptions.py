"""Each metric gets worse with every fault that it claims to see, and stays where it is under its blind spots."""

import numpy as np
import pytest
from corruptions import CLAIMS, UNDRAWN, curve

from genbench import catalogue

SEEN = [(name, fault) for name, claim in CLAIMS.items() for fault in claim.sees]
BLIND = [(name, fault) for name, claim in CLAIMS.items() for fault in claim.blind]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "fault"), SEEN)
def test_it_grows_worse_with_each_severity(name, fault):
    mean, error, _ = curve(name, fault)
    better = catalogue.load("metrics", name).better
    worse = mean if better == "lower" or (better == "neither" and mean[-1] > mean[0]) else -mean
    slack = 2 * np.hypot(error[1:], error[:-1])
    assert (np.diff(worse) >= -slack).all(), mean
    assert worse[-1] - worse[0] > 4 * np.hypot(error[0], error[-1]), mean


@pytest.mark.slow
@pytest.mark.parametrize(("name", "fault"), BLIND)
def test_it_is_blind_to_what_it_says(name, fault):
    """It moves by less than a tenth of what it does under a fault that it sees, or not beyond chance."""
    mean, error, _ = curve(name, fault)
    most = max(np.ptp(curve(name, seen)[0]) for seen in CLAIMS[name].sees)
    assert np.ptp(mean) < max(0.1 * most, 4 * error.max()), mean


def test_every_metric_says_what_it_sees():
    assert {*CLAIMS} | {*UNDRAWN} >= set(catalogue.names("metrics")) - {"outsider"}

"""Collisions against `numpy.unique`, and how their cost grows with the number of draws."""

import statistics

import numpy as np
import pytest
import torch
from conftest import seconds

from genbench.collisions import collisions
from genbench.metrics import uniformity_l1
from genbench.metrics.testing import tallies

DRAWS = 10**7


def drawn(n, draws=DRAWS):
    return torch.as_tensor(np.random.default_rng(0).integers(n, size=draws))


def unique_collisions(draws):
    _, counts = np.unique(draws, return_counts=True)
    return (counts * (counts - 1)).sum() // 2


@pytest.mark.parametrize("n", [1000, 10**6, 10**7, 10**12])
def test_collisions_are_not_slower_than_numpy_unique(race, n):
    draws = drawn(n)
    assert collisions(tallies(draws, n))[0] == unique_collisions(draws.numpy())
    race(
        "collision statistic, 1e7 draws", "numpy.unique",
        lambda: collisions(tallies(draws, n)), lambda: unique_collisions(draws.numpy()),
        least=1.0, note=f"n = {n:.0e}",
    )  # fmt: skip


def test_the_whole_test_is_not_slower_than_numpy_unique(race):
    """With its error, its p-value and the checks of what it was given."""
    draws = drawn(10**6).numpy()
    race(
        "uniformity_l1, 1e7 draws", "numpy.unique",
        lambda: uniformity_l1(draws, 10**6), lambda: unique_collisions(draws), least=1.0, note="n = 1e6",
    )  # fmt: skip


@pytest.mark.parametrize(("n", "least"), [(1000, 3 * 10**6), (10**5, 3 * 10**6), (10**12, 10**6)])
def test_cost_grows_linearly(benchmark, n, least):
    """The slope of log time against log draws is at most 1.15, from where the draws no longer fit a cache."""
    sizes = [least, 3 * least, 10 * least]
    samples = [drawn(n, size) for size in sizes]
    rounds = []
    benchmark.pedantic(
        lambda: rounds.append([seconds(lambda d=d: collisions(tallies(d, n))) for d in samples]),
        rounds=7, warmup_rounds=1,
    )  # fmt: skip
    times = [statistics.median(column) for column in zip(*rounds[1:], strict=True)]
    slope = np.polyfit(np.log(sizes), np.log(times), 1)[0]
    benchmark.extra_info["slope"] = slope
    print(f"\n{[f'{t:.3g} s' for t in times]} for {sizes} draws of {n}: slope {slope:.2f}")
    assert slope <= 1.15

"""Transport, against answers that are known without them."""

import itertools
import math

import numpy as np
import ot
import pytest
import torch
from laws import spread
from scipy import stats
from scipy.optimize import linear_sum_assignment

from genbench.errors import BadInput
from genbench.metrics import (
    projected_wasserstein,
    wasserstein,
    wasserstein_bracket,
)
from genbench.metrics.transport import ASSIGNED, assignment, frames, on_lines, shortening, transport


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("d", [1, 3])
def test_wasserstein_is_the_best_of_all_permutations(noise, p, d):
    x, y = noise.normal(size=(6, d)), noise.normal(size=(6, d)) + 1
    cost = np.linalg.norm(x[:, None] - y, axis=2) ** p
    best = min(cost[range(6), list(order)].mean() for order in itertools.permutations(range(6)))
    assert wasserstein(x, y, p=p).value == pytest.approx(best ** (1 / p), rel=1e-12)


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize(("n", "m", "d"), [(50, 50, 1), (80, 80, 2), (60, 60, 10), (40, 60, 3), (30, 70, 1)])
def test_wasserstein_is_pots(noise, p, n, m, d):
    x, y = noise.normal(size=(n, d)), 1.5 * noise.normal(size=(m, d)) + 0.5
    cost = np.linalg.norm(x[:, None] - y, axis=2) ** p
    assert wasserstein(x, y, p=p).value ** p == pytest.approx(ot.emd2([], [], cost), rel=1e-9)


@pytest.mark.parametrize(("n", "m", "d"), [(60, 60, 1), (30, 45, 1), (60, 60, 4), (40, 60, 3)])
def test_dual_potentials_certify_the_plan(noise, n, m, d):
    x, y = torch.tensor(noise.normal(size=(n, d))), torch.tensor(noise.normal(size=(m, d)) + 0.5)
    cost, u, v = transport(x, y)
    costs = torch.cdist(x, y)
    coarse = float(costs.max()) / 1024
    assert float((u[:, None] + v - costs).max()) <= coarse
    assert float(u.mean() + v.mean()) == pytest.approx(cost, abs=coarse)


@pytest.mark.parametrize("kind", ["plane", "line", "ties", "constant", "zero", "huge"])
def test_assignments_are_optimal_and_end(noise, kind):
    """lapjv alone, in float64, needs seconds for the first two: its duals move by the least difference of costs."""
    x, y = noise.normal(size=(150, 2)), noise.normal(size=(150, 2)) + 1
    costs = {
        "plane": np.linalg.norm(x[:, None] - y, axis=2),
        "line": np.abs(x[:, None, 0] - y[:, 0]),
        "ties": noise.integers(0, 3, (150, 150)).astype(float),
        "constant": np.ones((150, 150)),
        "zero": np.zeros((150, 150)),
        "huge": 1e12 * np.linalg.norm(x[:, None] - y, axis=2),
    }[kind]
    best = costs[linear_sum_assignment(costs)].mean()
    assert assignment(costs)[0] == pytest.approx(best, rel=1e-12)


def test_the_error_of_wasserstein_is_the_spread_over_repeats(noise):
    for p in (1, 2):
        _, sd, error = spread(
            [wasserstein(noise.normal(size=(60, 2)), noise.normal(size=(60, 2)) + 1, p=p) for _ in range(400)]
        )
        assert error == pytest.approx(sd, rel=0.12)
    with pytest.raises(BadInput, match="p=3"):
        wasserstein(noise.normal(size=(5, 2)), noise.normal(size=(5, 2)), p=3)


def gaussian_w1(shift, s, t):
    """W_1 of N(0, s^2) and N(shift, t^2): E |shift + (t - s) Z|."""
    gap = abs(s - t)
    if not gap:
        return abs(shift)
    return gap * math.sqrt(2 / math.pi) * math.exp(-(shift**2) / (2 * gap**2)) + shift * (
        1 - 2 * stats.norm.cdf(-shift / gap)
    )


LAWS = [(1, 2.0, 1.0), (2, 2.0, 1.0), (10, 2.0, 1.0), (1, 0.5, 2.0), (1, 0.0, 3.0), (2, 0.0, 1.0), (10, 0.0, 1.0)]


@pytest.mark.parametrize(
    ("d", "shift", "scale", "repeats"),
    [*((*law, 100) for law in LAWS[1::2]), *(pytest.param(*law, 1000, marks=pytest.mark.slow) for law in LAWS)],
)
def test_the_bracket_holds_the_distance_of_the_laws(noise, d, shift, scale, repeats):
    """In at least 95 % of repeats, less three binomial standard errors; at equal laws 0 is above low."""
    truth = gaussian_w1(shift, 1.0, scale)
    offset = np.eye(d)[0] * shift
    found = [
        wasserstein_bracket(noise.normal(size=(256, d)), scale * noise.normal(size=(300, d)) + offset)
        for _ in range(repeats)
    ]
    assert np.mean([e.low <= truth <= e.high for e in found]) >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / repeats)
    mean, sd, error = spread(found)
    assert error == pytest.approx(sd, rel=0.2)
    assert mean <= truth + 3 * sd / math.sqrt(repeats)
    if truth == 0:
        assert abs(mean) < 3 * sd / math.sqrt(repeats)


def test_the_bracket_compares_blocks_of_one_size_and_other_rows(noise):
    x = noise.normal(size=(160, 2))
    found = wasserstein_bracket(x, noise.normal(size=(1000, 2)), blocks=4)
    assert found.n == 160
    assert found.note == "W_N at N = 20"
    assert found.low < found.value < found.high
    with pytest.raises(BadInput, match="at least 16"):
        wasserstein_bracket(x[:15], x)
    with pytest.raises(BadInput, match="blocks=1"):
        wasserstein_bracket(x, x, blocks=1)


def test_the_bracket_does_not_mind_rows_that_come_sorted(noise):
    """Blocks of neighbours would be laws of their own, and W_N(P,P) too large."""
    x, y = noise.normal(size=(320, 1)), noise.normal(size=(320, 1))
    shuffled, in_order = wasserstein_bracket(x, y), wasserstein_bracket(np.sort(x, 0), np.sort(y, 0))
    assert in_order.high == pytest.approx(shuffled.high, abs=0.15)
    assert in_order.low <= 0 <= in_order.high


@pytest.mark.parametrize(("d", "k", "c"), [(10, 1, 0.2587), (10, 3, 0.5174), (50, 5, 0.3024), (4, 4, 1.0), (1, 1, 1.0)])
def test_how_much_a_projection_shortens(d, k, c):
    assert shortening(d, k) == pytest.approx(c, abs=5e-5)
    s = frames(d, k, 4000)
    assert torch.allclose(s.mT @ s, torch.eye(k, dtype=torch.float64).expand(4000, k, k), atol=1e-12)
    assert float(s.mean(0).abs().max()) < 5 / math.sqrt(4000 * d)  # as often one way as the other
    length = s[:, 0].norm(dim=1)
    assert float(length.mean()) == pytest.approx(c, abs=4 * float(length.std()) / math.sqrt(4000) + 1e-12)


@pytest.mark.parametrize(("n", "m"), [(40, 40), (30, 45), (7, 50), (1, 3)])
def test_the_area_between_distribution_functions(noise, n, m):
    x, y = noise.normal(size=(5, n)), 2 * noise.normal(size=(5, m)) + 0.3
    found, u, v = on_lines(torch.tensor(x), torch.tensor(y))
    expected = [stats.wasserstein_distance(a, b) for a, b in zip(x, y, strict=True)]
    assert found.numpy() == pytest.approx(np.array(expected), rel=1e-10)
    assert float(u.mean() + v.mean()) == pytest.approx(np.mean(expected), rel=1e-10)


@pytest.mark.parametrize(("k", "directions"), [(1, 2000), (3, 400)])
def test_projected_wasserstein_of_a_translation_is_its_length(noise, k, directions):
    """The rescaled bound is tight: with the same rows moved, only the directions vary."""
    x = noise.normal(size=(30, 6))
    found = projected_wasserstein(x, x + np.array([3.0, 0, 0, 0, 0, 0]), k=k, directions=directions)
    assert found.value == pytest.approx(3, rel=0.03)


@pytest.mark.parametrize(("k", "n", "m"), [(1, 50, 50), (1, 40, 60), (2, 30, 30), (2, 20, 30), (5, 30, 30)])
def test_projected_wasserstein_is_a_lower_bound_of_the_empirical_distance(noise, k, n, m):
    x, y = noise.normal(size=(n, 5)), noise.normal(size=(m, 5)) * np.array([3, 1, 1, 0.2, 1]) + 0.3
    found, above = projected_wasserstein(x, y, k=k, directions=100), wasserstein(x, y).value
    assert 0.5 * above < found.value <= above * (1 + 1e-9)
    if k == 5:  # every projection turns the rows, and keeps their distances
        assert found.value == pytest.approx(above, rel=1e-9)


def test_projected_wasserstein_on_a_line_is_wasserstein(noise):
    x, y = noise.normal(size=(40, 1)), noise.normal(size=(70, 1)) + 1
    assert projected_wasserstein(x, y).value == pytest.approx(wasserstein(x, y).value, rel=1e-12)


def test_the_error_of_projected_wasserstein_is_the_spread_over_repeats(noise):
    """Of rows: with the directions many, for they are the same in each repeat."""
    found = [
        projected_wasserstein(noise.normal(size=(150, 3)), 1.5 * noise.normal(size=(100, 3)), directions=200)
        for _ in range(200)
    ]
    _, sd, error = spread(found)
    assert error == pytest.approx(sd, rel=0.15)


def test_the_error_of_projected_wasserstein_counts_its_directions(noise, monkeypatch):
    """Nearly a point moved by length 1, seen from 40 new directions each time: they alone make the value stray."""
    x = 1e-3 * noise.normal(size=(20, 5))
    drawn = frames(5, 1, 40 * 300).split(40)
    found = []
    for s in drawn:
        monkeypatch.setattr("genbench.metrics.transport.frames", lambda d, k, count, s=s: s)
        found.append(projected_wasserstein(x, x + np.eye(5)[0], directions=40))
    mean, sd, error = spread(found)
    assert error == pytest.approx(sd, rel=0.15)
    assert mean == pytest.approx(1, abs=4 * sd / math.sqrt(300))


def test_projected_wasserstein_says_what_it_used(noise):
    x, y = noise.normal(size=(300, 2)), noise.normal(size=(280, 2))
    assert projected_wasserstein(x, y).n == 280
    assert projected_wasserstein(x, y, k=2, directions=2).n == ASSIGNED
    for bad in ({"k": 3}, {"k": 0}, {"directions": 1}):
        with pytest.raises(BadInput, match="=".join(map(str, next(iter(bad.items()))))):
            projected_wasserstein(x, y, **bad)

"""What lies side by side, against brute force, and against the same parts shuffled."""

from itertools import combinations, pairwise

import numpy as np
import pytest
import torch
from scipy.stats import norm

from genbench.errors import BadInput, NotApplicable
from genbench.evidence import Desk, Exam, Filters, Grid, Walks
from genbench.metrics import largest_step, locality, smoothness
from genbench.spaces.pixels import Pixels
from genbench.tasks.planes import ring8


def test_smoothness_is_the_ratio_of_two_mean_distances():
    noise = np.random.default_rng(0)
    rows = noise.normal(size=(4, 5, 2, 3)).cumsum(0)
    cells = {(i, j): rows[i, j].ravel() for i in range(4) for j in range(5)}
    beside = [
        np.linalg.norm(x - cells[other])
        for (i, j), x in cells.items()
        for other in ((i + 1, j), (i, j + 1))
        if other in cells
    ]
    usual = [np.linalg.norm(a - b) for a, b in combinations(cells.values(), 2)]
    found = smoothness(rows)
    assert found.value == pytest.approx(np.mean(beside) / np.mean(usual))
    assert found.error == pytest.approx(np.std(beside, ddof=1) / len(beside) ** 0.5 / np.mean(usual))
    assert found.n == 20


def test_an_even_plane_is_smooth_and_the_same_plane_shuffled_is_not():
    steps = torch.from_numpy(norm.ppf((np.arange(20) + 0.5) / 20))
    plane = torch.cartesian_prod(steps, steps)
    assert smoothness(plane.view(20, 20, 2)).value < 0.15
    shuffled = plane[torch.randperm(400)].view(20, 20, 2)
    assert smoothness(shuffled).value == pytest.approx(1, abs=0.06)
    with pytest.raises(NotApplicable, match="one row"):
        smoothness(torch.ones(3, 3, 2))
    with pytest.raises(BadInput, match="1x9 cells"):
        smoothness(plane[:9].view(1, 9, 2))


class Plane:
    """A decoder that gives the code itself."""

    def __init__(self, numbers):
        self.numbers = numbers

    def latent(self, n):
        return torch.randn(n, self.numbers) * torch.tensor([3.0, 1.0, 1.0])[: self.numbers]

    def decode(self, z):
        return z


def test_the_grid_is_at_the_quantiles_of_the_prior():
    exam = Exam(ring8(train=100, test=10), "test", Pixels())
    rows = Desk(exam, Plane(2), None, 0).get(Grid).rows
    steps = norm.ppf((np.arange(Grid.SIDE) + 0.5) / Grid.SIDE)
    assert rows.shape == (Grid.SIDE, Grid.SIDE, 2)
    np.testing.assert_allclose(rows[:, 0, 0], 3 * steps, atol=0.15)  # 20,000 draws
    np.testing.assert_allclose(rows[0, :, 1], steps, atol=0.05)
    with pytest.raises(NotApplicable, match="these have 3"):
        Desk(exam, Plane(3), None, 0).get(Grid)


def test_the_largest_step_is_of_even_ones_one_and_of_a_single_one_all():
    even = torch.arange(6.0)[None, :, None] * torch.randn(5, 1, 3)
    assert largest_step(even, torch.ones(1, 6, 3)).value == pytest.approx(1)
    at_once = (torch.arange(6.0) > 3)[None, :, None] * torch.randn(5, 1, 3)
    assert largest_step(at_once, torch.ones(1, 6, 3)).value == pytest.approx(5)
    noise = np.random.default_rng(0)
    rows = noise.normal(size=(7, 6, 2, 3)).cumsum(1)
    each = []
    for walk in rows:
        steps = [np.linalg.norm(b - a) for a, b in pairwise(walk)]
        each.append(max(steps) / np.mean(steps))
    found = largest_step(np.concatenate([rows, np.ones((3, 6, 2, 3))]), np.ones((1, 6, 2, 3)))
    assert (found.value, found.n) == (pytest.approx(np.mean(each)), 7)
    assert found.error == pytest.approx(np.std(each, ddof=1) / 7**0.5)
    with pytest.raises(NotApplicable, match="change on 1 of 4 ways"):
        largest_step(torch.cat([even[:1], torch.ones(3, 6, 3)]), torch.ones(1, 6, 3))
    with pytest.raises(BadInput, match="at least 3 steps"):
        Walks(even[:, :2], even)


def test_walks_are_straight_and_shown_along_the_numbers_that_change_most():
    exam = Exam(ring8(train=100, test=10), "test", Pixels())
    walks = Desk(exam, Plane(3), None, 0).get(Walks)
    assert walks.rows.shape == (Walks.WALKS, Walks.STEPS, 3)
    middle = (walks.rows[:, 0] + walks.rows[:, -1]) / 2
    torch.testing.assert_close((walks.rows[:, 7] + walks.rows[:, 8]) / 2, middle)
    assert walks.along.shape == (3, Walks.STEPS, 3)
    moved = walks.along[:, -1] - walks.along[:, 0]
    assert (moved.count_nonzero(1) == 1).all()
    assert int(moved[0].argmax()) == 0  # its spread is 3, of the others 1
    assert float(moved[0, 0]) == pytest.approx(2 * 3 * norm.ppf(0.95), rel=0.3)  # 400 draws


def test_locality_is_moran_s():
    noise = np.random.default_rng(0)
    filters = noise.normal(size=(7, 2, 4, 5)).cumsum(3)
    expected = []
    for w in filters - filters.mean((2, 3), keepdims=True):
        pairs = [
            w[c, i, j] * w[c, k, m]
            for c in range(2)
            for i in range(4)
            for j in range(5)
            for k, m in ((i + 1, j), (i, j + 1))
            if k < 4 and m < 5
        ]
        expected.append(np.mean(pairs) / np.mean(w**2))
    found = locality(filters)
    assert found.value == pytest.approx(np.mean(expected))
    assert found.error == pytest.approx(np.std(expected, ddof=1) / 7**0.5)


def test_strokes_are_local_and_their_pixels_shuffled_are_not():
    blobs = torch.nn.functional.avg_pool2d(torch.randn(200, 1, 20, 20, dtype=torch.float64), 5, 1)
    assert locality(blobs).value > 0.6
    shuffled = blobs.flatten(1)[:, torch.randperm(256)].view(200, 1, 16, 16)
    assert locality(shuffled).value == pytest.approx(0, abs=0.03)
    checks = ((torch.arange(8)[:, None] + torch.arange(8)) % 2).double().expand(3, 1, 8, 8)
    assert locality(checks).value == pytest.approx(-1)


def test_a_filter_without_a_pattern_is_left_out():
    w = torch.randn(5, 1, 6, 6, dtype=torch.float64)
    assert locality(torch.cat([w, torch.full((3, 1, 6, 6), 2.0)])) == locality(w)
    with pytest.raises(NotApplicable, match="1 of 4 filters"):
        locality(torch.cat([w[:1], torch.full((3, 1, 6, 6), 2.0)]))
    with pytest.raises(NotApplicable, match="no pictures"):
        Filters(torch.randn(5, 6))

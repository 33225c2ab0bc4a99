"""Lower bounds of distances between laws, against distances that are known in closed form."""

import math

import numpy as np
import pytest
import torch
from laws import spread
from scipy import stats
from sklearn.ensemble import ExtraTreesClassifier

from genbench.metrics import statistical_distance_bound, wasserstein_critic_bound
from genbench.metrics.discriminators import bernstein, critics
from genbench.metrics.transport import transport


def shifted(noise, n, d, by):
    """Standard normal rows, and as many moved by a vector of that length: W_1 is the length."""
    return noise.normal(size=(n, d)), noise.normal(size=(n, d)) + by / math.sqrt(d)


def tv_of_shift(by):
    return 2 * stats.norm.cdf(by / 2) - 1


def below(found, truth):
    """The share of lower bounds that are."""
    return np.mean([e.low <= truth for e in found])


@pytest.mark.parametrize(("d", "by"), [(1, 3), (8, 3), (2, 2)])
def test_the_statistical_distance_of_shifted_normals_is_nearly_reached(noise, d, by):
    tv = tv_of_shift(by)
    found = statistical_distance_bound(*shifted(noise, 2000, d, by))
    assert found.value == pytest.approx(tv, abs=4 * found.error)
    assert (0.8 if by == 3 else 0.75) * tv <= found.low <= tv <= found.high == 1


def test_laws_that_no_line_parts_are_told_apart_by_trees(noise):
    """Half of a ring's modes are missing: the distance is 1/2. And of two uniform laws, one on half of the other."""
    angle = np.pi / 4 * np.arange(8)
    ring = np.stack([np.cos(angle), np.sin(angle)], 1)
    real, fake = (ring[2 * noise.integers(modes, size=1500) % 8 + (modes == 8) * noise.integers(2, size=1500)]
                  for modes in (8, 4))  # fmt: skip
    real, fake = (rows + 0.05 * noise.normal(size=rows.shape) for rows in (real, fake))
    found = statistical_distance_bound(real, fake)
    assert found.value == pytest.approx(0.5, abs=4 * found.error)
    assert 0.4 < found.low <= 0.5


def test_laws_apart_are_apart_and_the_same_rows_are_not(noise):
    x = noise.normal(size=(400, 3))
    apart = statistical_distance_bound(x, x + 100)
    assert apart.value == 1
    assert apart.low == pytest.approx(2 * 0.025 ** (1 / 200) - 1)  # Clopper-Pearson for 200 of 200, twice
    assert statistical_distance_bound(np.zeros((50, 2)), np.zeros((60, 2))).value == 0


def test_unequal_counts_shift_nothing(noise):
    """The classifier takes both laws for equally likely, however many rows there are of each."""
    laws = ((noise.normal(size=(300, 1)), noise.normal(size=(30, 1)) + 1) for _ in range(60))
    mean, sd, _ = spread([statistical_distance_bound(x, y) for x, y in laws])
    assert mean == pytest.approx(tv_of_shift(1), abs=4 * sd / math.sqrt(60))


def test_equal_laws_are_not_told_apart_though_the_fitted_rows_are(noise):
    """The in-sample advantage of trees is far above 0, and so is W_1 between the samples."""
    x, y = noise.normal(size=(2, 200, 10))
    trees = ExtraTreesClassifier(100, random_state=0).fit(np.concatenate([x, y]), np.repeat([1, 0], 200))
    assert trees.predict(x).mean() - trees.predict(y).mean() == 1
    assert transport(torch.as_tensor(x), torch.as_tensor(y))[0] > 2
    found = [statistical_distance_bound(*noise.normal(size=(2, 60, 10))) for _ in range(4)]
    mean, _, error = spread(found)
    assert abs(mean) < 4 * error / math.sqrt(4)
    assert below(found, 0) >= 3 / 4
    found = [wasserstein_critic_bound(*noise.normal(size=(2, 200, 10))) for _ in range(50)]
    mean, sd, _ = spread(found)
    assert abs(mean) < 4 * sd / math.sqrt(50)
    assert below(found, 0) == 1


@pytest.mark.parametrize("d", [1, 3, 30])
def test_every_critic_is_1_lipschitz_everywhere(noise, d):
    """Far from the rows, at them, between them, and over short steps along the gradient."""
    x, y = (torch.as_tensor(rows) for rows in shifted(noise, 50, d, 2))
    y = 1.5 * y
    places = torch.cat([x, y, (x + y) / 2, 100 * x, torch.as_tensor(noise.normal(size=(200, d)))])
    apart = torch.cdist(places, places)
    for critic in critics(x, y):
        values = critic(places)
        assert ((values[:, None] - values).abs() <= apart + 1e-6).all()
        at = places.clone().requires_grad_()
        (slope,) = torch.autograd.grad(critic(at).sum(), at)
        norm = slope.norm(dim=1)
        assert (norm < 1 + 1e-6).all()
        assert float(norm.median()) == pytest.approx(1, abs=1e-6)  # and none is wasteful


def test_the_potentials_reach_the_distance_of_the_rows_they_come_from(noise):
    """On these, the dual's value is attained, which is why they must not be judged by."""
    x, y = (torch.as_tensor(rows) for rows in shifted(noise, 80, 3, 1))
    distance = transport(x, y)[0]
    *_, below, above = critics(x, y)
    for critic in (below, above):
        assert float(critic(x).mean() - critic(y).mean()) == pytest.approx(distance, rel=0.01)


@pytest.mark.parametrize(
    ("d", "by", "scale", "truth"),
    [
        (1, 2, 1, 2.0),
        (1, 0, 3, 2 * math.sqrt(2 / math.pi)),
        (30, 5, 1, 5.0),
        (10, 0, 3, 2 * math.sqrt(2) * math.gamma(5.5) / math.gamma(5)),  # 2 E|x|: the map is radial
    ],
)
def test_the_wasserstein_distance_of_normals_is_nearly_reached(noise, d, by, scale, truth):
    found = wasserstein_critic_bound(noise.normal(size=(2000, d)), scale * noise.normal(size=(2000, d)) + by / d**0.5)
    assert found.value == pytest.approx(truth, rel=0.05, abs=4 * found.error)
    assert 0.7 * truth < found.low < truth


def test_half_a_ring_is_as_far_as_its_bracket_says(noise):
    """No line and no distance from a centre tells a ring's even modes from all of them: the potentials do."""
    angle = np.pi / 4 * np.arange(8)
    ring = 2 * np.stack([np.cos(angle), np.sin(angle)], 1)
    real, fake = ring[noise.integers(8, size=2000)], ring[2 * noise.integers(4, size=2000)]
    found = wasserstein_critic_bound(real, fake)
    step = 4 * math.sin(np.pi / 8)
    assert found.value == pytest.approx(step / 2, abs=4 * found.error)  # half of the mass goes to the next mode
    assert 0.5 * step / 2 < found.low < step / 2


def test_where_the_rows_lie_does_not_matter(noise):
    """The mean is taken off first, or distances a million from the origin are known to 0.01 alone."""
    x, y = shifted(noise, 100, 2, 1)
    for metric in (wasserstein_critic_bound, statistical_distance_bound):
        assert metric(x + 1e6, y + 1e6).low == pytest.approx(metric(x, y).low, abs=1e-6)


def test_the_margin_of_bernsteins_inequality_by_hand():
    """Values 0 and 2, variance 2, range 3: sqrt(2 x 2 L / 2) + 7 x 3 L / (3 x 1), L = log 80."""
    risk = math.log(80)
    assert bernstein(torch.tensor([0.0, 2.0]), 3.0) == pytest.approx(math.sqrt(2 * risk) + 7 * risk)


@pytest.mark.slow
@pytest.mark.parametrize("by", [0, 1])
def test_statistical_distances_are_above_their_bound(noise, by):
    """At least 95 % of 1000 repeats with few rows, where a line is fitted alone, and of 20 where trees are tried.

    The value is below the distance in the mean, and its error is its spread.
    """
    few = [statistical_distance_bound(*shifted(noise, 30, 1, by)) for _ in range(1000)]
    assert below(few, tv_of_shift(by)) >= 0.95
    mean, sd, error = spread(few)
    assert mean <= tv_of_shift(by) + 4 * sd / math.sqrt(1000)
    assert error == pytest.approx(sd, rel=0.15)
    more = [statistical_distance_bound(*shifted(noise, 100, 2, by)) for _ in range(20)]
    assert below(more, tv_of_shift(by)) >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize(("d", "by", "scale"), [(1, 0, 1), (1, 1, 1), (4, 1, 1), (1, 0, 2), (4, 0, 1)])
def test_wasserstein_distances_are_above_their_bound(noise, d, by, scale):
    """At least 95 % of 1000 repeats; the value is below W_1 in the mean, and its error its spread."""
    truth = by if scale == 1 else (scale - 1) * math.sqrt(2 / math.pi)
    laws = (shifted(noise, 200, d, by) for _ in range(1000))
    found = [wasserstein_critic_bound(x, scale * y) for x, y in laws]
    assert below(found, truth) >= 0.95
    mean, sd, error = spread(found)
    assert mean <= truth + 4 * sd / math.sqrt(1000)
    assert 0.8 * sd < error < 1.2 * sd


@pytest.mark.slow
def test_heavy_tails_break_no_bound(noise):
    """Student's t with 2 degrees of freedom has no variance, which a t-interval would need; moved by 1, W_1 is 1."""
    found = [
        wasserstein_critic_bound(noise.standard_t(2, size=(100, 1)), noise.standard_t(2, size=(100, 1)) + 1)
        for _ in range(1000)
    ]
    assert below(found, 1) >= 0.95

"""Every metric against an answer that is known without it: a closed form, brute force, or the spread over repeats."""

import itertools
import math

import numpy as np
import ot
import pytest
import torch
from scipy import stats
from scipy.optimize import linear_sum_assignment
from sklearn.datasets import load_digits

from genbench.errors import BadInput, NotApplicable
from genbench.evidence import LogProbs, Symbols
from genbench.metrics import (
    accepted,
    bits_per_dim,
    copying,
    frechet,
    high_quality,
    inception_score,
    kid,
    likelihood_bound,
    log_likelihood,
    modes,
    projected_wasserstein,
    reconstruction,
    uniformity,
    wasserstein,
    wasserstein_bracket,
)
from genbench.metrics.transport import ASSIGNED, assignment, frames, on_lines, shortening, transport


@pytest.fixture
def noise():
    return np.random.default_rng(20)


def spread(estimates):
    """Mean and standard deviation of the values, and the root mean square of the errors that they claimed."""
    values = np.array([e.value for e in estimates])
    return values.mean(), values.std(ddof=1), math.sqrt(np.mean([e.error**2 for e in estimates]))


def exact_moments(noise, n, mean, covariance):
    """n rows whose own mean and covariance are those given, to rounding."""
    x = noise.normal(size=(n, len(mean)))
    x -= x.mean(0)
    white = x @ np.linalg.inv(np.linalg.cholesky(x.T @ x / (n - 1))).T
    return white @ np.linalg.cholesky(covariance).T + mean


def spd(noise, d):
    a = noise.normal(size=(d, d))
    return a @ a.T + 0.1 * np.eye(d)


# Frechet


def test_frechet_of_two_small_sets_by_hand():
    """Means (1.5, 1) and (5.5, 9); deviations .5 and 3.5 along one axis, times 100/99; nothing along the other."""
    real, fake = np.ones((100, 2)), 9 * np.ones((100, 2))
    real[:50, 0] = 2
    fake[50:, 0] = 2
    assert frechet(real, fake).value == pytest.approx(16 + 64 + 9 * 100 / 99, abs=1e-9)


@pytest.mark.parametrize("d", [1, 2, 5, 30])
def test_frechet_is_the_closed_form_of_gaussians(noise, d):
    a, b, m, k = spd(noise, d), spd(noise, d), noise.normal(size=d), noise.normal(size=d)
    values, vectors = np.linalg.eigh(a)
    root = vectors * np.sqrt(values) @ vectors.T
    bures = np.trace(a) + np.trace(b) - 2 * np.sqrt(np.linalg.eigvalsh(root @ b @ root)).sum()
    found = frechet(exact_moments(noise, 50, m, a), exact_moments(noise, 40, k, b)).value
    assert found == pytest.approx(((m - k) ** 2).sum() + bures, rel=1e-9)


def test_frechet_of_commuting_covariances(noise):
    a, b = np.array([4.0, 1.0, 9.0]), np.array([1.0, 1.0, 16.0])
    real, fake = exact_moments(noise, 30, np.zeros(3), np.diag(a)), exact_moments(noise, 60, np.ones(3), np.diag(b))
    assert frechet(real, fake).value == pytest.approx(3 + 1 + 0 + 1, rel=1e-9)


@pytest.mark.parametrize(("n", "d"), [(2, 1), (2, 5), (10, 64), (500, 8)])
def test_frechet_of_a_set_and_itself_is_nothing(noise, n, d):
    x = 100 + 10 * noise.normal(size=(n, d))
    assert 0 <= frechet(x, x).value < 1e-9
    assert 0 <= frechet(x, x[::-1].copy()).value < 1e-9


def test_frechet_of_fewer_rows_than_features(noise):
    """The trace term is the nuclear norm of the product of the centred rows."""
    x, y = noise.normal(size=(6, 20)), noise.normal(size=(9, 20)) + 1
    a, b = x - x.mean(0), y - y.mean(0)
    cross = np.linalg.svd(a @ b.T, compute_uv=False).sum() / math.sqrt(5 * 8)
    means = ((x.mean(0) - y.mean(0)) ** 2).sum()
    expected = means + (a**2).sum() / 5 + (b**2).sum() / 8 - 2 * cross
    found = frechet(x, y)
    assert found.value == pytest.approx(expected, rel=1e-12)
    assert "6 rows for 20 features" in found.note
    assert frechet(x, y[:1].repeat(5, 0)).value == pytest.approx(((x.mean(0) - y[0]) ** 2).sum() + (a**2).sum() / 5)


def test_frechet_far_from_the_origin_loses_nothing(noise):
    """Raw second moments would: torchmetrics keeps sum xx' - n mu mu'."""
    x, y = noise.normal(size=(300, 4)), noise.normal(size=(200, 4))
    assert frechet(x + 1e6, y + 1e6).value == pytest.approx(frechet(x, y).value, rel=1e-6)


@pytest.mark.parametrize(("n", "m", "d", "shift", "scale"), [(500, 400, 6, 0.5, 1.3), (300, 500, 3, 0.0, 2.0)])
def test_the_error_of_frechet_is_the_bootstraps(noise, n, m, d, shift, scale):
    x, y = noise.normal(size=(n, d)) @ spd(noise, d), scale * noise.normal(size=(m, d)) @ spd(noise, d) + shift
    again = [frechet(x[noise.integers(n, size=n)], y[noise.integers(m, size=m)]).value for _ in range(600)]
    assert frechet(x, y).error == pytest.approx(np.std(again), rel=0.1)


def test_the_error_of_frechet_is_the_spread_over_repeats(noise):
    _, sd, error = spread(
        [frechet(noise.normal(size=(300, 8)), 1.3 * noise.normal(size=(250, 8)) + 0.4) for _ in range(400)]
    )
    assert error == pytest.approx(sd, rel=0.15)


def test_the_error_of_frechet_never_flatters_where_no_covariance_is_invertible(noise):
    """Nor at equal laws, where the distance has no first order: at most twice the spread, at least it."""
    for n, m, d, shift in [(30, 40, 64, 0.3), (300, 200, 8, 0.0)]:
        _, sd, error = spread(
            [frechet(noise.normal(size=(n, d)), noise.normal(size=(m, d)) + shift) for _ in range(150)]
        )
        assert 0.9 * sd < error < 2 * sd


# Kernel distance


def brute_kid(x, y, degree=3):
    def k(a, b):
        return (a @ b / len(a) + 1) ** degree

    n, m = len(x), len(y)
    xx = sum(k(x[i], x[j]) for i, j in itertools.permutations(range(n), 2)) / (n * (n - 1))
    yy = sum(k(y[i], y[j]) for i, j in itertools.permutations(range(m), 2)) / (m * (m - 1))
    return xx + yy - 2 * sum(k(a, b) for a in x for b in y) / (n * m)


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_kid_is_the_sum_over_pairs_at_unequal_counts(noise, degree, monkeypatch):
    x, y = noise.normal(size=(13, 4)), noise.normal(size=(7, 4)) + 0.5
    monkeypatch.setattr("genbench.metrics.distance.ROWS", 5)  # more blocks than one
    assert kid(x, y, degree=degree).value == pytest.approx(brute_kid(x, y, degree), rel=1e-10)


def test_kid_is_unbiased_at_unequal_counts(noise):
    """compare_gan divides by the difference of real scores alone, and is not."""
    mean, sd, _ = spread([kid(noise.normal(size=(40, 3)), noise.normal(size=(15, 3))) for _ in range(600)])
    assert abs(mean) < 3 * sd / math.sqrt(600)


def test_kid_of_degree_one_is_the_distance_of_means(noise):
    """E: |m|^2 / d, without the bias of plugging in."""
    mean, sd, _ = spread(
        [kid(noise.normal(size=(20, 4)), noise.normal(size=(30, 4)) + 1, degree=1) for _ in range(600)]
    )
    assert mean == pytest.approx(1, abs=3 * sd / math.sqrt(600))


@pytest.mark.parametrize(("n", "m", "shift", "slack"), [(100, 60, 0.0, 0.3), (60, 150, 0.3, 0.12), (80, 80, 1.0, 0.12)])
def test_the_error_of_kid_is_the_spread_over_repeats(noise, n, m, shift, slack):
    """At equal laws the degenerate part is all there is, and the floor at it makes the error a little large."""
    _, sd, error = spread([kid(noise.normal(size=(n, 8)), noise.normal(size=(m, 8)) + shift) for _ in range(600)])
    assert 0.88 * sd < error < (1 + slack) * sd


# Inception score


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


# Likelihood


def test_log_likelihood_of_a_normal(noise):
    x = noise.normal(size=100_000)
    found = log_likelihood(stats.norm.logpdf(x), 1, 0)
    assert found.value == pytest.approx(-0.5 * math.log(2 * math.pi * math.e), abs=4 * found.error)
    assert found.error == pytest.approx(math.sqrt(0.5 / 100_000), rel=0.02)  # the variance of x^2/2 is 1/2
    assert found.n == 100_000


def test_bits_of_noise_on_levels_are_the_levels():
    """Uniform over [0, 1] has log-density 0: nothing can be saved on log2(256) = 8 bits."""
    assert bits_per_dim(np.zeros(10), 64, 256).value == 8
    assert bits_per_dim(np.full(10, 64 * math.log(2)), 64, 256).value == pytest.approx(7)
    assert bits_per_dim(np.full(10, -3 * math.log(2)), 3, 0).value == pytest.approx(1)


def test_bits_are_the_code_length_of_the_quantised_rows(noise):
    """A histogram over 16 levels, dequantised: the mean is its entropy, in bits, with all constants."""
    p = noise.dirichlet(np.ones(16))
    k = noise.choice(16, 50_000, p=p)
    found = bits_per_dim(np.log(p[k] * 16), 1, 16)  # density of (k + u) / 16
    assert found.value == pytest.approx(-(p * np.log2(p)).sum(), abs=4 * found.error)


def test_a_row_of_density_nought_is_not_dropped():
    values = [-1.0, -2.0, -math.inf, -math.inf]
    for found, sign in [
        (log_likelihood(values, 2, 0), -1),
        (likelihood_bound(values, 5), -1),
        (bits_per_dim(values, 2, 0), 1),
    ]:
        assert found.value == sign * math.inf
        assert math.isnan(found.error)
        assert found.note == "2 of 4 rows have density 0"


def test_a_density_of_a_point_is_refused():
    with pytest.raises(BadInput, match=r"\+inf"):
        log_likelihood([0.0, math.inf], 1, 0)
    with pytest.raises(BadInput, match="k=0"):
        likelihood_bound([0.0, 1.0], 0)
    with pytest.raises(BadInput, match="size=0"):
        bits_per_dim([0.0, 1.0], 0, 0)


def test_bounds_rise_to_the_likelihood_they_bound(noise):
    """x = z + noise with the prior as proposal: log p(x) is normal, and L_1 <= L_10 <= L_1000 <= log p."""
    x = noise.normal(size=400) * math.sqrt(2)
    exact = log_likelihood(LogProbs(stats.norm.logpdf(x, scale=math.sqrt(2)), 1, 0))
    found = []
    for k in (1, 10, 1000):
        weights = stats.norm.logpdf(x[:, None] - noise.normal(size=(400, k)))
        found.append(likelihood_bound(np.logaddexp.reduce(weights, axis=1) - math.log(k), k).value)
    assert found[0] < found[1] < found[2]
    assert found[2] == pytest.approx(exact.value, abs=0.01)


# Uniformity


def uniform(n):
    return np.full(n, 1 / n)


def paninski(noise, n, eps):
    """The hardest law at statistical distance eps: pairs at (1 +- 2 eps) / n, with new signs each time."""
    signs = noise.choice([-1, 1], n // 2)
    return np.stack([1 + 2 * eps * signs, 1 - 2 * eps * signs], 1).ravel() / n


def test_collisions_by_hand():
    """Counts 3, 1, 0: 3 ordered pairs twice over 12, times 3 symbols, less 1."""
    assert uniformity([0, 0, 0, 1], uniform(3)).value == pytest.approx(3 * 6 / 12 - 1)
    assert uniformity([0, 1, 2], uniform(3)).value == -1


def test_the_error_of_collisions_by_hand():
    """Counts 4, 1, 0: a2 = 12/20, a3 = 24/60, variance (2 (.6 - .36) + 4 x 3 (.4 - .36)) / 20, times 3 squared."""
    assert uniformity([0, 0, 0, 0, 1], uniform(3)).error == pytest.approx(3 * math.sqrt(0.048))


@pytest.mark.parametrize(
    ("p", "draws"), [([0.4, 0.3, 0.1, 0.1, 0.05, 0.05], 60), ([0.25] * 4, 40), ([0.75] + [0.005] * 50, 30)]
)
def test_uniformity_is_unbiased_and_its_variance_exact(noise, p, draws):
    """The formula is; the error, which puts sample power sums into it, is up to 0.3 too large at uniformity."""
    p = np.array(p)
    n, a2, a3 = len(p), (p**2).sum(), (p**3).sum()
    exact = n * math.sqrt((2 * (a2 - a2**2) + 4 * (draws - 2) * (a3 - a2**2)) / (draws * (draws - 1)))
    mean, sd, error = spread([uniformity(noise.choice(n, draws, p=p), uniform(n)) for _ in range(1200)])
    assert mean == pytest.approx(n * a2 - 1, abs=4 * sd / math.sqrt(1200))
    assert sd == pytest.approx(exact, rel=0.06)
    assert (0.9 if len(set(p)) > 1 else 1) * exact < error < (1.15 if len(set(p)) > 1 else 1.3) * exact


@pytest.mark.parametrize(("n", "draws"), [(8, 45), (100, 160), (100, 1000), (3000, 876)])
def test_uniform_samplers_pass(noise, n, draws):
    """Size at most 0.05: the upper end of 600 trials' interval, and half a percent for the fixed simulation."""
    rejected = sum(uniformity(noise.integers(n, size=draws), uniform(n)).reject for _ in range(600))
    assert rejected <= stats.binom.ppf(0.999, 600, 0.055)


@pytest.mark.parametrize("n", [8, 100, 1000, 3000])
def test_the_nearest_laws_at_eps_are_found(noise, n):
    """At 2 sqrt(n) / eps^2 draws, from Paninski's pairs; with 1 / 10 of that, hardly."""
    draws = int(2 * math.sqrt(n) / 0.25**2)

    def power(draws):
        laws = (paninski(noise, n, 0.25) for _ in range(250))
        return np.mean([uniformity(noise.choice(n, draws, p=p / p.sum()), uniform(n)).reject for p in laws])

    assert power(draws) >= 0.85
    assert power(draws // 10) <= 0.4


def test_eps_is_a_statistical_distance_not_its_double(noise):
    """The value at distance eps is 4 eps^2, and the threshold half of that: the factor of 4 between TV and L1."""
    p = paninski(noise, 10, 0.1)
    draws = np.repeat(np.arange(10), np.round(p * 1e6).astype(int))
    found = uniformity(draws, uniform(10), eps=0.1)
    assert found.value == pytest.approx(4 * 0.1**2, rel=1e-3)
    assert found.reject
    assert uniformity(draws, uniform(10), eps=0.14).reject  # 2 eps^2 = .0392
    assert not uniformity(draws, uniform(10), eps=0.15).reject  # 2 eps^2 = .045
    assert uniformity(draws, uniform(10), eps=0.15).pvalue < 0.001


def test_pvalues_are_those_of_uniform_samplers_listed_one_by_one():
    draws, n = 5, 3
    found = {}
    for sequence in itertools.product(range(n), repeat=draws):
        found.setdefault(round(uniformity(sequence, uniform(n)).value, 9), []).append(sequence)
    for value, sequences in found.items():
        exact = sum(len(same) for other, same in found.items() if other >= value) / n**draws
        assert uniformity(sequences[0], uniform(n)).pvalue == pytest.approx(exact, abs=4 * math.sqrt(0.25 / 1999))


def test_pvalues_at_their_ends():
    """A simulated one is never 0; among a million symbols, one shared birthday of 1000 is the birthday problem."""
    assert uniformity([0] * 100, uniform(8)).pvalue == 1 / 2000
    assert uniformity(range(8), uniform(8)).pvalue == 1
    none_shared = np.prod(1 - np.arange(1000) / 1e6)
    assert uniformity([0, *range(999)], uniform(10**6)).pvalue == pytest.approx(1 - none_shared, abs=1e-3)
    assert uniformity(range(1000), uniform(10**6)).pvalue == 1


def test_poisson_pvalues_join_the_simulated_ones(noise, monkeypatch):
    draws = noise.integers(1900, size=900)
    simulated = uniformity(draws, uniform(1900)).pvalue
    monkeypatch.setattr("genbench.metrics.testing.SIMULATED", 0)
    assert uniformity(draws, uniform(1900)).pvalue == pytest.approx(simulated, abs=0.05)


def test_draws_of_no_mode_are_counted_out_loud():
    found = uniformity([0, 1, -1, 2, 0, -1], uniform(3))
    assert found.n == 4
    assert "2 of 6" in found.note
    assert found.value == uniformity([0, 1, 2, 0], uniform(3)).value
    with pytest.raises(NotApplicable, match="1 of 3"):
        uniformity([-1, -1, 0], uniform(3))
    with pytest.raises(NotApplicable, match="not uniform"):
        uniformity([0, 1, 0], [0.5, 0.3, 0.2])


# Transport


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


# Coverage


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


@pytest.fixture(scope="module")
def digits():
    ink, label = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(ink))
    return ink[order] / 16, label[order]


def test_the_judge_accepts_digits_and_no_noise(digits, noise):
    x, y = digits
    train, real, spare = slice(997), x[997:1397], x[1397:]
    truth = accepted(x[train], y[train], real, spare)
    assert abs(truth.value - 1) < 3 * truth.error
    assert accepted(x[train], y[train], real, noise.random(spare.shape)).value < 0.05
    assert accepted(x[train], y[train], real, noise.permuted(spare, axis=1)).value < 0.05
    blurred = accepted(x[train], y[train], real, spare + 0.3 * noise.normal(size=spare.shape)).value
    assert 0.05 < blurred < 0.6


def test_the_error_of_the_judges_ratio_by_hand(digits, noise):
    """60 rows it was made from and 40 of noise, on both sides: each share is .6, and both add to the error."""
    x, y = digits
    rows = np.concatenate([x[:60], noise.random((40, 64))])
    found = accepted(x[:600], y[:600], rows, rows)
    one = math.sqrt(0.6 * 0.4 / 100 + 1 / 4e4) / 1.01
    assert found.value == 1
    assert found.error == pytest.approx(math.sqrt(2) * one / 0.6)


@pytest.mark.slow
def test_the_error_of_the_judges_ratio_is_the_spread_over_repeats(digits, noise):
    x, y = digits
    rows = 0.6 * x[600:] + 0.4 * noise.permuted(x[600:], axis=1)
    found = []
    for _ in range(60):
        order = noise.permutation(len(rows))
        found.append(accepted(x[:600:4], y[:600:4], rows[order[:150]], rows[order[150:250]]))
    _, sd, error = spread(found)
    assert error == pytest.approx(sd, rel=0.3)  # 60 repeats know it to 10 %, and rows recur between them


def test_the_judge_needs_labels_of_two_classes(digits):
    x, y = digits
    some = np.where(np.arange(len(y)) % 3, -1, y)  # unlabelled rows are passed over
    assert accepted(x[:900], some[:900], x[900:1200], x[1200:]).value > 0.8
    with pytest.raises(NotApplicable, match="fewer than 2"):
        accepted(x, np.full_like(y, -1), x[:5], x[:5])
    with pytest.raises(NotApplicable, match="fewer than 2"):
        accepted(x, np.where(y == 3, 3, -1), x[:5], x[:5])
    with pytest.raises(BadInput, match="one a training row"):
        accepted(x, y[:-1], x[:5], x[:5])
    with pytest.raises(NotApplicable, match="none of 5"):
        accepted(x, y, np.full((5, 64), 0.5), x[:5])


# Copying


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


# Reconstruction


def test_reconstruction_is_per_number():
    real = np.zeros((4, 2, 5))
    found = reconstruction(real, real + np.array([1.0, 1.0, 3.0, 3.0])[:, None, None])
    assert found.value == 5
    assert found.error == pytest.approx(np.std([1, 1, 9, 9], ddof=1) / 2)
    assert found.n == 4
    with pytest.raises(BadInput, match="4 rows, but 3"):
        reconstruction(real, real[:3])

"""Transport, against answers that are known without it."""

import itertools
import math

import numpy as np
import ot
import pytest
import torch
from laws import exact_moments, held, spd, spread
from scipy import stats
from scipy.linalg import sqrtm
from scipy.optimize import linear_sum_assignment

from genbench.errors import BadInput
from genbench.metrics import assignment as solvers
from genbench.metrics import wasserstein, wasserstein_bracket
from genbench.metrics.assignment import Plan, assignment, matching, network
from genbench.metrics.lines import line_costs, on_lines
from genbench.metrics.transport import planned, powers


def between(x, y, p=1):
    return np.linalg.norm(x[:, None] - y, axis=2) ** p


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("d", [1, 3, 5])
def test_wasserstein_is_the_best_of_all_permutations(noise, p, d):
    x, y = noise.normal(size=(6, d)), noise.normal(size=(6, d)) + 1
    cost = between(x, y, p)
    best = min(cost[range(6), list(order)].mean() for order in itertools.permutations(range(6)))
    assert wasserstein(x, y, p=p).value == pytest.approx(best ** (1 / p), rel=1e-12)


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize(
    ("n", "m", "d"), [(50, 50, 1), (80, 80, 2), (60, 60, 10), (60, 60, 64), (40, 60, 3), (30, 70, 1)]
)
def test_wasserstein_is_pots(noise, p, n, m, d):
    x, y = noise.normal(size=(n, d)), 1.5 * noise.normal(size=(m, d)) + 0.5
    assert wasserstein(x, y, p=p).value ** p == pytest.approx(ot.emd2([], [], between(x, y, p)), rel=1e-9)


@pytest.mark.parametrize(("n", "m"), [(40, 40), (30, 45), (7, 50), (2, 3)])
def test_wasserstein_on_a_line_is_scipys(noise, n, m):
    x, y = noise.normal(size=n), 2 * noise.normal(size=m)
    assert wasserstein(x, y).value == pytest.approx(stats.wasserstein_distance(x, y), rel=1e-12)


@pytest.mark.parametrize("d", [1, 2, 8])
def test_w2_of_equal_rows_moved_by_a_gradient_is_the_length_of_the_move(noise, d):
    """x -> A x + b with A positive is the gradient of a convex function, so optimal: Gaussians' W_2, without noise."""
    covariance, scale, shift = spd(noise, d), spd(noise, d), noise.normal(size=d)
    x = exact_moments(noise, 60, np.zeros(d), covariance)
    y = x @ scale + shift
    root = np.real(sqrtm(covariance))
    moved = scale @ covariance @ scale
    bures = np.trace(covariance + moved - 2 * np.real(sqrtm(root @ moved @ root)))
    assert wasserstein(x, y, p=2).value == pytest.approx(math.sqrt(shift @ shift + bures * 59 / 60), rel=1e-7)


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize(("d", "n"), [(1, 60), (2, 60), (4, 60), (64, 60)])
def test_equal_rows_all_moved_by_one_step_are_that_far(noise, p, d, n):
    x = noise.normal(size=(n, d))
    step = noise.normal(size=d)
    assert wasserstein(x, noise.permutation(x + step), p=p).value == pytest.approx(np.linalg.norm(step), rel=1e-12)
    assert wasserstein(x, noise.permutation(x), p=p).value == 0


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize(
    ("n", "m", "d"), [(60, 60, 1), (30, 45, 1), (60, 60, 2), (60, 60, 4), (60, 60, 40), (40, 60, 3)]
)
def test_dual_potentials_certify_the_plan(noise, p, n, m, d):
    x, y = noise.normal(size=(n, d)), noise.normal(size=(m, d)) + 0.5
    plan, costs = planned(torch.tensor(x), torch.tensor(y), p), between(x, y, p)
    assert (plan.u.numpy()[:, None] + plan.v.numpy() - costs).max() <= 1e-13 * costs.max()
    assert float(plan.u.mean() + plan.v.mean()) == pytest.approx(plan.cost, rel=1e-12)
    assert plan.gap <= 1e-12 * plan.cost
    said = wasserstein(x, y, p=p).note
    assert float(said.removeprefix("certified gap ").removesuffix(" of the value")) <= 1e-12


KINDS = ("plane", "line", "ties", "constant", "zero", "huge", "tiny", "doubled", "clusters", "far")


def hard(noise, kind, n=150):
    x, y = noise.normal(size=(n, 2)), noise.normal(size=(n, 2)) + 1
    corners = 1e5 * noise.normal(size=(5, 2))
    return {
        "plane": between(x, y),
        "line": np.abs(x[:, None, 0] - y[:, 0]),
        "ties": noise.integers(0, 3, (n, n)).astype(float),
        "constant": np.ones((n, n)),
        "zero": np.zeros((n, n)),
        "huge": 1e12 * between(x, y),
        "tiny": 1e-20 * between(x, y),
        "doubled": between(np.repeat(x[: n // 5], 5, 0), np.repeat(y[: n // 5], 5, 0)),
        "clusters": between(x + corners[noise.integers(0, 5, n)], y + corners[noise.integers(0, 5, n)]),
        "far": between(x, 100 + 0.1 * y),
    }[kind]


@pytest.mark.parametrize("solve", [assignment, network])
@pytest.mark.parametrize("kind", KINDS)
def test_plans_are_optimal_certified_and_end(noise, solve, kind):
    """lapjv alone, in float64, needs seconds for the first two: its duals move by the least difference of costs."""
    costs = hard(noise, kind)
    best = costs[linear_sum_assignment(costs)].mean()
    plan = solve(torch.tensor(costs))
    assert plan.cost == pytest.approx(best, rel=1e-12, abs=0)
    assert plan.gap <= 1e-12 * best + 1e-15 * costs.max()
    assert sorted(plan.columns.tolist()) == list(range(len(costs)))
    assert costs[range(len(costs)), plan.columns].mean() == pytest.approx(best, rel=1e-12, abs=0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_plan_of_few_rows_is_optimal_and_its_potentials_feasible(noise, kind):
    costs = hard(noise, kind)
    plan, best = matching(torch.tensor(costs)), costs[linear_sum_assignment(costs)].mean()
    assert plan.cost == pytest.approx(best, rel=1e-12, abs=0)
    assert plan.gap <= costs.max() / 1024
    assert (plan.u.numpy()[:, None] + plan.v.numpy() - costs).max() <= 1e-13 * costs.max()
    assert costs[range(len(costs)), plan.columns].mean() == pytest.approx(best, rel=1e-12, abs=0)


@pytest.mark.parametrize(("steps", "least"), [(4, 1e-3), (64, 1e-6)])
def test_the_gap_tells_how_coarse_a_plan_is(noise, monkeypatch, steps, least):
    """One round on a coarse grid is not optimal; the truth still lies within the gap that it admits."""
    monkeypatch.setattr(solvers, "STEPS", steps)
    monkeypatch.setattr(solvers, "ROUNDS", 1)
    costs = between(noise.normal(size=(100, 6)), noise.normal(size=(100, 6)))
    plan, best = assignment(torch.tensor(costs)), costs[linear_sum_assignment(costs)].mean()
    assert least * best < plan.gap
    assert plan.cost - plan.gap <= best <= plan.cost
    if steps > solvers.ROOM:
        monkeypatch.setattr(solvers, "ROUNDS", 40)
        assert assignment(torch.tensor(costs)).gap <= 1e-12 * best


def test_a_quicker_plan_is_as_near_as_asked(noise):
    x, y = noise.normal(size=(300, 20)), noise.normal(size=(300, 20))
    quick, exact = (planned(torch.tensor(x), torch.tensor(y), gap=gap) for gap in (1e-5, 1e-12))
    assert 1e-12 * exact.cost < quick.gap <= 1e-5 * quick.cost
    assert exact.gap <= 1e-12 * exact.cost
    assert quick.cost == pytest.approx(exact.cost, rel=1e-5)
    with pytest.raises(BadInput, match="gap=0"):
        wasserstein(x, y, gap=0)


def test_a_gap_is_what_no_plan_can_gain():
    assert Plan(3.0, torch.tensor([1.0, 2.0]), torch.tensor([0.5])).gap == 1.0


@pytest.mark.parametrize("p", [1, 2])
def test_distances_keep_their_digits(noise, p):
    """Products alone give a row and its copy, moved by 1e-7 and far from 0, a distance wrong in the first digit."""
    x = 1e3 + noise.normal(size=(50, 64))
    near = x[:20] + 1e-7 * noise.normal(size=(20, 64))
    y = np.concatenate([near, x[20:25], noise.normal(size=(210, 64)) + 1e3])
    assert powers(torch.tensor(x), torch.tensor(y), p).numpy() == pytest.approx(between(x, y, p), rel=1e-11, abs=0)
    crowd = np.repeat(x[:2], 30, 0) + 1e-9 * noise.normal(size=(60, 64))
    found = powers(torch.tensor(crowd), torch.tensor(crowd), p).numpy()
    assert found == pytest.approx(between(crowd, crowd, p), rel=1e-11, abs=0)


def test_pain_2_20_a_solver_that_stops_early_returns_no_plan(noise, monkeypatch):
    """POT #24: at its limit of pivots POT warns and returns what moves too little, or is not optimal."""
    x, y = noise.normal(size=(100, 2)), noise.normal(size=(100, 2)) + 1
    costs = between(x, y)
    best = costs[linear_sum_assignment(costs)].mean()
    uniform = np.full(100, 0.01)
    with pytest.warns(UserWarning, match="numItermax"):
        assert abs(ot.emd2(uniform, uniform, costs, numItermax=100) / best - 1) > 0.05
    assert wasserstein(x, y).value == pytest.approx(best, rel=1e-12)
    monkeypatch.setattr(solvers, "PIVOTS", 100)
    with pytest.raises(RuntimeError, match="no plan between 100 and 100 rows"):
        wasserstein(x, y)


@pytest.mark.parametrize(("n", "m", "d"), [(100, 100, 2), (100, 100, 8), (60, 90, 5), (60, 90, 1)])
@pytest.mark.parametrize("scale", [1e-20, 1e12])
def test_pain_2_20_the_scale_of_costs_does_not_matter(noise, n, m, d, scale):
    """GUDHI #465: POT's tolerance is absolute, so it takes any plan between near rows for optimal, and says nothing."""
    x, y = noise.normal(size=(n, d)), noise.normal(size=(m, d)) + 1
    assert wasserstein(scale * x, scale * y).value == pytest.approx(scale * wasserstein(x, y).value, rel=1e-9, abs=0)
    if scale < 1 < d:
        assert ot.emd2([], [], scale * between(x, y)) > 1.02 * scale * wasserstein(x, y).value


@pytest.mark.parametrize(("p", "d"), [(1, 2), (2, 2), (2, 1), (1, 5)])
def test_the_error_of_wasserstein_is_the_spread_over_repeats(noise, p, d):
    _, sd, error = spread(
        [wasserstein(noise.normal(size=(40, d)), noise.normal(size=(40, d)) + 1, p=p) for _ in range(200)]
    )
    assert error == pytest.approx(sd, rel=0.15)


def test_wasserstein_says_what_it_takes(noise, monkeypatch):
    x, y = noise.normal(size=(50, 2)), noise.normal(size=(60, 2))
    assert wasserstein(x, y).n == 50
    with pytest.raises(BadInput, match="p=3"):
        wasserstein(x, y, p=3)
    monkeypatch.setattr("genbench.metrics.transport.PAIRS", 2000)
    with pytest.raises(BadInput, match="50 onto 60 rows"):
        wasserstein(x, y)


@pytest.mark.slow
@pytest.mark.parametrize(("p", "d", "shift"), [(1, 2, 1.0), (2, 2, 1.0), (1, 8, 2.0)])
def test_wasserstein_is_biased_and_its_interval_holds_its_own_mean(noise, p, d, shift):
    """A translation has W = |shift|: W_N lies above it by far more than its error, but says truly how it varies."""
    found = [
        wasserstein(noise.normal(size=(60, d)), noise.normal(size=(60, d)) + shift * np.eye(d)[0], p=p)
        for _ in range(1000)
    ]
    mean, sd, _ = spread(found)
    assert 0.93 <= held(found, mean) <= 0.98
    assert mean - shift > 10 * sd / math.sqrt(1000)
    print(f"\np={p}, d={d}, N=60: W_N {mean:.3f}, W {shift}; held its mean {held(found, mean):.3f}")


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
    [*((*law, 60) for law in LAWS[3:5]), *(pytest.param(*law, 1000, marks=pytest.mark.slow) for law in LAWS)],
)
def test_the_bracket_holds_the_distance_of_the_laws(noise, d, shift, scale, repeats):
    """In at least 95 % of repeats, less three binomial standard errors; at equal laws 0 is above low."""
    truth = gaussian_w1(shift, 1.0, scale)
    offset = np.eye(d)[0] * shift
    found = [
        wasserstein_bracket(noise.normal(size=(256, d)), scale * noise.normal(size=(300, d)) + offset)
        for _ in range(repeats)
    ]
    share = np.mean([e.low <= truth <= e.high for e in found])
    assert share >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / repeats)
    mean, sd, error = spread(found)
    print(f"\nd={d}, shift={shift}, scale={scale}: held {share:.3f} of {repeats}; mean {mean:.3f}, truth {truth:.3f}")
    assert error == pytest.approx(sd, rel=0.2 if repeats == 1000 else 0.3)
    assert mean <= truth + 3 * sd / math.sqrt(repeats)
    if truth == 0:
        assert abs(mean) < 3 * sd / math.sqrt(repeats)


def test_the_bracket_compares_blocks_of_one_size_and_other_rows(noise):
    x = noise.normal(size=(160, 2))
    found = wasserstein_bracket(x, noise.normal(size=(1000, 2)))
    assert found.n == 160
    assert found.note == "W_N at N = 10"
    assert found.low < found.value < found.high
    assert wasserstein_bracket(x, x, blocks=10).note == "W_N at N = 8"
    with pytest.raises(BadInput, match="at least 16"):
        wasserstein_bracket(x[:15], x)
    with pytest.raises(BadInput, match="blocks=7"):
        wasserstein_bracket(x, x, blocks=7)


def test_the_bracket_is_its_formula(noise):
    """At 16 rows a set each piece is one row, and W_N a mean distance: by hand, in the order that is drawn."""
    x, y = noise.normal(size=(16, 3)), noise.normal(size=(16, 3)) + 4
    draw = torch.Generator().manual_seed(0)
    pieces = [rows[torch.randperm(16, generator=draw)].reshape(8, 2, 3) for rows in (x, y)]
    (x1, x2), (y1, y2) = (rows.transpose(1, 0, 2) for rows in pieces)
    far = [np.linalg.norm(a - b, axis=1) for a, b in ((x1, y1), (x1, y2), (x2, y1), (x2, y2), (x1, x2), (y1, y2))]
    pq, pp, qq = np.mean(far[:4], 0), *far[4:]
    debiased = pq - (pp + qq) / 2

    def margin(terms):
        return stats.t.ppf(1 - 0.05 / 3, 7) * terms.std(ddof=1) / math.sqrt(8)

    found = wasserstein_bracket(x, y)
    assert found.value == pytest.approx(debiased.mean())
    assert found.error == pytest.approx(debiased.std(ddof=1) / math.sqrt(8))
    assert found.low == pytest.approx(max((pq - own).mean() - margin(pq - own) for own in (pp, qq)))
    assert found.high == pytest.approx(pq.mean() + margin(pq))


def test_the_value_of_the_bracket_lies_within_it(noise):
    """From a point W_N is W_1 in the mean: half of the other law's own W_N is too much to take off."""
    x, y = np.zeros((320, 2)), 3 * noise.normal(size=(320, 2))
    found, truth = wasserstein_bracket(x, y), 3 * math.sqrt(math.pi / 2)
    assert found.low == found.value
    assert found.low <= truth <= found.high
    assert found.value == pytest.approx(truth, rel=0.15)


def test_the_bracket_does_not_mind_rows_that_come_sorted(noise):
    """Blocks of neighbours would be laws of their own, and W_N(P,P) too large."""
    x, y = noise.normal(size=(320, 1)), noise.normal(size=(320, 1))
    shuffled, in_order = wasserstein_bracket(x, y), wasserstein_bracket(np.sort(x, 0), np.sort(y, 0))
    assert in_order.high == pytest.approx(shuffled.high, abs=0.15)
    assert in_order.low <= 0 <= in_order.high


def test_what_fails_for_p_2(noise):
    """Unsquared, the upper side: a point against a fair coin. Squared, the lower: a normal law and a narrower one."""
    coin = [wasserstein(np.zeros((2, 1)), np.full((2, 1), side), p=2).value for side in (0.0, 1.0)]  # N = 1, doubled
    assert np.mean(coin) == 0.5 < wasserstein(np.zeros((2, 1)), np.array([[0.0], [1.0]]), p=2).value == math.sqrt(0.5)
    rows = torch.tensor(noise.normal(size=(4, 20_000, 8)))
    p, p2, q, q2 = rows[0], rows[1], 0.5 * rows[2], 0.5 * rows[3]
    gaps = line_costs(p, q, 2) - torch.minimum(line_costs(p, p2, 2).mean(), line_costs(q, q2, 2).mean())
    mean, error = float(gaps.mean()), float(gaps.std()) / math.sqrt(20_000)
    assert mean - 0.5**2 > 10 * error
    assert mean == pytest.approx(0.374, abs=0.02)


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize(("n", "m"), [(40, 40), (30, 45), (7, 50), (1, 3), (3, 1), (1, 1)])
def test_the_cost_on_lines_and_its_potentials(noise, p, n, m):
    x, y = noise.normal(size=(5, n)), 2 * noise.normal(size=(5, m)) + 0.3
    x[:, : n // 2] = x[:, :1]  # some rows are equal
    found, u, v = on_lines(torch.tensor(x), torch.tensor(y), p)
    costs = np.abs(x[:, :, None] - y[:, None]) ** p
    expected = [ot.emd2([], [], cost) for cost in costs]
    assert found.numpy() == pytest.approx(np.array(expected), rel=1e-10)
    assert line_costs(torch.tensor(x), torch.tensor(y), p).numpy() == pytest.approx(np.array(expected), rel=1e-10)
    assert float(u.mean() + v.mean()) == pytest.approx(np.mean(expected), rel=1e-10)
    assert (u.numpy()[:, None] + v.numpy() - costs.mean(0)).max() <= 1e-12

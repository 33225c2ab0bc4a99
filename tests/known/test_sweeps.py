"""Estimators on a grid: laws whose distances are known, the metrics of their sweeps by hand, and where bounds fail."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, optimize, stats

from baselines.distances.in_sample import classifier_in_sample, critic_in_sample
from baselines.distances.measured import bracket, classifier, critic, of_samples
from baselines.distances.shares import chernoff, exact, hoeffding, normal, share_exactly
from baselines.distances.slices import SecondSlices, by_the_first
from baselines.distances.squares import bracket_of_roots, bracket_of_squares
from baselines.testing.informed import LastSymbol
from genbench.errors import BadInput, NotApplicable
from genbench.evidence import answered
from genbench.metrics import excess, holds, null_exponent, null_value, proved, width
from genbench.metrics.lines import line_costs
from genbench.metrics.projections import shortening
from genbench.metrics.transport import bracketed
from genbench.task import Uniform
from genbench.tasks.laws import laws
from genbench.tasks.rows import PAIRS

CELLS = [[2.0, 100.0, 1.0, 0.1], [2.0, 400.0, 1.0, 0.3]]


def drawn(kind, n, epsilon, draws):
    noise = torch.Generator().manual_seed(0)
    p, q, known = PAIRS[kind](n, epsilon)
    return p(draws, noise).double(), q(draws, noise).double(), known


@pytest.mark.parametrize(
    ("kind", "epsilon"),
    [("shift", 0.7), ("scale", 1.5), ("stretch", 0.5), ("outliers", 0.2), ("mixture", 0.3), ("sphere", 1.5),
     ("cube", 0.4), ("corners", 0.3)],
)  # fmt: skip
def test_laws_of_one_number_lie_at_the_distance_that_they_state(kind, epsilon):
    """By sorting: W_1 and W_2 between 400,000 draws, within five of their standard errors, taken over 20 parts."""
    x, y, known = drawn(kind, 1, epsilon, 400_000)
    for name, p in (("W1", 1), ("W2", 2)):
        if name in known:
            parts = line_costs(x.view(20, -1), y.view(20, -1), p) ** (1 / p)
            whole = float(line_costs(x.T, y.T, p)) ** (1 / p)
            assert whole == pytest.approx(known[name], abs=5 * float(parts.std()) / 20**0.5 + 2e-3)


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("s", [0.5, 1.5])
def test_the_statistical_distance_of_two_widths_is_the_mean_of_what_one_density_has_more(n, s):
    x = drawn("scale", n, s, 400_000)[0]
    squares = x.square().sum(1)
    ratio = (squares / 2 * (1 - s**-2)).exp() / s**n  # q / p
    more = (1 - ratio).clamp(min=0)
    assert PAIRS["scale"](n, s).known["TV"] == pytest.approx(float(more.mean()), abs=5 * float(more.std()) / 632)


@pytest.mark.parametrize("kind", ["shift", "mixture", "outliers", "cube"])
def test_the_statistical_distances_of_one_number_by_quadrature(kind):
    normal, epsilon = stats.norm.pdf, 0.4
    p, q = {
        "shift": (normal, lambda x: normal(x - epsilon)),
        "mixture": (
            lambda x: (normal(x - 2) + normal(x + 2)) / 2,
            lambda x: (0.5 + epsilon) * normal(x - 2) + (0.5 - epsilon) * normal(x + 2),
        ),
        "outliers": (normal, lambda x: (1 - epsilon) * normal(x) + epsilon * stats.norm.pdf(x, scale=10)),
        "cube": (stats.uniform.pdf, lambda x: stats.uniform.pdf(x - epsilon)),
    }[kind]
    x = np.linspace(-60, 60, 1_200_001)
    exact = np.abs(p(x) - q(x)).mean() / 2 * 120
    assert PAIRS[kind](1, epsilon).known["TV"] == pytest.approx(exact, abs=1e-4)


@pytest.mark.parametrize("kind", ["scale", "stretch", "mixture", "sphere", "corners", "outliers"])
def test_in_more_numbers_a_function_that_is_1_lipschitz_gains_what_they_state(kind):
    """So W_1 is no less: the length of a row, or its first number; the bracket's upper end says that it is no more."""
    n, epsilon = 4, 0.3
    x, y, known = drawn(kind, n, epsilon, 200_000)
    f = {"mixture": lambda z: z[:, 0], "corners": lambda z: z[:, 0], "stretch": lambda z: z[:, 0].abs()}.get(
        kind, lambda z: z.norm(dim=1)
    )
    one, two = f(x), f(y)
    error = math.hypot(float(one.std()), float(two.std())) / len(x) ** 0.5
    assert abs(float(one.mean() - two.mean())) == pytest.approx(known["W1"], abs=5 * error + 1e-6)


def test_the_truth_of_a_null_is_nothing():
    trial = laws("sphere", n=(3,), epsilon=(1.5,), draws=(10,), per="draw").trials[0]
    assert trial.known == {"W1": (0.0, 0.5), "W2": (0.0, 0.5), "TV": (0.0, 1.0)}
    assert laws("paninski").trials[0].known == {}


def test_what_no_pair_has_is_refused():
    for kind, n, epsilon in (("mixture", 2, 0.6), ("corners", 2, 0.6), ("mode", 1, 0.2), ("shift", 0, 1.0)):
        with pytest.raises(BadInput):
            laws(kind, n=(n,), epsilon=(epsilon,), per="draw", draws=(9,))


def said(null, far):
    """Each (repeats, cells) of value, with bounds 1 to either side."""
    return [np.stack([np.array(v), np.array(v) - 1, np.array(v) + 1], 2) for v in (null, far)]


def test_the_metrics_of_a_sweep_by_hand():
    made = (*said([[0.0, 0.5], [2.0, 0.5]], [[2.0, 3.0], [4.0, 5.0]]), CELLS, [[0.0, 2.0], [0.0, 4.0]])
    found = holds(*made)
    assert (found.value, found.low, found.high, found.n) == (6 / 8, 0.5, 1.0, 8)
    assert found.pvalue == pytest.approx(4 * (1 - 0.95**2))  # 1 of 2 held: the chance of no more is 1 - 0.95^2
    assert excess(*made).value == pytest.approx(np.mean([0, 1, -0.25, 0.25]))
    assert proved(*made).value == pytest.approx(np.mean([0.5, 0, 0.5, 1]))  # a low of 3 proves nothing of 2
    assert width(*made).value == pytest.approx(np.mean([1, 1, 0.5, 0.5]))
    assert null_value(*made).value == pytest.approx(0.75)
    assert excess(*made).error == pytest.approx(math.hypot(2**0.5 / 2 / 2**0.5, 2**0.5 / 4 / 2**0.5) / 2)


def test_a_lower_bound_below_nothing_leaves_no_more_open():
    made = (*said([[0.0, 0.0]] * 2, [[0.5, 0.5]] * 2), CELLS, [[0.0, 1.0]] * 2)
    assert width(*made).value == 1.5  # from 0, not from -0.5


def test_what_was_not_said_is_not_scored():
    values = np.zeros((3, 2))
    none = np.stack([values, values - np.inf, values + np.inf], 2)
    known = [[0.0, 1.0]] * 2
    for metric in (holds, proved, width):
        with pytest.raises(NotApplicable, match="no bounds"):
            metric(none, none, CELLS, known)
    for metric in (holds, excess):
        with pytest.raises(NotApplicable, match="truth is not known"):
            metric(*said(values, values), CELLS)
    with pytest.raises(NotApplicable, match="not above 0"):
        excess(*said(values, values), CELLS, [[0.0, 0.0]] * 2)
    with pytest.raises(NotApplicable, match="bounds to both sides"):
        width(none := np.stack([values, values - 1, values + np.inf], 2), none, CELLS, known)


def test_the_exponent_of_a_law_that_is_known():
    """3 N^(-1/4) in four numbers and 5 N^(-1/7) in seven: both -1."""
    cells = [[n, draws, 1.0, 0.1] for n in (4.0, 7.0) for draws in (50.0, 100.0, 400.0)]
    values = np.array([[(3 if n == 4 else 5) * draws ** (-1 / n) for n, draws, *_ in cells]] * 2)
    assert null_exponent(*said(values, values), cells).value == pytest.approx(-1)
    with pytest.raises(NotApplicable, match="several draws"):
        null_exponent(*said(values[:, ::3], values[:, ::3]), cells[::3])
    with pytest.raises(NotApplicable, match="above 0"):
        null_exponent(*said(-values, values), cells)


def test_a_shared_null_is_asked_once():
    trials = laws("shift", n=(2,), epsilon=(1.0,), draws=(5,), per="draw", nulls=3, repeats=2).trials
    asked = []
    null, far, cells = answered(trials * 2, lambda x, y: asked.append(1) or float(len(asked)))
    assert len(asked) == 3 + 2 + 2
    assert torch.equal(null[:, 0], null[:, 1])
    assert (null.shape, far.shape, cells.shape) == ((3, 2), (2, 2), (2, 4))


def test_symbols_are_declined():
    with pytest.raises(NotImplementedError, match="two sets of rows"):
        bracket(None).estimate(torch.zeros(20, dtype=torch.long), Uniform(5, 0.1))


# Duality


def plan(costs, p, q):
    """The least cost of moving p to q, by linear programming: rows sum to p, columns to q."""
    n, m = costs.shape
    rows, columns = np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))
    return optimize.linprog(costs.ravel(), A_eq=np.vstack([rows, columns]), b_eq=np.concatenate([p, q]))


def witness(apart, p, q):
    """The largest E_p f - E_q f of functions on the same points with f_i - f_j <= |i - j|."""
    n = len(apart)
    i, j = np.nonzero(~np.eye(n, dtype=bool))
    steps = np.eye(n)[i] - np.eye(n)[j]
    return optimize.linprog(q - p, A_ub=steps, b_ub=apart[i, j], bounds=[(0, None)] + [(None, None)] * (n - 1))


@pytest.mark.parametrize("seed", range(4))
def test_two_linear_programs_agree(seed):
    """Kantorovich and Rubinstein, on 12 points of the plane; along the plan the function falls as fast as it may."""
    noise = np.random.default_rng(seed)
    points, p, q = noise.normal(size=(12, 2)), *noise.dirichlet(np.ones(12), 2)
    apart = np.linalg.norm(points[:, None] - points, axis=2)
    primal, dual = plan(apart, p, q), witness(apart, p, q)
    assert primal.fun == pytest.approx(-dual.fun, abs=1e-8)
    i, j = np.nonzero(primal.x.reshape(12, 12) > 1e-9)
    assert dual.x[i] - dual.x[j] == pytest.approx(apart[i, j], abs=1e-7)
    assert (np.abs(dual.x[:, None] - dual.x) <= apart + 1e-9).all()


def test_both_programs_are_what_the_core_computes():
    noise = np.random.default_rng(0)
    x, y = noise.normal(size=(8, 3)), noise.normal(size=(8, 3)) + 0.5
    points = np.concatenate([x, y])
    apart = np.linalg.norm(points[:, None] - points, axis=2)
    p, q = np.repeat([1 / 8, 0], 8), np.repeat([0, 1 / 8], 8)
    found = of_samples(None).estimate(torch.tensor(x), torch.tensor(y)).value
    assert found == pytest.approx(plan(apart, p, q).fun, abs=1e-9)
    assert found == pytest.approx(-witness(apart, p, q).fun, abs=1e-9)


def test_squared_costs_have_no_such_dual():
    """The counter-example: of the points 0, 1 and 2 the Lipschitz program with |x - y|^2 gives 2, not W_2^2 = 4."""
    points = np.arange(3.0)
    squares = (points[:, None] - points) ** 2
    p, q = np.array([1.0, 0, 0]), np.array([0, 0, 1.0])
    assert plan(squares, p, q).fun == pytest.approx(4)
    assert -witness(squares, p, q).fun == pytest.approx(2)


# The bracket, and what fails for p = 2


def order_statistics(size):
    """The mean square of the expected order statistics of N(0, 1)."""
    m = [
        integrate.quad(lambda z, i=i: z * size * stats.binom.pmf(i, size - 1, stats.norm.cdf(z)) * stats.norm.pdf(z),
                       -9, 9)[0]
        for i in range(size)
    ]  # fmt: skip
    return np.square(m).mean()


@pytest.mark.parametrize(("size", "s", "printed"), [(1, 0.5, 0.75), (8, 0.5, 0.375), (4, 0.8, None)])
def test_the_lower_end_of_squares_is_too_high_by_its_closed_form(size, s, printed):
    """(1 - s)^2 + 2 s (1 - s) (1 - a_N), before margins; 0.75 and 0.375 where W_2^2 is 0.25."""
    exact = (1 - s) ** 2 + 2 * s * (1 - s) * (1 - order_statistics(size))
    assert printed is None or exact == pytest.approx(printed, abs=1e-3)
    x, y, known = drawn("stretch", 1, s, 2 * size * 4000)
    assert known["W2"] == pytest.approx(1 - s)
    terms = {}
    for name, other in (("both", y), ("first", x), ("second", y)):
        mine = y if name == "second" else x
        a, b = mine[: size * 4000].view(4000, size), other[size * 4000 :].view(4000, size)
        terms[name] = line_costs(a, b, 2)
    gap = terms["both"] - torch.minimum(terms["first"].mean(), terms["second"].mean())
    assert float(gap.mean()) == pytest.approx(exact, abs=5 * math.sqrt(2 * float(terms["both"].var()) / 4000))


def share(entrant, kind, n, epsilon, draws, repeats=20, **options):
    """How often an entrant's bounds hold what is known."""
    task = laws(kind, n=(n,), epsilon=(epsilon,), draws=(draws,), per="draw", nulls=2, repeats=repeats)
    model, noise = entrant(None, **options), torch.Generator().manual_seed(1)
    known = task.trials[0].known[model.of][1]
    made = [model.estimate(*task.trials[0].alternative(noise)) for _ in range(repeats)]
    return np.mean([e.low <= known <= e.high for e in made])


def test_squares_fail_below_and_roots_above_where_the_first_power_holds():
    few = {"blocks": 50, "repeats": 6}
    assert share(bracket_of_squares, "stretch", 1, 0.5, 800, **few) < 0.4
    assert share(bracket, "stretch", 1, 0.5, 800, **few) > 0.6
    assert share(bracket_of_roots, "corners", 1, 0.5, 200, **few) < 0.4
    assert share(bracket, "corners", 1, 0.5, 200, **few) > 0.6


@pytest.mark.parametrize(("kind", "epsilon"), [("shift", 2.0), ("sphere", 1.5), ("mixture", 0.3), ("corners", 0.25)])
@pytest.mark.parametrize("n", [2, 32])
def test_the_bracket_holds_the_truth(kind, epsilon, n):
    assert share(bracket, kind, n, epsilon, 256) >= 0.8  # 20 repeats at 0.95: below once in 40,000


def test_a_classifier_proves_what_is_there():
    assert share(classifier, "shift", 2, 2.0, 400) >= 0.8


def test_a_core_of_any_sort_is_bracketed_alike():
    x, y = torch.randn(64, 2).double(), torch.randn(64, 2).double() + 1
    e = bracketed(x, y, 8, lambda a, b: float((a.mean(0) - b.mean(0)).norm()))
    assert e.low <= e.value <= e.high


# The chance of one symbol


@pytest.mark.parametrize("kind", ["uniform", "graded", "atom", "zipf", "support", "last", "retry"])
def test_the_first_symbol_comes_as_often_as_is_known(kind):
    trial = laws(kind, n=(8,), epsilon=(0.25,), draws=(200_000,), per="draw").trials[0]
    x, _ = trial.alternative(torch.Generator().manual_seed(0))
    (null, far), share = trial.known["p(0)"], float((x == 0).double().mean())
    assert null == 1 / 8
    assert share == pytest.approx(far, abs=5 * math.sqrt(far * (1 - far) / len(x)))
    assert laws("paninski").trials[0].known == laws("missing").trials[0].known == {}


@pytest.mark.parametrize("p", [0.5, 0.05, 0.003])
@pytest.mark.parametrize("interval", [hoeffding, chernoff, exact])
def test_intervals_hold_the_chance_in_at_least_95_percent(interval, p):
    """Summed over the binomial law, nothing drawn; the counter-example is the normal one, where a symbol is rare."""
    for draws in (20, 300, 2000):
        chance = stats.binom.pmf(np.arange(draws + 1), draws, p)

        def held(of, draws=draws, chance=chance):
            ends = [of(hits, draws) for hits in range(draws + 1)]
            return sum(c for c, (low, high) in zip(chance, ends, strict=True) if low <= p <= high)

        assert held(interval) >= 0.95 - 1e-12
        if draws * p < 1:
            assert held(normal) < 0.7


def test_they_are_as_wide_as_theory_says():
    """Half a width of epsilon at T = log(2 / risk) / (2 epsilon^2), and of epsilon p at 3 log(2 / risk) / (p eps^2)."""
    draws = round(math.log(40) / (2 * 0.01**2))
    low, high = hoeffding(draws // 2, draws)
    assert (high - low) / 2 == pytest.approx(0.01, rel=1e-3)
    p, epsilon = 0.01, 0.1
    draws = round(3 * math.log(40) / (p * epsilon**2))
    low, high = chernoff(round(p * draws), draws)
    assert (high - low) / 2 == pytest.approx(epsilon * p, rel=0.01)
    assert exact(0, 50) == (0.0, pytest.approx(1 - 0.025 ** (1 / 50)))
    assert exact(50, 50)[1] == 1.0


def test_a_law_that_draws_again_is_told_by_who_looks_for_it():
    """The test that knows the symbol: power less size is at most 1 - (1 - 1/N)^T, 0.095 at T = N / 10."""
    n, draws = 50, 5
    test, uniform = LastSymbol(None, symbol=0), Uniform(n, 1 / n)
    unseen = test.pvalue(torch.arange(1, 6), uniform)
    assert unseen == pytest.approx((1 - 1 / n) ** draws)
    assert test.pvalue(torch.arange(5), uniform) == 1.0
    advantage = (1 - 1 / n**2) ** draws - (1 - 1 / n) ** draws
    assert 0 < advantage <= 1 - (1 - 1 / n) ** draws
    assert LastSymbol(None).pvalue(torch.tensor([n - 1]), uniform) == 1.0


def test_rows_are_declined_by_who_counts():
    with pytest.raises(NotImplementedError, match="no rows"):
        share_exactly(None).estimate(torch.zeros(5, 2), torch.zeros(5, 2))


def test_in_sample_bounds_are_none_where_held_out_ones_hold():
    """250 rows of 8 numbers of two widths: what a fit finds in its own rows is more than there is."""
    x, y, known = drawn("scale", 8, 1.5, 250)
    for inside, held in ((classifier_in_sample, classifier), (critic_in_sample, critic)):
        assert inside(None).estimate(x, y).low > known[inside(None).of] >= held(None).estimate(x, y).low
    assert critic_in_sample(None).estimate(x, y).value == pytest.approx(of_samples(None).estimate(x, y).value, rel=0.01)


@pytest.mark.parametrize("n", [4, 40])
def test_slices_of_a_translation_by_the_right_factor_and_by_the_wrong(n):
    """Of squares a line keeps 1/n in the mean, of lengths c: sqrt(n) is W_2, 1/c is above it. (H14 has it reversed.)"""
    x = torch.zeros(2, n, dtype=torch.float64)
    y = x + 3 / n**0.5
    right, wrong = (slices(None).estimate(x, y).value for slices in (SecondSlices, by_the_first))
    assert right == pytest.approx(3, rel=0.06)
    assert wrong / right == pytest.approx(1 / (shortening(n, 1) * n**0.5))
    assert wrong > 3.2

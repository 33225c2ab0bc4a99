"""What is said of tests, against answers known without simulating them; and laws at the distance that they state."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from scipy import stats

from baselines.testing.collisions import Birthday, collision_l1, collision_l2
from baselines.testing.informed import LastSymbol
from baselines.testing.symbols import Pearson, chi_square, null, paninski, plugin_entropy, plugin_kl, singles, squares
from genbench.errors import BadInput, NotApplicable
from genbench.metrics import calibration, draws_exponent, pairs_exponent, power, size
from genbench.metrics.testing import collision_law, counts_law, window
from genbench.metrics.trials import collision_power
from genbench.stats import crossings
from genbench.task import Uniform
from genbench.tasks.laws import laws

SYMMETRIC = {"collision-l1": collision_l1, "chi-square": chi_square, "paninski": paninski, "kl": plugin_kl,
             "entropy": plugin_entropy, "birthday": Birthday}  # fmt: skip
CELL = [[100.0, 160.0, 0.25, 1e-3]]


def one(kind, n, epsilon, draws, **options):
    (trial,) = laws(kind, n=(n,), epsilon=(epsilon,), draws=(draws,), per="draw", **options).trials
    return trial


def every_outcome(n, draws):
    """All equally likely sequences of draws."""
    return (torch.tensor(x) for x in product(range(n), repeat=draws))


@pytest.mark.parametrize("name", SYMMETRIC)
@pytest.mark.parametrize(("n", "draws"), [(3, 5), (5, 4)])
def test_the_size_is_exact_by_enumeration(name, n, draws):
    """P(p <= p0) = p0 at every p0 that comes: the p-value is the chance of its own tail."""
    test = SYMMETRIC[name](None)
    p = np.array([test.pvalue(x, Uniform(n, 0.01)) for x in every_outcome(n, draws)])
    for attained in np.unique(p.round(9)):
        if attained < 0.99:
            assert (p <= attained + 1e-8).mean() == pytest.approx(attained, abs=1e-7)


def test_the_last_symbol_by_enumeration():
    p = np.array([LastSymbol(None).pvalue(x, Uniform(4, 0.25)) for x in every_outcome(4, 3)])
    assert (p < 1).mean() == pytest.approx((3 / 4) ** 3)
    assert p.min() == pytest.approx((3 / 4) ** 3)


def test_textbooks_are_eager_where_counts_are_sparse():
    """The counter-example: mean 8 pairs, of which chi-squared tables reject at 13 or more, Poisson's chance 0.064."""
    n, draws = 100_000, 1266
    low, _, _ = window(draws, n)
    law = collision_law(draws, n)
    pairs = low + np.arange(len(law))
    x2 = n / draws * (2 * pairs + draws) - draws
    exact = law[stats.chi2.sf(x2, n - 1) <= 0.05].sum()
    assert exact == pytest.approx(stats.poisson.sf(12, draws * (draws - 1) / 2 / n), rel=0.02)
    assert exact > 0.06
    x = torch.cat([torch.arange(draws - 13), torch.arange(13)])
    assert Pearson(None).pvalue(x, Uniform(n, 0.25)) < 0.05 < chi_square(None).pvalue(x, Uniform(n, 0.25))


def test_counts_law_of_two_kinds_of_symbols_is_the_sum_over_sequences():
    """Symbols of the chances .4, .4, .1, .1: three draws."""
    p = [0.4, 0.4, 0.1, 0.1]
    exact = np.zeros(4)
    for x in product(range(4), repeat=3):
        c = np.bincount(x, minlength=4)
        exact[(c * (c - 1) // 2).sum()] += math.prod(p[i] for i in x)
    found = counts_law(lambda c: c * (c - 1) // 2, 3, ((2, 0.4), (2, 0.1)), 0, 8)
    assert found[:4] == pytest.approx(exact, abs=1e-9)


def test_null_laws_are_of_their_statistics():
    """Means of X^2 and of K_1 under uniformity: N - 1 and T (1 - 1/N)^(T-1)."""
    n, draws = 50, 40
    for score, mean in ((squares, draws + draws * (draws - 1) / n), (singles, -draws * (1 - 1 / n) ** (draws - 1))):
        _, low, tail = null(score, draws, n)
        assert low + tail[1:].sum() == pytest.approx(mean, abs=1e-6)


@pytest.mark.parametrize(("n", "draws", "epsilon"), [(6, 4, 0.3), (4, 5, 0.5)])
def test_the_power_of_collisions_by_enumeration(n, draws, epsilon):
    test = collision_l1(None)
    chance = [(1 + 2 * epsilon) / n, (1 - 2 * epsilon) / n] * (n // 2)
    for level in (0.05, 0.3):
        exact = sum(
            math.prod(chance[i] for i in x.tolist())
            for x in every_outcome(n, draws)
            if test.pvalue(x, Uniform(n, epsilon)) <= level
        )
        assert collision_power(n, draws, epsilon, level) == pytest.approx(exact, abs=1e-7)


@pytest.mark.parametrize("kind", ["paninski", "graded", "atom", "zipf", "support", "missing", "last", "retry"])
def test_laws_lie_at_the_distance_that_they_state(kind):
    """Within 5 standard errors, bias of the empirical distance included."""
    trial = one(kind, 8, 0.25, 200_000)
    x, y = trial.alternative(torch.Generator().manual_seed(0))
    p = np.bincount(x, minlength=8) / len(x)
    assert y == Uniform(8, trial.epsilon)
    assert np.abs(p - 1 / 8).sum() / 2 == pytest.approx(trial.epsilon, abs=5 * math.sqrt(8 / len(x)) / 2)
    known = {"missing": 1 / 8, "last": 1 / 8, "retry": 1 / 8 - 1 / 64}
    assert trial.epsilon == pytest.approx(known.get(kind, 0.25))


def test_signs_are_drawn_anew():
    trial = one("paninski", 8, 0.5, 2000)
    noise = torch.Generator().manual_seed(0)
    seen = {tuple(sorted(set(trial.alternative(noise)[0].tolist()))) for _ in range(40)}
    assert len(seen) > 8
    assert all(len(symbols) == 4 for symbols in seen)


def test_what_no_law_has_is_refused():
    for options, why in (
        ({"kind": "paninski", "n": (7,)}, "even n"),
        ({"kind": "paninski", "epsilon": (0.6,)}, "at most 1/2"),
        ({"kind": "graded", "epsilon": (0.4,)}, "at most about 1/4"),
        ({"draws": (0.0,)}, "above 0"),
    ):
        with pytest.raises(BadInput, match=why):
            laws(**options)


@pytest.mark.parametrize("name", SYMMETRIC)
def test_nothing_is_found_below_order_n(name):
    """power - size <= TV(U_N^T, U_{N-1}^T) = 1 - (1 - 1/N)^T, infinitely far in KL; and it is 0.1 at T = N / 10."""
    n, draws = 20, 2
    test, against = SYMMETRIC[name](None), Uniform(n, 1 / n)
    p = {x: test.pvalue(torch.tensor(x), against) for x in product(range(n), repeat=draws)}
    far = [value for x, value in p.items() if n - 1 not in x]
    bound = 1 - (1 - 1 / n) ** draws
    for level in set(p.values()):
        gain = np.mean(np.array(far) <= level) - np.mean(np.array(list(p.values())) <= level)
        assert gain <= bound + 1e-12


def test_who_knows_the_symbol_attains_the_bound():
    """Where it did not come: power 1 at a size of (1 - 1/N)^T, so 1 - (1 - 1/N)^T is attained, and is no mere bound."""
    n, draws = 5, 4
    p = {x: LastSymbol(None).pvalue(torch.tensor(x), Uniform(n, 1 / n)) for x in product(range(n), repeat=draws)}
    far = [value for x, value in p.items() if n - 1 not in x]
    assert np.mean(np.array(far) < 1) - np.mean(np.array(list(p.values())) < 1) == pytest.approx(1 - (4 / 5) ** 4)


def test_size_power_and_calibration_by_hand():
    quiet = np.tile(np.arange(1, 101)[:, None] / 100, (1, 1))
    assert size(quiet, quiet, CELL).value == pytest.approx(0.05)
    assert not size(quiet, quiet, CELL).reject
    assert power(quiet, quiet**2, CELL).value == pytest.approx(0.22)  # p^2 <= .05 up to .2236
    assert calibration(quiet, quiet, CELL).value == pytest.approx(0, abs=1e-12)
    eager = size(quiet**2, quiet, CELL)
    assert (eager.value, eager.reject) == (pytest.approx(0.22), True)
    assert eager.pvalue == pytest.approx(stats.binom.sf(21, 100, 0.05))
    assert calibration(quiet**2, quiet, CELL).value == pytest.approx(0.25)  # sqrt(u) - u is largest at 1/4
    coarse = np.where(np.arange(100)[:, None] < 3, 0.03, 1.0)
    assert "discrete: in 1 of 1 cells no p-value came between 0.04 and 0.05" in size(coarse, coarse, CELL).note
    assert size(quiet, quiet, CELL).note == ""


def test_sizes_of_cells_are_not_averaged_away(noise):
    """One bad cell of four is named by the p-value, whatever the mean."""
    p = noise.uniform(size=(2000, 4))
    p[:, 2] **= 1.6
    assert size(p, p, CELL * 4).reject


def test_crossings_and_exponents_of_a_curve_that_is_known():
    """Power Phi(T eps^2 / sqrt(n) - 1): it is 2/3 at T = (1 + .4307) sqrt(n) / eps^2, whatever n and epsilon."""
    cells, reached = [], []
    for n, epsilon in product((100.0, 10_000.0), (0.1, 0.25)):
        for many in np.geomspace(0.5, 4, 40):
            cells.append((n, many * math.sqrt(n) / epsilon**2, epsilon, 1.0))
            reached.append(float(stats.norm.cdf(many - 1)))
    found = crossings([cell[:3] for cell in cells], reached, 2 / 3)
    for (n, epsilon), draws in found.items():
        assert draws == pytest.approx((1 + stats.norm.ppf(2 / 3)) * math.sqrt(n) / epsilon**2, rel=1e-3)
    quantiles = (np.arange(20_000)[:, None] + 0.5) / 20_000 <= np.array(reached)
    p = np.where(quantiles, 0.01, 0.5)
    assert draws_exponent(p, p, cells).value == pytest.approx(1, abs=1e-3)
    with pytest.raises(NotApplicable, match="takes 3"):
        draws_exponent(p[:, :40], p[:, :40], cells[:40])


def test_collisions_take_the_root_of_n():
    """The exact curve at finite n lies near the law of large ones; and a simulation near it."""
    grid = laws("paninski", n=(100, 1000, 10_000), epsilon=(0.25, 0.5), draws=(0.5, 0.7, 1.0, 1.4)).trials
    cells = [(t.n, t.draws, t.epsilon, 1.0) for t in grid]
    test, noise = collision_l1(None), torch.Generator().manual_seed(0)
    far = [[test.pvalue(*t.alternative(noise)) for t in grid] for _ in range(150)]
    exact, found = pairs_exponent(far, far, cells).value, draws_exponent(far, far, cells).value
    assert exact == pytest.approx(1, abs=0.06)
    assert found == pytest.approx(exact, abs=0.1)


def test_an_atom_is_far_in_l2_and_pairs_are_not():
    """The same statistical distance; the L2 distance is the mass of the atom, and 2 epsilon / sqrt(N)."""
    noise, test = torch.Generator().manual_seed(0), collision_l2(None)
    for n in (1000, 100_000):
        atom, pairs = one("atom", n, 0.4, 30), one("paninski", n, 0.4, 3000)
        assert np.mean([test.pvalue(*atom.alternative(noise)) <= 0.05 for _ in range(100)]) > 0.9
        assert np.mean([test.pvalue(*pairs.alternative(noise)) <= 0.05 for _ in range(100)]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", SYMMETRIC)
@pytest.mark.parametrize(("n", "epsilon"), [*product((100, 1000, 10_000, 100_000), (0.25, 0.5))])
def test_the_size_is_at_most_the_level(name, n, epsilon):
    """10,000 null repeats, one-sided binomial; 48 tests at 1 in 5000 each."""
    trial = laws("uniform", n=(n,), epsilon=(epsilon,), draws=(1.0,)).trials[0]
    test, noise = SYMMETRIC[name](None), torch.Generator().manual_seed(n)
    hits = sum(test.pvalue(*trial.null(noise)) <= 0.05 for _ in range(10_000))
    assert stats.binom.sf(hits - 1, 10_000, 0.05) > 1 / 5000

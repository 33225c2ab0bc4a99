"""Two-sample tests: their distances against brute force and closed forms, their p-values against what they must be."""

import itertools

import numpy as np
import pytest
import torch
from scipy import stats

from baselines.testing.c2st import C2ST
from baselines.testing.collisions import collision_l1
from baselines.testing.hotelling import Hotelling
from baselines.testing.permutation import Permutation, energy, mmd, pooled, sliced, wasserstein
from genbench.tasks.laws import laws

DISTANCES = {"mmd": mmd, "energy": energy, "wasserstein": wasserstein, "sliced": sliced}


def pair(n=6, m=6, d=2):
    return torch.randn(n, d), torch.randn(m, d) + 0.5


def labels(n, m):
    return (torch.arange(n + m) < n)[None]


@pytest.mark.parametrize(("n", "m"), [(6, 6), (5, 8)])
def test_the_distances_of_kernels_by_their_definitions(n, m):
    x, y = pair(n, m)
    rows = pooled(x, y)
    apart = torch.cdist(rows, rows)
    xx, yy, xy = apart[:n, :n], apart[n:, n:], apart[:n, n:]
    assert float(energy(rows, labels(n, m))) == pytest.approx(float(2 * xy.mean() - xx.mean() - yy.mean()))
    width = apart[apart > 0].square().median()
    xx, yy, xy = (torch.exp(-part.square() / width) for part in (xx, yy, xy))
    assert float(mmd(rows, labels(n, m))) == pytest.approx(float(xx.mean() + yy.mean() - 2 * xy.mean()))


def test_wasserstein_is_the_least_over_all_matchings():
    x, y = pair(5, 5)
    apart = torch.cdist(x.double(), y.double())
    least = min(sum(float(apart[i, j]) for i, j in enumerate(order)) for order in itertools.permutations(range(5)))
    assert float(wasserstein(pooled(x, y), labels(5, 5))) == pytest.approx(least / 5)
    with pytest.raises(NotImplementedError, match="one size"):
        wasserstein(pooled(x, y[:3]), labels(5, 3))


def test_slices_of_a_line_are_the_distance_on_it():
    x, y = pair(7, 4, 1)
    exact = stats.wasserstein_distance(x[:, 0], y[:, 0])
    assert float(sliced(pooled(x, y), labels(7, 4))) == pytest.approx(exact)


@pytest.mark.parametrize("name", DISTANCES)
def test_labels_that_mean_nothing_give_every_rank_alike(name):
    """All 20 labellings of 6 rows shown as the true one in turn: at most a share p of them has a p-value of p."""
    rows, distances = torch.randn(6, 2), DISTANCES[name]
    torch.manual_seed(0)
    every = [list(chosen) for chosen in itertools.combinations(range(6), 3)]
    masks = torch.stack([torch.isin(torch.arange(6), torch.tensor(chosen)) for chosen in every])
    torch.manual_seed(1)
    found = distances(rows.double(), masks)
    p = (found[None] >= found[:, None] - 1e-12).double().mean(1)
    for level in p.unique():
        assert float((p <= level).double().mean()) <= float(level) + 1e-12


@pytest.mark.parametrize("name", DISTANCES)
def test_a_plain_difference_has_the_least_p(name):
    x, y = torch.randn(20, 3), torch.randn(20, 3) + 4
    assert Permutation(None, distances=DISTANCES[name], permutations=99).pvalue(x, y) == pytest.approx(0.01)


@pytest.mark.parametrize("name", DISTANCES)
def test_equal_sets_have_the_largest(name):
    x = torch.randn(10, 3)
    assert Permutation(None, distances=DISTANCES[name]).pvalue(x, x) > 0.9


def test_hotelling_of_one_number_is_students():
    x, y = pair(9, 14, 1)
    assert Hotelling(None).pvalue(x, y) == pytest.approx(stats.ttest_ind(x[:, 0], y[:, 0]).pvalue, rel=1e-5)


def test_hotelling_does_not_depend_on_the_axes():
    x, y = pair(12, 15, 3)
    turn = torch.randn(3, 3)
    assert Hotelling(None).pvalue(x @ turn + 1, y @ turn + 1) == pytest.approx(Hotelling(None).pvalue(x, y), rel=1e-3)
    with pytest.raises(NotImplementedError, match="no inverse"):
        Hotelling(None).pvalue(torch.randn(3, 9), torch.randn(3, 9))


def test_hotelling_is_exact_for_normal_rows():
    x, y = torch.randn(2, 3000, 8, 2)
    p = [Hotelling(None).pvalue(a, b) for a, b in zip(x, y, strict=True)]
    assert stats.kstest(p, "uniform").pvalue > 1e-4


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9])
def test_a_classifier_that_is_blind_is_right_as_often_as_a_coin_and_no_more_widely(share):
    """Bin(h, q) + Bin(h, 1 - q) against Bin(2h, 1/2), which the p-value is of: in the tail never more."""
    h = 12
    law = np.convolve(stats.binom.pmf(np.arange(h + 1), h, share), stats.binom.pmf(np.arange(h + 1), h, 1 - share))
    tail, coin = law[::-1].cumsum()[::-1], stats.binom.sf(np.arange(2 * h + 1) - 1, 2 * h, 0.5)
    assert (tail[h + 1 :] <= coin[h + 1 :] + 1e-12).all()


def test_a_classifier_that_sees_is_right_throughout():
    """Sets far apart: all 2 h held rows right, by a coin at 2^-2h."""
    assert C2ST(None).pvalue(torch.randn(20, 2), torch.randn(31, 2) + 50) == pytest.approx(0.5**20)


def test_symbols_and_rows_are_not_confused():
    noise = torch.Generator().manual_seed(0)
    symbols, rows = (laws(kind, n=(2,), draws=(9.0,), per="draw").trials[0].null(noise) for kind in ("atom", "shift"))
    for test, shown in ((Hotelling(None), symbols), (C2ST(None), symbols), (collision_l1(None), rows)):
        with pytest.raises(NotImplementedError, match="a test of"):
            test.pvalue(*shown)


@pytest.mark.parametrize(
    ("kind", "epsilon", "mean", "variance"),
    [("shift", 0.6, 0.6 / 2**0.5, 1), ("scale", 1.5, 0, 2.25), ("outliers", 0.1, 0, 0.9 + 0.1 * 100)],
)
def test_laws_of_rows_have_the_moments_that_they_state(kind, epsilon, mean, variance):
    (trial,) = laws(kind, n=(2,), epsilon=(epsilon,), draws=(100_000.0,), per="draw").trials
    x, y = trial.alternative(torch.Generator().manual_seed(0))
    assert x.mean(0).tolist() == pytest.approx([0, 0], abs=0.02)
    assert x.var(0).tolist() == pytest.approx([1, 1], rel=0.02)
    assert y.mean(0).tolist() == pytest.approx([mean] * 2, abs=0.06)
    assert y.var(0).tolist() == pytest.approx([variance] * 2, rel=0.05)


def test_one_of_four_modes_is_lost():
    (trial,) = laws("mode", n=(2,), epsilon=(0.25,), draws=(4000.0,), per="draw").trials
    x, y = trial.alternative(torch.Generator().manual_seed(0))
    corners = 4 * torch.tensor([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
    shares = [torch.bincount(torch.cdist(rows, corners).argmin(1), minlength=4) / 4000 for rows in (x, y)]
    assert shares[0].tolist() == pytest.approx([0.25] * 4, abs=0.04)
    assert shares[1].tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0], abs=0.04)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*DISTANCES, "c2st", "hotelling"])
@pytest.mark.parametrize("d", [2, 30])
def test_the_size_is_at_most_the_level(name, d):
    """1000 null repeats, one-sided binomial; 12 tests at 1 in 1000 each."""
    known = {"c2st": C2ST(None), "hotelling": Hotelling(None)}
    test = known.get(name) or Permutation(None, distances=DISTANCES[name])
    hits = sum(test.pvalue(torch.randn(25, d), torch.randn(25, d)) <= 0.05 for _ in range(1000))
    assert stats.binom.sf(hits - 1, 1000, 0.05) > 1 / 1000

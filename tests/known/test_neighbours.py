"""Nearest neighbours, against answers that are known without them."""

import contextlib
import io
import math

import numpy as np
import pytest
import torch
from laws import spread
from prdc import compute_prdc
from scipy import stats
from torch_fidelity.metric_prc import prc_features_to_metric

from genbench.errors import BadInput
from genbench.evidence import Features
from genbench.metrics import copying, coverage, density, precision, recall

ALL = [precision, recall, density, coverage]


def values(x, y, k=5):
    e = Features(x, y)
    return [metric(e, k=k).value for metric in ALL]


def squared(a, b):
    """A row of a at a time, by differences."""
    return np.stack([((row - b) ** 2).sum(1) for row in a])


def brute(x, y, k=5):
    def radii(rows):
        others = squared(rows, rows)
        np.fill_diagonal(others, np.inf)
        return np.sort(others, 1)[:, k - 1] * (1 + 1e-12)

    between = squared(x, y)
    in_real, in_fake = between <= radii(x)[:, None], between <= radii(y)
    return [in_real.any(0).mean(), in_fake.any(1).mean(), in_real.sum() / (k * len(y)), in_real.any(1).mean()]


def peers(x, y, k=5):
    with contextlib.redirect_stdout(io.StringIO()):
        found = compute_prdc(x, y, k)
    return [found[metric.name] for metric in ALL]


def hard_cases(noise):
    x, bits = noise.normal(size=(40, 3)), noise.integers(0, 2, (300, 8)).astype(float)
    tight = np.concatenate([1e-6 * noise.normal(size=(60, 3)), 10 + 1e-6 * noise.normal(size=(60, 3))])
    return {
        "few": (x[:6], x[6:14]),
        "bits": (bits[:150], bits[150:]),
        "copies": (x, x),
        "twice": (x.repeat(3, 0), x.repeat(2, 0)),
        "points": (x[:10].repeat(7, 0), x[:10].repeat(6, 0)),
        "constant": (np.ones((30, 3)), np.ones((20, 3))),
        "far": (x + 1e6, x[::-1] + 1e6 + 0.1),
        "tight": (tight, tight + 1e-7 * noise.normal(size=tight.shape)),
        "outlier": (np.concatenate([x, np.full((1, 3), 1e9)]), x + 0.1),
        "collapsed": (noise.normal(size=(80, 50)), 1e-3 * noise.normal(size=(70, 50))),
    }


@pytest.mark.parametrize(("n", "m", "d", "k"), [(20, 30, 3, 5), (50, 20, 1, 3), (12, 40, 40, 11), (7, 9, 2, 1)])
def test_who_lies_in_whose_ball_one_by_one(noise, n, m, d, k):
    x, y = noise.normal(size=(n, d)), noise.normal(size=(m, d)) + 0.3
    assert values(x, y, k) == pytest.approx(brute(x, y, k), rel=1e-12)


@pytest.mark.parametrize("coarse", [False, True], ids=["float64", "float32"])
@pytest.mark.parametrize("case", hard_cases(np.random.default_rng(0)))
def test_ties_and_near_ties_are_settled_whatever_the_products_are_rounded_to(noise, case, coarse, monkeypatch):
    if coarse:
        monkeypatch.setattr("genbench.metrics.pairwise.MANY", 1)
        monkeypatch.setattr("genbench.metrics.pairwise.WIDE", 1)
    monkeypatch.setattr("genbench.metrics.pairwise.SIDE", 32)
    x, y = hard_cases(noise)[case]
    assert values(x, y) == pytest.approx(brute(x, y), rel=1e-12)


def test_balls_of_large_sets_in_float32_are_those_of_float64(noise):
    x, y = noise.normal(size=(1000, 256)), noise.normal(size=(1100, 256)) + 0.05
    assert values(x, y) == pytest.approx(brute(x, y), rel=1e-12)


def test_recall_is_precision_with_the_sets_exchanged(noise):
    x, y = noise.normal(size=(80, 4)), noise.normal(size=(60, 4)) * 1.5
    assert recall(x, y).value == precision(y, x).value


@pytest.mark.parametrize(("n", "m", "k"), [(60, 60, 5), (40, 90, 5), (90, 40, 3)])
def test_density_and_coverage_at_equal_laws_are_the_counts_of_exchangeable_rows(noise, n, m, k):
    """Of any law: the k nearest of n + m - 1 others are all real; m k / n fakes are nearer than the k-th real one."""
    found = [Features(noise.standard_exponential((n, 2)), noise.standard_exponential((m, 2))) for _ in range(120)]
    missed = math.prod((n - i) / (n + m - i) for i in range(1, k + 1))
    for metric, truth in ((density, 1), (coverage, 1 - missed)):
        mean, sd, _ = spread([metric(e, k=k) for e in found])
        assert mean == pytest.approx(truth, abs=3 * sd / math.sqrt(120))


@pytest.mark.parametrize(("n", "m"), [(80, 80), (50, 120)])
def test_prdcs_counts_are_ours(noise, n, m):
    x, y = noise.normal(size=(n, 6)), 0.8 * noise.normal(size=(m, 6)) + 0.2
    assert values(x, y) == pytest.approx(peers(x, y), rel=1e-12)


def test_pain_2_16_what_is_asked_alone_is_made_alone(noise, monkeypatch):
    """prdc takes the distances among fakes though density and coverage do without them; ours takes no pair in vain,
    and gives what it gives along with all others."""
    from genbench.evidence import Features
    from genbench.metrics import kernels, kid, pairwise

    met, met_by = [], pairwise.tiles
    monkeypatch.setattr(pairwise, "tiles", lambda x, y: met.append((len(x.near), len(y.near))) or met_by(x, y))
    x, y = noise.normal(size=(1010, 256)), noise.normal(size=(1000, 256)) + 0.01
    e = Features(x, y)
    everything = {metric.name: metric(e) for metric in ALL}
    monkeypatch.setattr(kernels.Kernel, "begin", None)  # which would ride along
    for metric in ALL:
        met.clear()
        assert metric(x, y) == everything[metric.name]
        assert met == [(1000, 1000) if metric.name == "recall" else (1010, 1010), (1010, 1000)]
    with pytest.raises(TypeError):
        kid(x, y)


def test_torch_fidelitys_precision_and_recall_are_ours(noise):
    x, y = noise.normal(size=(50, 6)), 0.8 * noise.normal(size=(120, 6)) + 0.2
    options = {"prc_neighborhood": 5, "prc_batch_size": 64, "save_cpu_ram": True, "verbose": False}
    theirs = prc_features_to_metric(torch.tensor(y), torch.tensor(x), **options)
    assert values(x, y)[:2] == pytest.approx([theirs["precision"], theirs["recall"]], rel=1e-6)


def test_copies_of_repeated_rows_are_precise_and_cover_where_prdcs_open_balls_hold_rounding_alone(noise):
    x = noise.normal(size=(20, 3)).repeat(6, 0)
    assert values(x, x) == [1, 1, 6 / 5, 1]
    assert max(peers(x, x)) < 0.5


def test_as_few_rows_as_have_a_k_th_neighbour_are_enough_where_prdc_fails(noise):
    x, y = noise.normal(size=(6, 2)), noise.normal(size=(8, 2))
    assert values(x, y) == pytest.approx(brute(x, y))
    with pytest.raises(ValueError, match="out of bounds"):
        peers(x, y)
    for metric in ALL:
        with pytest.raises(BadInput, match=r"real has 6 rows; at least 7 are needed for k=6$"):
            metric(x, y, k=6)
        with pytest.raises(BadInput, match=r"fake has 1 row; at least 6 are needed for k=5$"):
            metric(x, y[:1])
        with pytest.raises(BadInput, match="k=0"):
            metric(x, y, k=0)


def test_what_the_balls_are_blind_to(noise):
    """Bad fakes are precise in one outlier's ball and cover no less, wide noise recalls all, collapse is dense."""
    x, y = noise.normal(size=(200, 20)), noise.normal(size=(200, 20))
    bad = y + 30
    assert precision(x, bad).value == 0
    assert precision(np.concatenate([x, [[60] * 20]]), bad).value == 1
    assert recall(x, 1000 * y).value > 0.95
    assert density(x, 0.01 * y).value > 10 > 2 > density(x, y).value
    assert coverage(x, np.concatenate([y, bad])).value == coverage(x, y).value


LAWS = [(100, 100, 2, 0.0, 1.0), (100, 100, 64, 0.0, 1.0), (60, 240, 8, 0.5, 1.0), (240, 60, 8, 0.5, 1.0),
        (200, 200, 8, 1.5, 1.0), (150, 150, 4, 0.0, 0.6)]  # fmt: skip


@pytest.mark.parametrize(
    ("n", "m", "d", "shift", "scale", "repeats"),
    [(*LAWS[0], 150), *(pytest.param(*law, 400, marks=pytest.mark.slow) for law in LAWS)],
)
def test_the_error_of_balls_is_the_spread_over_repeats(noise, n, m, d, shift, scale, repeats):
    """To a fifth, give or take 3 deviations of what so many repeats tell; half a row is too much for a share near 1."""
    along = shift * np.eye(d)[0]
    found = [Features(noise.normal(size=(n, d)), scale * noise.normal(size=(m, d)) + along) for _ in range(repeats)]
    slack = 1.2 * (1 + 3 / math.sqrt(2 * repeats))
    for metric in ALL:
        mean, sd, error = spread([metric(e) for e in found])
        print(metric.name, round(mean, 3), round(sd, 4), round(error / sd, 2))
        assert error > sd / slack, metric.name
        assert error < sd * slack or (mean > 0.99 and metric is not density), metric.name


def test_the_error_of_balls_counts_the_balls_and_not_the_judged_rows_alone(noise):
    """With few real rows and many fakes, the balls make precision stray far more than a share of so many fakes does."""
    found = [precision(noise.normal(size=(30, 2)), noise.normal(size=(500, 2)) + 1.5) for _ in range(80)]
    mean, sd, error = spread(found)
    print(mean, sd, error, math.sqrt(mean * (1 - mean) / 500))
    assert sd > 3 * math.sqrt(mean * (1 - mean) / 500)
    assert error == pytest.approx(sd, rel=0.25)


@pytest.mark.parametrize("coarse", [False, True], ids=["float64", "float32"])
def test_copying_is_mann_whitney(noise, coarse, monkeypatch):
    if coarse:
        monkeypatch.setattr("genbench.metrics.pairwise.MANY", 1)
        monkeypatch.setattr("genbench.metrics.pairwise.WIDE", 1)
    monkeypatch.setattr("genbench.metrics.pairwise.SIDE", 16)
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

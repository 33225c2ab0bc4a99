"""The Frechet distances, against answers that are known without them, and against peers where these are right."""

import math
import warnings

import numpy as np
import pytest
import torch
from laws import exact_moments, held, spd, spread
from scipy.linalg import sqrtm
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torchmetrics.image.fid import FrechetInceptionDistance

from genbench.errors import BadInput, NotApplicable
from genbench.evidence import Features
from genbench.metrics import Moments, Streamed, frechet, frechet_debiased, frechet_from_moments, gaussian
from genbench.metrics.moments import Blocks, total
from genbench.spaces.pixels import Pixels


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


def test_the_error_in_float32_is_that_in_float64(noise, monkeypatch):
    """Much work is done in float32: far from the origin, and with variances over four decades."""
    scale = np.logspace(0, -2, 20)
    x, y = 1e3 + noise.normal(size=(400, 20)) * scale, 1e3 + noise.normal(size=(300, 20)) @ spd(noise, 20) * scale
    exact = frechet(x, y)
    monkeypatch.setattr(gaussian, "MUCH", 0)
    assert frechet(x, y).value == exact.value
    assert frechet(x, y).error == pytest.approx(exact.error, rel=1e-3)
    assert frechet(x, y).error != exact.error


def test_the_covariances_and_the_rows_say_the_same(noise):
    """The eigenvalues of healthy covariances, and singular values of the rows: two ways to one value and error."""
    x, y = noise.normal(size=(200, 12)) @ spd(noise, 12), noise.normal(size=(150, 12))
    x, y = (torch.tensor(rows - rows.mean(0)) for rows in (x, y))
    nowhere = torch.zeros(12, dtype=torch.float64)
    covariances = gaussian.by_covariances(Features(x, y), nowhere, nowhere)
    for quick, slow in zip(covariances, gaussian.by_rows(x, y), strict=True):
        assert quick.numpy() == pytest.approx(slow.numpy(), rel=1e-9)


def test_directions_without_variance_cost_no_digits(noise):
    """Eigenvalues of S_p S_q would be off by 1e-8 a direction: they are seen to be, and the rows are asked."""
    x, y = noise.normal(size=(300, 40)), noise.normal(size=(200, 40))
    x[:, 10:20], y[:, 10:30] = 3, 5
    alive = [*range(10), *range(30, 40)]
    one_sided = x[:, 20:30].var(0, ddof=1).sum() + ((x[:, 10:30].mean(0) - 5) ** 2).sum()
    assert frechet(x, y).value == pytest.approx(frechet(x[:, alive], y[:, alive]).value + one_sided, rel=1e-12)


@pytest.mark.parametrize("d", [1, 3, 40])
def test_frechet_from_moments_is_the_closed_form(noise, d):
    a, b, m, k = spd(noise, d), spd(noise, d), noise.normal(size=d), noise.normal(size=d)
    expected = ((m - k) ** 2).sum() + np.trace(a + b) - 2 * np.trace(sqrtm(a @ b)).real
    assert frechet_from_moments(m, a, k, b) == pytest.approx(expected, rel=1e-7)
    assert frechet_from_moments(m, a, m, a) < 1e-10 * np.trace(a)
    assert frechet_from_moments(m, a, k, 0 * b) == pytest.approx(((m - k) ** 2).sum() + np.trace(a), rel=1e-12)


def test_what_are_no_moments_is_refused(noise):
    a, m = spd(noise, 3), np.zeros(3)
    skew = a + np.triu(np.ones((3, 3)), 1)
    for bad, why in [(skew, "symmetric"), (a - 100 * np.eye(3), "eigenvalue"), (a[:2], "shape"), (np.inf * a, "inf")]:
        with pytest.raises(BadInput, match=why):
            frechet_from_moments(m, a, m, bad)
    with pytest.raises(BadInput, match="NaN"):
        frechet_from_moments(m, a, m + np.nan, a)
    with pytest.raises(BadInput, match="at least 2"):
        _ = Moments.of(np.ones((1, 3))).covariance


def test_moments_add_up_and_come_off_far_from_the_origin(noise):
    x = 1e6 + noise.normal(size=(70, 5))
    whole, parts = Moments.of(x), [Moments.of(rows) for rows in np.split(x, [1, 8, 40])]
    for made in (total(parts), whole + parts[0] - parts[0]):
        assert made.n == 70
        assert made.mean.numpy() == pytest.approx(x.mean(0), rel=1e-14)
        assert made.covariance.numpy() == pytest.approx(np.cov(x.T), rel=1e-8, abs=1e-8)
    assert (whole - parts[2]).covariance.numpy() == pytest.approx(np.cov(np.delete(x, range(8, 40), 0).T), abs=1e-8)


def test_pain_2_15_a_million_rows_are_streamed_in_the_memory_of_a_few(noise):
    """What is held is 16 means and scatters and less than 4096 rows, and a million rows give their own moments."""

    def held_by(blocks):
        return sum(b.mean.numel() + b.scatter.numel() for b in blocks.dealt) + sum(w.numel() for w in blocks.waiting)

    x, streamed, peak = noise.normal(size=(10_000, 4)) @ spd(noise, 4), Blocks(), 0
    for turn in range(100):
        streamed.update(torch.tensor(x + turn))
        peak = max(peak, held_by(streamed))
    assert streamed.rows == 1_000_000
    assert peak <= 16 * (4 + 4**2) + 4096 * 4
    found = total(streamed.blocks())
    between = np.var(np.arange(100)) * np.ones((4, 4))
    assert found.mean.numpy() == pytest.approx(x.mean(0) + 49.5, rel=1e-12)
    assert found.scatter.numpy() / 1e6 == pytest.approx(np.cov(x.T, ddof=0) + between, rel=1e-10)


def test_streams_add_up(noise):
    x = torch.tensor(noise.normal(size=(9000, 3)))
    both = Blocks().update(x[:5000]) + Blocks().update(x[5000:])
    assert both.rows == 9000
    assert total(both.blocks()).scatter.numpy() == pytest.approx(Moments.of(x).scatter.numpy(), rel=1e-10)


def images(noise):
    return noise.random(size=(5000, 1, 2, 3)), noise.random(size=(600, 1, 2, 3)) ** 2


@pytest.mark.parametrize("names", [("frechet", "frechet_debiased"), ("frechet", "frechet_debiased", "kid")])
def test_pain_2_4_the_size_of_the_batches_does_not_matter(noise, names):
    real, fake = images(noise)

    def streamed(size):
        metric = Streamed(*names, space=Pixels())
        for start in range(0, 5000, size):
            metric.update(real=real[start : start + size], fake=fake[start : start + size] if start < 600 else None)
        return metric.compute()

    whole = streamed(5000)
    assert whole["frechet"].value == pytest.approx(frechet(real, fake).value, rel=1e-10)
    assert whole["frechet_debiased"] == frechet_debiased(real, fake)
    for size in (7, 64):
        for name, found in streamed(size).items():
            assert found.value == pytest.approx(whole[name].value, rel=1e-10)
            assert found.error == pytest.approx(whole[name].error, rel=1e-10)


def test_streamed_keeps_the_real_side_and_looks_at_any_time(noise):
    real, fake = images(noise)
    metric = Streamed("frechet")
    metric.update(real=real, fake=fake[:300])
    metric.compute()
    metric.update(fake=fake[300:])
    assert metric.compute()["frechet"].value == pytest.approx(frechet(real, fake).value, rel=1e-10)
    metric.reset(real=False)
    with pytest.raises(BadInput, match="no fake rows"):
        metric.compute()
    metric.update(fake=real[:900])
    assert metric.compute()["frechet"].value == pytest.approx(frechet(real, real[:900]).value, rel=1e-10)


def test_streamed_owns_its_rows_and_sees_logits(noise, digits):
    ink = torch.tensor(digits[0][:100]).view(-1, 1, 8, 8)
    metric, buffer = Streamed("inception_score", "kid", space="digits"), ink.clone()
    metric.update(real=ink, fake=buffer)
    buffer.zero_()
    assert 5 < metric.compute()["inception_score"].value <= 10
    assert metric.compute()["kid"].value < 0
    alone = Streamed("inception_score", space="digits")
    alone.update(fake=ink)
    assert alone.compute()["inception_score"] == metric.compute()["inception_score"]


def test_what_does_not_stream_is_refused(noise):
    for names, why in [(("frechett",), "did you mean 'frechet'"), (("modes",), "stream"), ((), "name a metric")]:
        with pytest.raises(BadInput, match=why):
            Streamed(*names)
    metric = Streamed("frechet")
    metric.update(real=np.ones((4, 3)))
    for rows, why in [(np.ones((4, 2)), "2 features"), (np.full((4, 3), np.nan), "NaN"), (np.ones(4), "shape")]:
        with pytest.raises(BadInput, match=why):
            metric.update(fake=rows)
    metric.update(fake=np.ones((2, 3)))
    with pytest.raises(BadInput, match="at least 3"):
        metric.compute()


def test_the_jackknifes_error_is_the_influences(noise):
    ratios = []
    for _ in range(20):
        x, y = noise.normal(size=(800, 5)) @ spd(noise, 5), noise.normal(size=(700, 5)) + 0.5
        metric = Streamed("frechet")
        metric.update(real=x, fake=y)
        ratios.append(metric.compute()["frechet"].error / frechet(x, y).error)
    assert np.mean(np.square(ratios)) == pytest.approx(1, abs=0.2)


def both_laws(noise, d, kind, equal):
    """Drawers of two laws of d numbers, and their Frechet distance by their moments."""
    a = noise.normal(size=(d, d)) / math.sqrt(d) + np.eye(d)
    b, shift = (a, 0.0) if equal else (0.8 * a + 0.3 * np.eye(d), 0.1)
    draw = {
        "normal": lambda n: noise.normal(size=(n, d)),
        "exponential": lambda n: noise.exponential(size=(n, d)) - 1,
        "mixture": lambda n: 1.2 * noise.choice([-1, 1], size=(n, d)) + 0.5 * noise.normal(size=(n, d)),
    }[kind]
    variance = 1.2**2 + 0.5**2 if kind == "mixture" else 1.0
    truth = frechet_from_moments(np.zeros(d), variance * a @ a.T, np.full(d, shift), variance * b @ b.T)
    return lambda n: draw(n) @ a.T, lambda n: draw(n) @ b.T + shift, truth


@pytest.mark.parametrize(("kind", "equal"), [("normal", True), ("exponential", False), ("mixture", False)])
def test_frechet_debiased_is_right_on_average(noise, kind, equal):
    """At unequal n, where `frechet` is off by many standard errors of this mean."""
    real, fake, truth = both_laws(noise, 8, kind, equal)
    pairs = [(real(300), fake(150)) for _ in range(40)]
    mean, sd, error = spread([frechet_debiased(*pair) for pair in pairs])
    assert abs(mean - truth) < 3 * sd / math.sqrt(40)
    assert spread([frechet(*pair) for pair in pairs])[0] - truth > 8 * sd / math.sqrt(40)
    assert 0.8 * sd < error < 1.8 * sd


def test_frechet_debiased_of_too_few_rows_is_refused(noise):
    with pytest.raises(NotApplicable, match="20 rows for 20 features"):
        frechet_debiased(noise.normal(size=(200, 20)), noise.normal(size=(20, 20)))


def test_pain_2_8_numbers_of_different_n_compare_once_debiased(noise):
    x, y = noise.normal(size=(4000, 20)), 1.2 * noise.normal(size=(4000, 20))
    few, many = ((metric(x[:200], y[:200]), metric(x, y)) for metric in (frechet, frechet_debiased))
    assert few[0].value > 1.8 * few[1].value
    assert abs(many[0].value - many[1].value) < 2 * many[0].error


def torch_fidelity(x, y):
    (found,) = fid_statistics_to_metric(*(fid_features_to_statistics(torch.tensor(r)) for r in (x, y)), False).values()
    return found


def torchmetrics(x, y):
    seen = torch.nn.Identity()
    seen.num_features = x.shape[1]
    metric = FrechetInceptionDistance(feature=seen)
    metric.update(torch.tensor(x), real=True)
    metric.update(torch.tensor(y), real=False)
    return float(metric.compute())


@pytest.mark.parametrize(("n", "m", "d"), [(400, 300, 3), (300, 500, 64)])
def test_frechet_is_that_of_the_peers(noise, n, m, d):
    x, y = noise.normal(size=(n, d)) @ spd(noise, d), noise.normal(size=(m, d)) + 1
    assert frechet(x, y).value == pytest.approx(torch_fidelity(x, y), rel=1e-9)
    assert frechet(x, y).value == pytest.approx(torchmetrics(x, y), rel=1e-9)


def test_pain_2_1_fewer_rows_than_features_need_no_imaginary_numbers(noise):
    """The same rows in 4 and in 400 dimensions: turning and padding changes no distance. The peers' eigenvalues
    of a product of singular covariances are off."""
    x, y = noise.normal(size=(30, 4)), noise.normal(size=(20, 4)) + 1
    turn = np.linalg.qr(noise.normal(size=(400, 400)))[0][:4]
    right = frechet(x, y).value
    assert frechet(x @ turn, y @ turn).value == pytest.approx(right, rel=1e-12)
    assert abs(torch_fidelity(x @ turn, y @ turn) - right) > 1e-7
    assert abs(torchmetrics(x @ turn, y @ turn) - right) > 1e-7


def test_pain_2_2_collapsed_fakes_have_a_distance(noise):
    x = noise.normal(size=(50, 6)).astype(np.float32)
    expected = ((x.astype(float).mean(0) - 2) ** 2).sum() + x.astype(float).var(0, ddof=1).sum()
    for rows in (2, 50):
        assert frechet(x, np.full((rows, 6), 2, np.float32)).value == pytest.approx(expected, rel=1e-12)


def test_pain_2_3_never_below_zero(noise):
    """torch-fidelity's may be, by rounding, for a set and itself."""
    sets = [noise.normal(size=(100, 30)) @ spd(noise, 30) for _ in range(20)]
    assert min(frechet(x, x[::-1].copy()).value for x in sets) >= 0
    assert min(torch_fidelity(x, x[::-1].copy()) for x in sets) < 0


def test_pain_2_6_one_row_is_refused_in_words(noise):
    x = noise.normal(size=(10, 3))
    with pytest.raises(BadInput, match="real has 1 row; at least 2"):
        frechet(x[:1], x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(np.linalg.LinAlgError):
            torch_fidelity(x[:1], x)


def test_pain_2_10_every_distance_has_its_error(noise):
    x, y = noise.normal(size=(200, 3)), noise.normal(size=(200, 3))
    assert min(frechet(x, y).error, frechet_debiased(x, y).error) > 0


def test_pain_1d_4_far_from_the_origin_torchmetrics_loses_its_digits(noise):
    x, y = noise.normal(size=(300, 4)), 1.5 * noise.normal(size=(200, 4))
    right = frechet(x, y).value
    assert frechet(x + 1e7, y + 1e7).value == pytest.approx(right, rel=1e-6)
    streamed = Streamed("frechet")
    streamed.update(real=x + 1e7, fake=y + 1e7)
    assert streamed.compute()["frechet"].value == pytest.approx(right, rel=1e-6)
    assert not abs(torchmetrics(x + 1e7, y + 1e7) - right) < 1e-2 * right


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["normal", "exponential"])
@pytest.mark.parametrize("equal", [True, False])
def test_the_interval_of_frechet_debiased_holds_the_truth(noise, kind, equal):
    """1,000 repeats at n = 1000, m = 800, d = 16. At equal laws, where the distance has no first order, the error is
    sqrt(2) times the spread."""
    real, fake, truth = both_laws(noise, 16, kind, equal)
    found = [frechet_debiased(real(1000), fake(800)) for _ in range(1000)]
    share, (mean, sd, error) = held(found, truth), spread(found)
    print(f"\n{kind}, {equal=}: held {share:.3f}, bias {mean - truth:+.4f} of {truth:.4f}, {sd=:.4f}, {error=:.4f}")
    assert 0.93 <= share <= (1 if equal else 0.98)
    assert error == pytest.approx((math.sqrt(2) if equal else 1.1) * sd, rel=0.1)
    assert abs(mean - truth) < max(3 * sd / math.sqrt(1000), 0.1 * sd)


@pytest.mark.slow
def test_the_interval_of_frechet_holds_its_own_mean(noise):
    """Knowingly biased: by 1,000 repeats at n = m = 1000, d = 16, it holds the mean of F at this n."""
    real, fake, truth = both_laws(noise, 16, "normal", False)
    found = [frechet(real(1000), fake(1000)) for _ in range(1000)]
    mean, sd, _ = spread(found)
    print(f"\nheld {held(found, mean):.3f}, bias {mean - truth:+.4f}, truth {truth:.4f}, {sd=:.4f}")
    assert 0.93 <= held(found, mean) <= 0.98
    assert mean - truth > sd


@pytest.mark.slow
def test_frechet_debiased_takes_off_the_bias_at_64_features(noise):
    """1,000 repeats at n = m = 1000 of variance 2: `frechet` is off by about 2.3."""
    found = []
    for _ in range(1000):
        x = math.sqrt(2) * noise.normal(size=(1000, 64))
        y = math.sqrt(2) * 1.15 * noise.normal(size=(1000, 64)) + 0.05
        found.append((frechet(x, y), frechet_debiased(x, y)))
    truth = 64 * (2 * 0.15**2 + 0.05**2)
    plain, debiased = ([pair[i] for pair in found] for i in (0, 1))
    mean, sd, _ = spread(debiased)
    print(f"\n{truth=:.4f}, bias {spread(plain)[0] - truth:+.4f} to {mean - truth:+.4f}, {held(debiased, truth)=:.3f}")
    assert spread(plain)[0] - truth > 2
    assert abs(mean - truth) < 3 * sd / math.sqrt(1000)
    assert 0.93 <= held(debiased, truth) <= 0.98


def test_rows_that_begin_far_from_their_mean_lose_no_digits(noise):
    """The first rows stand in for the mean, and here they are no guide to it; constant rows have no scatter at all."""
    x = noise.normal(size=(2000, 3)) + 1e6 * (np.arange(2000) >= 300)[:, None]
    found, centred = Moments.of(x), x - x.mean(0)
    np.testing.assert_allclose(found.scatter, centred.T @ centred, rtol=1e-12)
    assert torch.linalg.eigvalsh(Moments.of(np.full((900, 5), 0.1)).covariance).min() >= 0


def test_the_error_from_a_few_of_many_rows_is_that_from_all(noise, monkeypatch):
    x, y = noise.normal(size=(9000, 4)), noise.normal(size=(5000, 4)) @ spd(noise, 4) + 0.3
    some = frechet(x, y)
    monkeypatch.setattr(gaussian, "FEW", 10_000)
    every = frechet(x, y)
    assert some.value == every.value
    assert some.error != every.error
    assert some.error == pytest.approx(every.error, rel=0.08)

"""Tasks whose law or manifold is written down: spectrum, bars and stripes, translated bar; patches of photographs."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.decomposition import PCA

from genbench.errors import BadInput
from genbench.task import Bits, Real
from genbench.tasks import patches as photographs
from genbench.tasks.patterns import bar, bars, bars_and_stripes, manifold
from genbench.tasks.spectrum import Spectral, lowrank64

SPLITS = ("train", "valid", "test", "spare")


# Spectrum


def test_the_spectrum_is_four_times_powers_of_three_quarters():
    task = lowrank64(train=200_000)
    law = task.log_prob.__self__
    assert law.values.tolist() == pytest.approx([4 * 0.75**i for i in range(64)])
    seen = task.train.x.double() @ law.vectors  # along its own directions the numbers are independent
    error = (2 / len(seen)) ** 0.5
    assert (seen.var(0) / law.values - 1).abs().max() < 4.5 * error
    assert torch.corrcoef(seen.T).sub(torch.eye(64)).abs().max() < 5.5 / len(seen) ** 0.5
    assert law.vectors.diagonal().abs().max() < 0.6  # no direction is an axis
    assert law.lost(32) / law.lost(0) == pytest.approx(0.75**32, rel=1e-3)


def test_its_density_is_scipy_s_and_integrates_to_one():
    small = Spectral(torch.tensor([4.0, 0.25]).double(), torch.linalg.qr(torch.randn(2, 2).double())[0])
    covariance = (small.vectors * small.values @ small.vectors.T).numpy()
    side = torch.linspace(-14, 14, 801, dtype=torch.float64)
    grid = torch.cartesian_prod(side, side)
    assert float(small.log_prob(grid).exp().sum() * (side[1] - side[0]) ** 2) == pytest.approx(1, abs=1e-9)
    expected = multivariate_normal(np.zeros(2), covariance).logpdf(grid[::997].numpy())
    np.testing.assert_allclose(small.log_prob(grid[::997]), expected, atol=1e-9)


def test_the_entropy_of_lowrank64_is_that_of_its_rows():
    task = lowrank64()
    surprise = -task.log_prob(task.test.x).double()
    assert float(surprise.mean()) == pytest.approx(
        task.log_prob.__self__.entropy, abs=4 * float(surprise.std()) / len(surprise) ** 0.5
    )
    assert float(surprise.std()) == pytest.approx(32**0.5, rel=0.1)  # half a chi-squared of 64


def test_the_best_linear_reconstruction_is_what_it_says():
    task = lowrank64(train=20_000)
    law = task.log_prob.__self__
    for k in (2, 8):
        pca = PCA(k).fit(task.train.x.double().numpy())
        again = pca.inverse_transform(pca.transform(task.test.x.double().numpy()))
        lost = np.square(again - task.test.x.numpy()).sum(1)
        assert lost.mean() == pytest.approx(law.lost(k), abs=4 * lost.std() / len(lost) ** 0.5)


# Bars and stripes


@pytest.mark.parametrize("side", [2, 3, 4])
def test_bars_and_stripes_are_all_of_them_once(side):
    found = {tuple(map(int, row)) for row in bars(side).flatten(1)}
    expected = set()
    for lines in product((0, 1), repeat=side):
        expected.add(tuple(bit for bit in lines for _ in range(side)))
        expected.add(lines * side)
    assert found == expected
    assert len(bars(side)) == len(found) == 2 ** (side + 1) - 2
    task = bars_and_stripes(side=side)
    assert task.spec.x == Bits((1, side, side))
    assert len(task.modes.centres) == len(found)


def test_their_probabilities_sum_to_one_over_every_picture():
    task = bars_and_stripes()
    every = torch.tensor(list(product((0.0, 1.0), repeat=9))).reshape(-1, 1, 3, 3)
    p = task.log_prob(every).exp()
    assert float(p.sum()) == pytest.approx(1, abs=1e-6)
    assert sorted(set(p.tolist())) == pytest.approx([0, 1 / 14])
    assert float(task.log_prob(task.test.x).mean()) == pytest.approx(-math.log(14))


def test_their_rows_are_uniform():
    rows = torch.cat([bars_and_stripes(train=20_000).split(split).x for split in SPLITS]).flatten(1)
    counts = rows.unique(dim=0, return_counts=True)[1].double()
    chi2 = float(((counts - len(rows) / 14) ** 2 / (len(rows) / 14)).sum())
    assert chi2 < 34.5  # 13 degrees of freedom: 1 in 1,000


# Manifold


def test_a_bar_is_where_it_is_put():
    left = torch.tensor([0.0, 2.25, 13.0])
    rows = bar(left, 16, 3.0)
    assert rows.shape == (3, 1, 16, 16)
    assert rows[0, 0, 5].tolist() == [1, 1, 1] + 13 * [0]
    assert rows[1, 0, 5].tolist() == [0, 0, 0.75, 1, 1, 0.25] + 10 * [0]
    assert rows[2, 0, 5].tolist() == 13 * [0] + [1, 1, 1]
    torch.testing.assert_close(rows.sum((1, 2, 3)), torch.full((3,), 48.0))


def test_one_number_makes_a_row_of_the_manifold_and_can_be_read_from_it():
    task = manifold()
    assert task.spec.x == Real((1, 16, 16), 0.0, 1.0)
    pixels = torch.arange(16) + 0.5
    for split in SPLITS:
        x = task.split(split).x
        left = (x[:, 0, 3] * pixels).sum(1) / 3 - 1.5  # the bar's middle, less half of it
        assert (left >= -1e-5).all()
        assert (left <= 13 + 1e-5).all()
        torch.testing.assert_close(bar(left.clamp(0, 13), 16, 3.0), x, atol=1e-4, rtol=0)
    assert float(left.mean()) == pytest.approx(6.5, abs=4 * 13 / 12**0.5 / len(left) ** 0.5)


def test_no_few_directions_hold_the_manifold():
    x = manifold().train.x.flatten(1).numpy()
    shares = PCA(13).fit(x).explained_variance_ratio_.cumsum()
    assert shares[0] < 0.4
    assert shares[3] < 0.9
    assert shares[12] > 0.99


# Patches


def test_patches_are_side_by_side_and_of_photographs_apart(monkeypatch, tmp_path):
    from PIL import Image

    for value, name in enumerate((*photographs.TRAIN, *photographs.VALID, *photographs.TEST)):
        tile = np.arange(16, dtype=np.uint8).reshape(4, 4) + 16 * value
        Image.fromarray(np.tile(tile, (6, 5))).save(tmp_path / name)
    monkeypatch.setattr(photographs, "photographs", lambda: tmp_path)
    task = photographs.patches(size=4, train=100, test=20)
    tiles = (task.train.x * 256).round().flatten(1)
    assert torch.equal(tiles - tiles[:, :1], torch.arange(16.0).expand(100, -1))
    seen = {split: set(((task.split(split).x[:, 0, 0, 0] * 256).floor() // 16).int().tolist()) for split in SPLITS}
    assert seen == {"train": {0, 1, 2, 3, 4}, "valid": {5, 6}, "test": {7, 8, 9}, "spare": {7, 8, 9}}
    with pytest.raises(BadInput, match="150 patches of 4x4 for train, 200 were asked for"):
        photographs.patches(size=4, train=200, test=20)


def test_patches_of_colour_are_grey_by_luma(monkeypatch, tmp_path):
    from PIL import Image

    Image.new("RGB", (4, 4), (10, 200, 30)).save(tmp_path / "a.png")
    assert photographs.cut([tmp_path / "a.png"], 4).unique().tolist() == [round(0.299 * 10 + 0.587 * 200 + 0.114 * 30)]


def test_real_patches_are_natural():
    """Neighbouring pixels are alike, and no row of a split is another's."""
    pytest.importorskip("skimage")
    task = photographs.patches()
    assert [len(task.split(split)) for split in SPLITS] == [15_000, 2_000, 2_000, 2_000]
    for split in SPLITS:
        a, b = task.split(split).x[..., :-1].flatten(), task.split(split).x[..., 1:].flatten()
        assert float(torch.corrcoef(torch.stack([a, b]))[0, 1]) > 0.85
    files = {file.name for file in task.sources}
    assert len(files) == len(task.sources) == 10


def test_without_scikit_image_its_name_is_said(monkeypatch):
    monkeypatch.setattr(photographs, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match="pip install scikit-image"):
        photographs.patches()


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: bars_and_stripes(side=1), "side"),
        (lambda: bars_and_stripes(train=0), "train"),
        (lambda: manifold(side=3), "side"),
        (lambda: manifold(width=9.0), "width"),
        (lambda: manifold(width=math.nan), "width"),
        (lambda: photographs.patches(size=3), "size"),
        (lambda: lowrank64(test=0), "test"),
    ],
)
def test_impossible_parameters_are_refused(call, told):
    with pytest.raises(BadInput, match=told):
        call()

"""The tasks' exact knowledge against its own rows and other people's code, and what is refused of a user's files."""

from __future__ import annotations

import gzip
import math
from collections import Counter
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import multivariate_normal
from sklearn.datasets import load_digits

from genbench.errors import BadInput
from genbench.evidence import Exam, Samples, Symbols
from genbench.metrics.support import mode_kl, modes
from genbench.run import make_space
from genbench.task import Labels, Real, Rows, Spec, splits
from genbench.tasks import files, images
from genbench.tasks.digits import digits, digits_binary, stacked_digits
from genbench.tasks.planes import (
    circle,
    dirac,
    grid25,
    parallel_lines,
    ppca,
    ring8,
    ring8_pacgan,
    ring8_wide,
    two_gaussians,
)

SPLITS = ("train", "valid", "test", "spare")


# Splits and dequantisation


def test_splits_are_disjoint_and_cover_all():
    rows = Rows(torch.arange(100.0)[:, None], torch.arange(100))
    parts = splits(Spec(Real((1,))), rows, (20, 15, 10))
    assert [len(part) for part in parts] == [55, 20, 15, 10]
    assert sorted(torch.cat([part.y for part in parts]).tolist()) == list(range(100))
    assert all(torch.equal(part.x[:, 0], part.y.float()) for part in parts)
    with pytest.raises(ValueError, match="cannot be split"):
        splits(Spec(Real((1,))), rows, (50, 30, 20))


def test_dequantised_rows_stay_in_their_cells_and_fill_them():
    kind = Real((1,), 0.0, 1.0, 17)
    rows = Rows((torch.arange(17.0) / 17).repeat_interleave(2000)[:, None])
    inside = rows.dequantised(kind, torch.Generator().manual_seed(0)).x * 17 - rows.x * 17
    assert float(inside.min()) >= -1e-5
    assert float(inside.max()) <= 1 + 1e-5
    assert float(inside.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(inside.std()) == pytest.approx(12**-0.5, abs=0.01)


# Planes


def test_the_ring_has_eight_distinct_centres_at_equal_distances():
    centres = circle().double()
    assert len(centres.unique(dim=0)) == 8
    assert centres.norm(dim=1).tolist() == pytest.approx([2.0] * 8, abs=1e-6)
    steps = (centres - centres.roll(1, 0)).norm(dim=1)
    assert steps.tolist() == pytest.approx([4 * math.sin(math.pi / 8)] * 8, abs=1e-6)
    assert centres[0].tolist() == [2.0, 0.0]


def test_the_grid_has_twenty_five_centres_two_apart():
    centres = grid25().modes.centres
    assert sorted(map(tuple, centres.tolist())) == [(a, b) for a in range(-4, 5, 2) for b in range(-4, 5, 2)]


@pytest.mark.parametrize(("factory", "sigma", "k"), [(ring8, 0.02, 8), (ring8_wide, 0.1, 8), (grid25, 0.05, 25)])
def test_mixtures_integrate_to_one_and_their_entropy_is_that_of_their_samples(factory, sigma, k):
    task = factory()
    assert (len(task.modes.centres), task.modes.radius) == (k, pytest.approx(3 * sigma))
    step = sigma / 2  # the trapezoid rule on a Gaussian is exact to rounding from here on
    side = torch.arange(-5.0, 5.0, step, dtype=torch.float64)
    total = sum(task.log_prob(torch.cartesian_prod(rows, side)).exp().sum() for rows in side.split(100))
    assert float(total) * step**2 == pytest.approx(1, abs=1e-6)

    entropy = math.log(k) + math.log(2 * math.pi * math.e * sigma**2)  # the modes do not overlap
    surprise = -task.log_prob(task.spare.x).double()
    assert float(surprise.mean()) == pytest.approx(entropy, abs=4 * float(surprise.std()) / len(surprise) ** 0.5)


def test_two_gaussians_have_their_weights_and_their_distance():
    task = two_gaussians(weight=0.7, separation=6.0)
    (left, right), shares = task.modes.centres, task.modes.weights.tolist()
    assert float((right - left).norm()) == 6.0
    assert shares == pytest.approx([0.7, 0.3])
    parts = [multivariate_normal(centre.numpy()).pdf(task.test.x.numpy()) for centre in (left, right)]
    np.testing.assert_allclose(task.log_prob(task.test.x), np.log(0.7 * parts[0] + 0.3 * parts[1]), atol=1e-4)
    found = float((task.train.x[:, 0] < 0).double().mean())
    assert found == pytest.approx(0.7, abs=0.003 + 4 * (0.21 / len(task.train)) ** 0.5)  # 0.13 % lie beyond the middle


def test_pacgan_s_ring_is_of_radius_one():
    task = ring8_pacgan()
    assert task.modes.centres.norm(dim=1).tolist() == pytest.approx([1.0] * 8)
    assert (len(task.train), task.modes.radius) == (100_000, pytest.approx(0.03))


def test_the_point_of_the_dirac_gan_is_at_zero():
    task = dirac()
    assert task.train.x.shape == (20_000, 1)
    assert float(task.train.x.abs().max()) < 0.006
    expected = -math.log(0.001 * math.sqrt(2 * math.pi))
    assert float(task.log_prob(torch.zeros(1, 1))) == pytest.approx(expected, rel=1e-5)


def test_parallel_lines_are_as_far_apart_as_they_say():
    """Of two vertical segments, by sorting along them: the distance between rows of the same height."""
    here, there = (parallel_lines(theta=theta).test.x for theta in (0.0, 3.0))
    assert (there[:, 0] == 3).all()
    assert there[:, 1].sort().values.sub(torch.linspace(0, 1, len(there))).abs().max() < 0.05
    pairs = here[here[:, 1].argsort()] - there[there[:, 1].argsort()]
    assert float(pairs.norm(dim=1).mean()) == pytest.approx(3, abs=0.01)


def test_rows_lie_within_three_sigma_as_often_as_they_should():
    task = ring8()
    near = (torch.cdist(task.train.x, task.modes.centres).min(1).values <= task.modes.radius).double()
    share = 1 - math.exp(-4.5)
    assert float(near.mean()) == pytest.approx(share, abs=4 * (share * (1 - share) / len(near)) ** 0.5)


def test_ppca_agrees_with_scipy_and_with_its_own_samples():
    task = ppca()
    law = task.log_prob.__self__
    covariance = (law.W @ law.W.T).double() + 0.25 * torch.eye(8, dtype=torch.float64)
    scipy = multivariate_normal(law.mean.numpy(), covariance.numpy())
    np.testing.assert_allclose(task.log_prob(task.test.x), scipy.logpdf(task.test.x.numpy()), atol=1e-4)

    assert torch.cov(task.train.x.T.double()).sub(covariance).abs().max() < 0.15
    surprise = -task.log_prob(task.spare.x).double()
    assert float(surprise.mean()) == pytest.approx(
        scipy.entropy(), abs=4 * float(surprise.std()) / len(surprise) ** 0.5
    )


def test_draws_are_independent_and_another_seed_draws_others():
    task, other = ring8(), ring8(seed=1)
    rows = torch.cat([task.split(split).x for split in SPLITS])
    assert len(rows.unique(dim=0)) == len(rows) == 25_000
    assert not torch.equal(task.train.x, other.train.x)
    assert torch.equal(task.modes.centres, other.modes.centres)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: ring8(sigma=0.0), "sigma"),
        (lambda: ring8(sigma=math.nan), "sigma"),
        (lambda: grid25(train=0), "train"),
        (lambda: two_gaussians(weight=1.0), "weight"),
        (lambda: two_gaussians(separation=0.0), "separation"),
        (lambda: ppca(d=3, k=3), "k < d"),
        (lambda: ppca(noise=0.0), "noise"),
        (lambda: digits_binary(threshold=0), "threshold"),
        (lambda: parallel_lines(test=0), "train and test"),
        (lambda: stacked_digits(train=0), "train and test"),
    ],
)
def test_impossible_parameters_are_refused(call, told):
    with pytest.raises(BadInput, match=told):
        call()


# Digits


def counted(ink, label):
    return Counter((bytes(row), int(y)) for row, y in zip(ink.astype(np.uint8), label, strict=True))


def test_digits_are_all_the_real_rows_once():
    task, raw = digits(), load_digits()
    assert [len(task.split(split)) for split in SPLITS] == [1000, 197, 300, 300]
    ink = [np.floor(task.split(split).x.double().numpy().reshape(-1, 64) * 17 + 1e-6) for split in SPLITS]
    parts = [counted(part, task.split(split).y) for part, split in zip(ink, SPLITS, strict=True)]
    assert sum(parts, Counter()) == counted(raw.data, raw.target)
    assert max(sum(parts, Counter()).values()) == 1  # no two rows are equal, so no row is in two splits


@pytest.mark.parametrize("split", SPLITS)
def test_digits_are_balanced_as_the_whole_is(split):
    whole, part = np.bincount(load_digits().target) / 1797, torch.bincount(digits().split(split).y).numpy()
    np.testing.assert_allclose(part, whole * part.sum(), atol=1.01)


def test_binary_digits_are_the_same_rows_at_the_threshold():
    grey, binary = digits(), digits_binary()
    for split in SPLITS:
        assert torch.equal(binary.split(split).x, (grey.split(split).x >= 8 / 17 - 1e-6).float())
        assert torch.equal(binary.split(split).y, grey.split(split).y)
    assert digits_binary(threshold=1).train.x.sum() > binary.train.x.sum()


def test_a_stack_is_three_digits_of_its_split_and_its_label_names_them():
    task, alone = stacked_digits(train=500, test=400), digits()
    assert [len(task.split(split)) for split in SPLITS] == [500, 1000, 400, 400]
    for split in SPLITS:
        rows, known = task.split(split), alone.split(split)
        for i, place in enumerate((100, 10, 1)):
            distance, nearest = torch.cdist(rows.x[:, i].flatten(1), known.x.flatten(1)).min(1)
            assert distance.max() < 0.3  # what two draws of the noise within a cell differ by is 0.19 on average
            assert torch.equal(known.y[nearest], rows.y // place % 10)


def test_a_real_stack_shows_all_its_thousand_classes():
    task = stacked_digits()
    seen = Symbols.collect(Samples(task.spare.x, task.spare.x), Exam(task, "test", make_space(task)))
    assert modes(seen).value >= 998
    assert 0 < mode_kl(seen).value < 0.08  # 0.05 of it for 1,000 classes and 10,000 draws
    collapsed = task.spare.x[:50].repeat(200, 1, 1, 1)
    seen = Symbols.collect(Samples(task.spare.x, collapsed), Exam(task, "test", make_space(task)))
    assert modes(seen).value <= 50
    assert mode_kl(seen).value >= math.log(20) - 0.1


# Published files


@pytest.fixture
def away(tmp_path, monkeypatch):
    """No data on this machine, and no network."""

    def refuse(self):
        raise URLError("no route to host")

    monkeypatch.setenv("GENBENCH_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr(files.Published, "download", refuse)
    return tmp_path


def idx(path, table, packed):
    path.parent.mkdir(parents=True, exist_ok=True)
    head = bytes([0, 0, 8, table.ndim]) + np.array(table.shape, ">u4").tobytes()
    data = head + table.astype(np.uint8).tobytes()
    path.with_name(path.name + ".gz" * packed).write_bytes(gzip.compress(data) if packed else data)


def written(folder, packed=True):
    """A little MNIST whose images tell which row they are, and their labels."""
    for part, n, start in (("train", 60, 0), ("t10k", 40, 100)):
        rows = np.arange(start, start + n)
        idx(folder / f"{part}-images-idx3-ubyte", np.broadcast_to(rows[:, None, None], (n, 28, 28)), packed)
        idx(folder / f"{part}-labels-idx1-ubyte", rows % 10, packed)
    return folder


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("below", ["", "MNIST/raw"])
def test_idx_files_keep_the_official_split(tmp_path, packed, below):
    written(tmp_path / below, packed)
    task = files.mnist(path=str(tmp_path))
    assert [len(task.split(split)) for split in SPLITS] == [54, 6, 20, 20]
    row = {split: np.floor(task.split(split).x[:, 0, 3, 4].double().numpy() * 256 + 1e-4) for split in SPLITS}
    assert sorted([*row["train"], *row["valid"]]) == list(range(60))
    assert sorted([*row["test"], *row["spare"]]) == list(range(100, 140))
    assert all((row[split] % 10 == task.split(split).y.numpy()).all() for split in SPLITS)
    assert (task.spec, task.note, len(task.sources)) == (Spec(Real((1, 28, 28), 0.0, 1.0, 256), Labels(10)), "", 4)


def test_a_cached_download_is_found(away):
    written(away / "cache" / "MNIST" / "raw")
    assert len(files.mnist().train) == 54


def test_cifar_is_read_from_its_binary_version(tmp_path):
    rng = np.random.default_rng(0)
    table = rng.integers(0, 256, (6, 20, 3073), dtype=np.uint8)
    table[:, :, 0] %= 10
    for name, batch in zip(files.BATCHES, table, strict=True):
        (tmp_path / name).write_bytes(batch.tobytes())
    task = files.cifar10(path=str(tmp_path))
    assert [len(task.split(split)) for split in SPLITS] == [90, 10, 10, 10]
    x = (task.train.x * 256).round().numpy().astype(np.uint8).reshape(90, -1)
    rows = {bytes(row[1:]): row[0] for row in table[:5].reshape(-1, 3073)}
    assert all(rows[bytes(image)] == y for image, y in zip(x, task.train.y, strict=True))


def test_resizing_is_said_and_leaves_bytes(tmp_path):
    task = files.mnist(path=str(written(tmp_path)), size=16)
    assert task.note == "resized from 28x28 to 16x16, bilinear, antialias"
    assert task.spec.x == Real((1, 16, 16), 0.0, 1.0, 256)
    levels = task.train.x * 256
    assert torch.equal(levels, levels.round())
    assert files.mnist(path=str(tmp_path), size=28).note == ""
    for size in (0, 10**9):
        with pytest.raises(BadInput, match="size"):
            files.mnist(path=str(tmp_path), size=size)


@pytest.mark.parametrize("factory", [files.mnist, files.cifar10])
def test_absent_data_names_all_the_ways(away, factory):
    with pytest.raises(BadInput, match=r"no route to host.*path=FOLDER.*download to .*cache"):
        factory()
    with pytest.raises(BadInput, match="not allowed"):
        factory(download=False)
    with pytest.raises(BadInput, match="does not hold all of"):
        factory(path=str(away))


def test_debian_s_package_is_named_where_there_is_one(away, monkeypatch):
    monkeypatch.setattr(files.Published, "whole", lambda self, *folders: [])
    with pytest.raises(BadInput, match="apt install dataset-fashion-mnist"):
        files.fashion_mnist()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: gzip.compress(data)[:-20],
        lambda data: gzip.compress(data[:-1]),
        lambda data: gzip.compress(data[:2]),
        lambda data: gzip.compress(b""),
        lambda data: b"<html>not found</html>",
    ],
)
def test_a_torn_idx_file_is_named(tmp_path, damage):
    file = written(tmp_path) / "train-images-idx3-ubyte.gz"
    file.write_bytes(damage(gzip.decompress(file.read_bytes())))
    with pytest.raises(BadInput, match=f"{file.name}.*fetch it again"):
        files.mnist(path=str(tmp_path))


def test_labels_that_do_not_match_are_refused(tmp_path):
    written(tmp_path)
    idx(tmp_path / "t10k-labels-idx1-ubyte", np.arange(39) % 10, True)
    with pytest.raises(BadInput, match="as many labels"):
        files.mnist(path=str(tmp_path))


# A user's folder


def picture(path, shape=(8, 8, 3), value=None, **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(len(path.name)).integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(pixels if value is None else np.full(shape, value, np.uint8)).save(path, **how)


@pytest.fixture
def pictures(tmp_path):
    for i in range(20):
        picture(tmp_path / "album" / f"{i % 3}" / f"{i:02}.png", value=i)
    return tmp_path / "album"


def test_a_folder_s_images_are_all_read_once(pictures):
    task = files.folder(str(pictures))
    assert [len(task.split(split)) for split in SPLITS] == [14, 2, 2, 2]
    values = torch.cat([task.split(split).x[:, 0, 0, 0] for split in SPLITS]) * 256
    assert sorted(values.floor().tolist()) == list(range(20))
    assert task.sources[0] == pictures
    assert list(task.sources[1:]) == sorted(pictures.rglob("*.png"))
    assert (task.spec.x.shape, task.note) == ((1, 8, 8), "")
    assert [len(files.folder(str(pictures), valid=3, test=4, spare=5).split(split)) for split in SPLITS] == [8, 3, 4, 5]


def test_every_format_is_read_and_grey_stays_grey(tmp_path):
    for i, suffix in enumerate(sorted(images.SUFFIXES) * 2):
        picture(tmp_path / f"{i}{suffix.upper()}", (8, 8), lossless=True)
    assert files.folder(str(tmp_path)).spec.x.shape == (1, 8, 8)
    picture(tmp_path / "colour.png")
    picture(tmp_path / ".hidden.png", (3, 3))
    assert files.folder(str(tmp_path)).spec.x.shape == (3, 8, 8)


def test_mixed_sizes_name_two_files_and_what_mends_it(pictures):
    picture(pictures / "wide.jpg", (10, 30, 3))
    with pytest.raises(BadInput, match=r"00\.png is 8x8 pixels, .*wide\.jpg is 30x10.*`size`"):
        files.folder(str(pictures))
    task = files.folder(str(pictures), size=6)
    assert task.spec.x.shape == (3, 6, 6)
    assert task.note == "resized from 2 sizes to 6x6, bilinear, antialias, centre crop"


@pytest.mark.parametrize("content", [b"", b"not an image", None])
def test_a_corrupt_image_is_named(pictures, content):
    whole = (pictures / "0" / "00.png").read_bytes()
    (pictures / "bad.png").write_bytes(whole[:-30] if content is None else content)
    with pytest.raises(BadInput, match=r"bad\.png: not a readable image"):
        files.folder(str(pictures))


def test_sixteen_bits_are_refused_rather_than_clipped(pictures):
    Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(pictures / "deep.png")
    with pytest.raises(BadInput, match=r"deep\.png: more than 8 bits"):
        files.folder(str(pictures))


def test_a_decompression_bomb_is_refused(pictures, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    picture(pictures / "bomb.png", (12, 12, 3))
    with pytest.raises(BadInput, match=r"bomb\.png: more than 100 pixels"):
        files.folder(str(pictures))


def test_links_stay_within_the_tree(pictures):
    (pictures / "again.png").symlink_to(pictures / "0" / "00.png")
    assert sum(len(files.folder(str(pictures)).split(split)) for split in SPLITS) == 20
    picture(pictures.parent / "secret.png")
    (pictures / "out.png").symlink_to(pictures.parent / "secret.png")
    with pytest.raises(BadInput, match=r"out\.png: a link that leaves"):
        files.folder(str(pictures))
    (pictures / "out.png").unlink()
    (pictures / "up").symlink_to("..")
    with pytest.raises(BadInput, match="up: a link that leaves"):
        files.folder(str(pictures))


def test_nothing_to_read_is_said(tmp_path, pictures):
    with pytest.raises(BadInput, match="no such folder"):
        files.folder(str(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="no images below"):
        files.folder(str(tmp_path / "empty"))
    picture(tmp_path / "few" / "1.png")
    with pytest.raises(BadInput, match="1 rows; at least 10"):
        files.folder(str(tmp_path / "few"))
    with pytest.raises(BadInput, match="20 rows cannot give"):
        files.folder(str(pictures), test=19)


# A user's arrays


def saved(tmp_path, **arrays):
    np.savez(tmp_path / "a.npz", **arrays)
    return str(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("shape", "c"), [((20, 6, 5), 1), ((20, 6, 5, 1), 1), ((20, 6, 5, 3), 3), ((20, 3, 6, 5), 3), ((20, 1, 6, 5), 1)]
)
def test_bytes_become_channels_first(tmp_path, shape, c):
    x = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    task = files.npz(saved(tmp_path, x=x, y=np.arange(20) % 4))
    assert task.spec == Spec(Real((c, 6, 5), 0.0, 1.0, 256), Labels(4))
    as_given = x if shape[1] == c else x.reshape(20, 6, 5, c).transpose(0, 3, 1, 2)
    kept = {bytes(np.ascontiguousarray(image)) for image in as_given}
    assert all(bytes((image * 256).round().byte().numpy()) in kept for image in task.train.x)


def test_floats_are_taken_as_they_are(tmp_path):
    x = np.random.default_rng(0).normal(size=(30, 2, 7))
    task = files.npz(saved(tmp_path, x=x, y=np.where(np.arange(30) % 2, -1, 1)))
    assert task.spec == Spec(Real((2, 7)), Labels(2))
    rows = torch.cat([task.split(split).x for split in SPLITS])
    assert torch.equal(rows.flatten(1).sort(0).values, torch.from_numpy(x).float().flatten(1).sort(0).values)


def test_arrays_are_resized_and_it_is_said(tmp_path):
    task = files.npz(saved(tmp_path, x=np.zeros((20, 12, 8), np.uint8)), size=4)
    assert task.spec.x.shape == (1, 4, 4)
    assert task.note == "resized from 8x12 to 4x4, bilinear, antialias, centre crop"


OK = np.zeros((20, 4, 4), np.uint8)


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"images": OK}, "no array named x, only images"),
        ({"x": np.array([{}] * 20, dtype=object)}, "pickled"),
        ({"x": OK, "y": np.array(["a"] * 20, dtype=object)}, "pickled"),
        ({"x": np.zeros((20, 16), np.uint8)}, r"shape \(20, 16\)"),
        ({"x": np.zeros((20, 5, 4, 5), np.uint8)}, r"shape \(20, 5, 4, 5\)"),
        ({"x": np.zeros((20, 3, 4, 3), np.uint8)}, r"shape \(20, 3, 4, 3\)"),
        ({"x": np.zeros((0, 4, 4), np.uint8)}, r"shape \(0, 4, 4\)"),
        ({"x": np.zeros((20, 4, 4), np.int64)}, "int64"),
        ({"x": np.zeros(20)}, r"shape \(20,\)"),
        ({"x": np.full((20, 2), np.nan)}, "NaN or infinite values in 20 of 20"),
        ({"x": np.full((20, 2), 1e300)}, "infinite"),
        ({"x": OK, "y": np.zeros(19, int)}, "20 whole numbers"),
        ({"x": OK, "y": np.zeros(20)}, "whole numbers"),
        ({"x": OK, "y": np.full(20, -1)}, "y runs from -1 to -1"),
        ({"x": OK, "y": np.full(20, 10**9)}, "y runs from"),
        ({"x": OK[:9]}, "9 rows; at least 10"),
    ],
)
def test_arrays_that_cannot_be_used_are_named(tmp_path, arrays, told):
    with pytest.raises(BadInput, match=told):
        files.npz(saved(tmp_path, **arrays))


def test_files_that_are_no_npz_are_named(tmp_path):
    with pytest.raises(BadInput, match="no such file"):
        files.npz(str(tmp_path / "none.npz"))
    torn = tmp_path / "torn.npz"
    np.savez(torn, x=OK)
    data = bytearray(torn.read_bytes())
    data[150:200] = bytes(50)
    torn.write_bytes(data)
    with pytest.raises(BadInput, match=r"torn\.npz: not a readable"):
        files.npz(str(torn))
    torn.write_bytes(b"PK\3\4")
    with pytest.raises(BadInput, match=r"not an \.npz"):
        files.npz(str(torn))
    with pytest.raises(BadInput, match="only bytes are resized"):
        files.npz(saved(tmp_path, x=np.zeros((20, 4, 4))), size=2)

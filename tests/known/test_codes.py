"""Codes, against answers that are known without them."""

import numpy as np
import pytest
import torch
from scipy.ndimage import laplace
from sklearn.neighbors import NearestNeighbors

from genbench.errors import BadInput, NotApplicable
from genbench.evidence import Codes, Compressed, Desk, Exam, Pictures
from genbench.metrics import (
    distortion,
    rate,
    reconstruction,
    retrieval,
    sharpness,
)
from genbench.spaces.pixels import Pixels
from genbench.tasks.planes import ring8


def test_reconstruction_is_per_number():
    real = np.zeros((4, 2, 5))
    found = reconstruction(real, real + np.array([1.0, 1.0, 3.0, 3.0])[:, None, None])
    assert found.value == 5
    assert found.error == pytest.approx(np.std([1, 1, 9, 9], ddof=1) / 2)
    assert found.n == 4
    with pytest.raises(BadInput, match="4 rows, but 3"):
        reconstruction(real, real[:3])


class Same:
    """An autoencoder of the plane whose code is the row."""

    def encode(self, x):
        return x

    def latent(self, n):
        return torch.randn(n, 2)

    def decode(self, z):
        return z


def test_a_rounded_code_costs_a_twelfth_of_its_step_squared():
    task = ring8(sigma=0.5)
    e = Desk(Exam(task, "test", Pixels()), Same()).get(Compressed)
    spread = task.train.x[:10_000].amax(0) - task.train.x[:10_000].amin(0)
    step = spread / (2**Compressed.BITS - 1)
    inside = (e.real >= task.train.x[:10_000].amin(0)) & (e.real <= task.train.x[:10_000].amax(0))
    assert float(inside.double().mean()) > 0.99
    assert float(((e.again - e.real).abs() / step)[inside].max()) <= 0.5 + 1e-4
    assert len(e.again[:, 0].unique()) <= 2**Compressed.BITS
    kept = inside.all(1)
    assert distortion(e.real[kept], e.again[kept], e.bits).value == pytest.approx(
        float(step.square().mean()) / 12, rel=0.1
    )
    assert rate(e) == rate(e.real, e.again, 12)
    assert rate(e).value == 6  # bits a number, for both numbers
    with pytest.raises(BadInput, match="bits=0"):
        rate(e.real, e.again, 0)


class Halves(Same):
    """A code that says which half of the plane a row is in, one of three, the last empty."""

    def encode(self, x):
        return torch.eye(3)[(x[:, 0] > 0).long()]

    def decode(self, z):
        return torch.tensor([[-1.0, 0.0], [1.0, 0.0], [0.0, 0.0]])[z.argmax(1)]


def test_the_number_of_a_cluster_is_sent_as_a_number():
    e = Desk(Exam(ring8(), "test", Pixels()), Halves()).get(Compressed)
    assert e.bits == 2
    assert set(e.again[:, 0].tolist()) == {-1.0, 1.0}


def blobs(n, classes=3, gap=2.0, seed=0):
    noise = np.random.default_rng(seed)
    labels = noise.integers(classes, size=n)
    return gap * np.eye(classes)[labels] + noise.normal(size=(n, classes)), labels


@pytest.mark.parametrize("by", ["euclidean", "cosine"])
@pytest.mark.parametrize("k", [1, 4, 10])
def test_retrieval_is_the_share_among_scikit_learn_s_neighbours(k, by):
    codes, labels = blobs(1203)  # more than one chunk
    near = NearestNeighbors(n_neighbors=k + 1, metric=by).fit(codes).kneighbors(codes, return_distance=False)
    expected = (labels[near[:, 1:]] == labels[:, None]).mean()
    assert retrieval(codes, labels, k=k, by=by).value == pytest.approx(expected, abs=1e-12)


def test_the_error_of_retrieval_is_the_jackknife_itself():
    codes, labels = blobs(60)
    left = [retrieval(np.delete(codes, i, 0), np.delete(labels, i), k=3).value for i in range(60)]
    assert retrieval(codes, labels, k=3).error == pytest.approx(np.sqrt(59 / 60 * np.sum((left - np.mean(left)) ** 2)))


def test_ties_share_the_places_that_are_left():
    """Codes of clusters: each row's neighbours are its cluster's others, however many places there are."""
    labels = np.array([0, 0, 0, 1, 1, 1, 1, 0])
    codes = np.eye(2)[[0, 0, 0, 0, 1, 1, 1, 1]]
    of_first = [2 / 3, 2 / 3, 2 / 3, 0, 2 / 3, 2 / 3, 2 / 3, 0]
    for k in (1, 2, 3):
        assert retrieval(codes, labels, k=k).value == pytest.approx(np.mean(of_first))
    turned = [7, 2, 5, 0, 1, 6, 3, 4]
    assert retrieval(codes[turned], labels[turned], k=2).value == pytest.approx(np.mean(of_first))


def test_all_codes_alike_retrieve_by_chance_and_all_rows_are_found_at_last():
    labels = np.arange(100) % 4
    assert retrieval(np.ones((100, 2)), labels).value == pytest.approx(24 / 99)
    assert retrieval(blobs(100)[0], labels, k=10**6).value == pytest.approx(24 / 99)


def test_cosine_sees_no_lengths():
    codes, labels = blobs(200)
    lengths = np.random.default_rng(1).uniform(0.1, 10, (200, 1))
    assert retrieval(codes * lengths, labels, by="cosine").value == pytest.approx(
        retrieval(codes, labels, by="cosine").value, abs=1e-12
    )
    assert retrieval(codes * lengths, labels).value != retrieval(codes, labels).value


def test_what_no_retrieval_can_be_made_of_is_refused():
    codes, labels = blobs(20)
    for k, by in ((0, "cosine"), (3, "manhattan")):
        with pytest.raises(BadInput, match="k is at least 1"):
            retrieval(codes, labels, k=k, by=by)
    for wrong in (labels[:-1], labels.astype(float), labels[:, None]):
        with pytest.raises(BadInput, match="20 whole numbers are needed"):
            Codes(codes, wrong)


@pytest.mark.slow
def test_the_error_of_retrieval_covers_and_errs_upwards():
    found = [retrieval(*blobs(300, seed=seed)) for seed in range(600)]
    ratio = np.mean([e.error for e in found]) / np.std([e.value for e in found])
    assert 1.0 < ratio < 1.3


def test_sharpness_is_scipy_s_laplacian():
    noise = np.random.default_rng(0)
    real, fake = noise.uniform(size=(20, 2, 7, 9)), 0.3 * noise.normal(size=(15, 2, 7, 9))

    def edges(images):
        return np.array([[np.abs(laplace(plane)[1:-1, 1:-1]).mean() for plane in image] for image in images]).mean(1)

    found = sharpness(real, fake)
    assert found.value == pytest.approx(edges(fake).mean() / edges(real).mean())
    assert found.n == 15


def test_sharpness_is_one_of_equals_and_less_of_what_is_blurred():
    images = torch.rand(200, 1, 12, 12, dtype=torch.float64)
    assert sharpness(images, images.flip(0)).value == pytest.approx(1)
    assert sharpness(images, 0.5 * images + 3).value == pytest.approx(0.5)
    blurred = torch.nn.functional.avg_pool2d(images, 3, 1, 1)
    assert sharpness(images, blurred).value < 0.3
    with pytest.raises(NotApplicable, match="flat"):
        sharpness(torch.ones(5, 1, 4, 4), torch.rand(5, 1, 4, 4))
    for shape in ((5, 3), (5, 1, 2, 9)):
        with pytest.raises(NotApplicable, match="no pictures"):
            Pictures(torch.rand(shape), torch.rand(shape))


def test_the_error_of_sharpness_is_its_spread():
    noise = np.random.default_rng(0)

    def pictures(n):  # each of a contrast of its own
        return noise.uniform(0.2, 1.8, (n, 1, 1, 1)) * noise.uniform(size=(n, 1, 6, 6))

    found = [sharpness(pictures(80), 0.7 * pictures(60)) for _ in range(500)]
    assert np.mean([e.value for e in found]) == pytest.approx(0.7, abs=0.01)
    assert np.mean([e.error for e in found]) == pytest.approx(np.std([e.value for e in found]), rel=0.1)

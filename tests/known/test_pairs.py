"""Paired images, against answers that are known without torchmetrics."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torchmetrics.functional.image import peak_signal_noise_ratio
from torchvision import models

from genbench import catalogue, check
from genbench.errors import BadInput, NotApplicable
from genbench.evidence import Exam, PairedImages, Reconstructions
from genbench.metrics import lpips, ms_ssim, psnr, ssim
from genbench.metrics.pairs import BACKBONES, LEAST
from genbench.spaces.pixels import Pixels
from genbench.task import Bits, Real, Rows, Spec, Task

REFUSALS = (BadInput, NotApplicable)
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def pictures(noise, n=4, side=24, channels=1):
    real = noise.uniform(size=(n, channels, side, side))
    return real, np.clip(real + 0.2 * noise.normal(size=real.shape), 0, 1)


def test_psnr_of_a_constant_offset():
    """20 log10(1 / offset), so a mean of 20 and 40 dB; the mean error would give 22.97 dB."""
    real = np.full((2, 1, 5, 7), 0.5)
    found = psnr(real, real + np.array([0.1, 0.01])[:, None, None, None])
    assert found.value == pytest.approx(30, rel=1e-12)
    assert found.error == pytest.approx(np.std([20, 40], ddof=1) / math.sqrt(2))
    assert found.n == 2


def test_psnr_of_bytes_is_that_of_their_255ths(noise):
    real, again = (noise.integers(256, size=(3, 3, 8, 8), dtype=np.uint8) for _ in range(2))
    assert psnr(real, again) == psnr(real / 255, again / 255)
    squared = ((real.astype(float) - again) ** 2).mean((1, 2, 3))
    assert psnr(real, again).value == pytest.approx(np.mean(10 * np.log10(255**2 / squared)), rel=1e-12)
    theirs = peak_signal_noise_ratio(*torch.tensor(np.stack([again, real]) / 255), 1.0, reduction="none", dim=(1, 2, 3))
    assert psnr(real, again).value == pytest.approx(float(theirs.mean()), rel=1e-6)


def test_an_exact_image_has_no_psnr_but_a_similarity_of_one(noise):
    real, again = pictures(noise)
    again[1] = real[1]
    with pytest.raises(NotApplicable, match="1 of 4 images came back exactly"):
        psnr(real, again)
    found = ssim(real, real)
    assert found.value == pytest.approx(1, abs=1e-12)
    assert found.error == pytest.approx(0, abs=1e-12)
    large = noise.uniform(size=(2, 1, 176, 176))
    assert ms_ssim(large, large).value == pytest.approx(1, abs=1e-7)


def terms(x, y):
    """Luminance and contrast terms at every pixel of one channel, a window at a time."""
    away = np.arange(-5, 6)
    line = np.exp(-(away**2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2
    x, y = np.pad(x, 5, mode="reflect"), np.pad(y, 5, mode="reflect")
    h, w = x.shape[0] - 10, x.shape[1] - 10
    light, contrast = np.empty((h, w)), np.empty((h, w))
    for i in range(h):
        for j in range(w):
            a, b = x[i : i + 11, j : j + 11], y[i : i + 11, j : j + 11]
            ma, mb = (window * a).sum(), (window * b).sum()
            va, vb, ab = ((window * p * q).sum() - m for p, q, m in ((a, a, ma**2), (b, b, mb**2), (a, b, ma * mb)))
            light[i, j] = (2 * ma * mb + 1e-4) / (ma**2 + mb**2 + 1e-4)
            contrast[i, j] = (2 * ab + 9e-4) / (va + vb + 9e-4)
    return light, contrast


def test_ssim_is_that_of_every_window(noise):
    real, again = pictures(noise, n=2, side=13, channels=3)
    by_hand = [
        np.mean([np.multiply(*terms(*pair)).mean() for pair in zip(x, y, strict=True)])
        for x, y in zip(real, again, strict=True)
    ]
    found = ssim(real, again)
    assert found.value == pytest.approx(np.mean(by_hand), rel=1e-6)
    assert found.error == pytest.approx(np.std(by_hand, ddof=1) / math.sqrt(2), rel=1e-5)


def test_ssim_of_two_flat_images_is_their_luminance():
    """No variance: (2 a b + c1) / (a^2 + b^2 + c1)."""
    flat = np.ones((2, 1, 12, 12))
    assert ssim(0.2 * flat, 0.6 * flat).value == pytest.approx((0.24 + 1e-4) / (0.4 + 1e-4), rel=1e-6)


@pytest.mark.slow
def test_ms_ssim_is_the_product_over_scales(noise):
    real, again = pictures(noise, n=2, side=176)
    values = []
    for x, y in zip(real[:, 0], again[:, 0], strict=True):
        value = 1.0
        for scale, weight in enumerate(WEIGHTS):
            light, contrast = terms(x, y)
            inside = np.s_[5:-5, 5:-5]  # torchmetrics leaves the mirrored border out of the contrast terms alone
            term = (light * contrast).mean() if scale == 4 else contrast[inside].mean()
            value *= max(term, 0) ** weight
            x, y = (z[: len(z) // 2 * 2, : len(z) // 2 * 2].reshape(len(z) // 2, 2, -1, 2).mean((1, 3)) for z in (x, y))
        values.append(value)
    assert ms_ssim(real, again).value == pytest.approx(np.mean(values), rel=1e-6)


def test_worse_images_are_worse_by_each(noise):
    real = noise.uniform(size=(2, 1, 176, 176))
    dirt = noise.normal(size=real.shape)
    for measure in (psnr, ssim, ms_ssim):
        values = [measure(real, real + amount * dirt).value for amount in (0.1, 0.3)]
        assert values == sorted(values, reverse=True), measure.name


@pytest.mark.parametrize(("measure", "least"), [(ssim, 11), (ms_ssim, 176)])
def test_images_too_small_are_refused_in_one_line(noise, measure, least):
    real, again = pictures(noise, n=2, side=least)
    assert 0 < measure(real, again).value < 1
    for small in (np.s_[..., :-1], np.s_[..., :-1, :]):
        with pytest.raises(NotApplicable, match=rf"at least {least}x{least} pixels") as refusal:
            measure(real[small], again[small])
        assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("measure", [psnr, ssim, ms_ssim, lpips])
def test_what_is_no_pair_of_images_is_refused(noise, backbone, measure):
    if measure is lpips:
        backbone("alex")
    real, again = pictures(noise, n=4, side=12)
    for rows in (real[:, 0], real[:, :, 0, 0], np.repeat(real, 2, 1)):
        with pytest.raises(NotApplicable, match="no images"):
            measure(rows, rows)
    for r, a, said in (
        (real, again[:3], "4 images, but 3"),
        (real, again[..., :6], "shape"),
        (2 * real - 1, again, r"values in \[-"),
        (255 * real, again, "give bytes"),
        (real[:1], again[:1], "at least 2"),
    ):
        with pytest.raises(BadInput, match=said):
            measure(r, a)


class Rebuilt:
    """Encodes and decodes with a constant error."""

    def encode(self, x):
        return x

    def decode(self, z):
        return z + 0.2


def exam(kind):
    rows = Rows(torch.full((3, *kind.shape), 0.5))
    return Exam(Task("made", Spec(kind), rows, rows, rows, rows), "test", Pixels())


@pytest.mark.parametrize(("kind", "error"), [(Real((1, 12, 12), -1.0, 1.0), 0.1), (Bits((1, 12, 12)), 0.2)])
def test_the_range_is_the_tasks(kind, error):
    """An offset of 0.2 is a tenth of a range of 2."""
    made = Reconstructions.collect(Rebuilt(), exam(kind))
    assert psnr(PairedImages.collect(made, exam(kind))).value == pytest.approx(-20 * math.log10(error), rel=1e-6)


def test_a_task_without_images_or_a_range_has_no_pairs():
    for kind, said in ((Real((2,), 0.0, 1.0), "no images"), (Real((1, 12, 12)), "range")):
        with pytest.raises(NotApplicable, match=said):
            PairedImages.collect(Reconstructions.collect(Rebuilt(), exam(kind)), exam(kind))


@pytest.fixture
def backbone(tmp_path, monkeypatch):
    """Random weights in the published file's place; in all but their values they are what torchvision would load."""

    def made(net):
        features = {"alex": models.alexnet, "vgg": models.vgg16, "squeeze": models.squeezenet1_1}[net]().features
        state = {f"features.{name}": value for name, value in features.state_dict().items()}
        torch.save(state, tmp_path / BACKBONES[net].file)
        return features.eval()

    monkeypatch.setenv("GENBENCH_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("GENBENCH_TRUST", "1")
    return made


@pytest.mark.parametrize("net", ["alex", pytest.param("vgg", marks=pytest.mark.slow)])
def test_lpips_is_the_formula(noise, backbone, net):
    """Unit-length features, squared difference, torchmetrics' weights a channel, mean over positions; by hand."""
    from torchmetrics.functional.image import lpips as theirs

    features = backbone(net)
    taps = {"alex": (1, 4, 7, 9, 11), "vgg": (3, 8, 15, 22, 29)}[net]
    heads = torch.load(
        f"{theirs.__file__.removesuffix('lpips.py')}lpips_models/{net}.pth", weights_only=True, map_location="cpu"
    )
    real, again = pictures(noise, n=2, side=35, channels=3)

    def unit(x):
        x = (2 * torch.tensor(x).float() - 1 - torch.tensor([-0.03, -0.088, -0.188]).view(3, 1, 1)) / torch.tensor(
            [0.458, 0.448, 0.45]
        ).view(3, 1, 1)
        for index, layer in enumerate(features):
            x = layer(x.clone())
            if index in taps:
                yield x / (x.square().sum(1, keepdim=True) + 1e-8).sqrt()
            if index == taps[-1]:
                return

    expected = 0.0
    with torch.no_grad():
        for head, a, b in zip(heads.values(), unit(real), unit(again), strict=True):
            expected += (head.view(1, -1, 1, 1) * (a - b).square()).sum(1).mean((1, 2))
    found = lpips(real, again, net=net)
    assert found.value == pytest.approx(float(expected.mean()), rel=1e-4)
    assert "not the published" in found.note
    grey = real[:, :1]
    assert lpips(grey, 1 - grey, net=net) == lpips(np.repeat(grey, 3, 1), np.repeat(1 - grey, 3, 1), net=net)
    assert lpips(real, real, net=net).value == 0


@pytest.mark.slow
def test_every_net_of_lpips_starts_at_its_least_size(noise, backbone):
    for net, least in LEAST.items():
        backbone(net)
        real, again = pictures(noise, n=2, side=least)
        assert lpips(real, again, net=net).value > 0
        with pytest.raises(NotApplicable, match=f"at least {least}x{least}"):
            lpips(real[..., :-1], again[..., :-1], net=net)


def test_lpips_without_its_weights_says_what_to_fetch(noise, tmp_path, monkeypatch):
    monkeypatch.setenv("GENBENCH_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *_: (_ for _ in ()).throw(OSError("no net")))
    real, again = pictures(noise, n=2, side=32)
    with pytest.raises(BadInput, match="needs weights") as refusal:
        lpips(real, again)
    with pytest.raises(BadInput, match="knows alex, vgg, squeeze"):
        lpips(real, again, net="resnet")
    said = str(refusal.value)
    assert "\n" not in said
    for part in ("alexnet-owt-7be5be79.pth", "https://download.pytorch.org", str(tmp_path), "psnr and ssim", "no net"):
        assert part in said


def test_lpips_takes_no_pickle_and_no_other_network(noise, backbone, tmp_path):
    real, again = pictures(noise, n=2, side=32)
    place = tmp_path / BACKBONES["alex"].file
    torch.save({"features.0.weight": print}, place)
    with pytest.raises(BadInput, match="not a checkpoint of tensors"):
        lpips(real, again)
    torch.save(nn.Linear(2, 2).state_dict(), place)
    with pytest.raises(BadInput, match="not the weights of alex"):
        lpips(real, again)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ms_ssim", "lpips"])
def test_it_passes_the_conformance_suite(name, backbone):
    """The two that tests/test_every_metric.py leaves out, for they need large images and weights."""
    if name == "lpips":
        backbone("alex")
    assert [(title, why) for title, why in check.run("metric", name) if why] == []
    assert "Raises" in catalogue.load("metrics", name).__doc__

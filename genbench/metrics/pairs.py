"""How much an image looks like the one that it should be, an image at a time; but for PSNR by torchmetrics."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from genbench.errors import BadInput, NotApplicable
from genbench.evidence import PairedImages
from genbench.metric import metric
from genbench.metrics.estimates import at_least, mean
from genbench.record import Estimate
from genbench.spaces.weights import Weights, tensors

CHUNK = 64  # pairs at a time, so that memory does not grow with n
WINDOW = 11  # pixels across the Gaussian window of SSIM, of deviation 1.5

BACKBONES = {
    net: Weights(f"{file}.pth", f"https://download.pytorch.org/models/{file}.pth", file.rpartition("-")[2])
    for net, file in (
        ("alex", "alexnet-owt-7be5be79"),
        ("vgg", "vgg16-397923af"),
        ("squeeze", "squeezenet1_1-b8a52dc0"),
    )
}
LEAST = {"alex": 31, "vgg": 16, "squeeze": 17}  # pixels that their convolutions and poolings take


def by_pair(e: PairedImages, likeness: Callable[[Tensor, Tensor], Any], least: int, what: str) -> Estimate:
    """The mean over images of likeness(again, real), (n,) of (n, c, h, w), and its standard error over images.

    NotApplicable where the shorter side has fewer pixels than it takes.
    """
    at_least(2, real=e.real)
    h, w = e.real.shape[2:]
    if min(h, w) < least:
        raise NotApplicable(f"{what} takes images of at least {least}x{least} pixels, and these have {w}x{h}")
    chunks = zip(torch.split(e.again, CHUNK), torch.split(e.real, CHUNK), strict=True)
    return mean(torch.cat([likeness(again, real) for again, real in chunks]))


@metric("higher", version="1", unit="dB")
def psnr(e: PairedImages) -> Estimate:
    """Peak signal-to-noise ratio: the mean over images of -10 log10 of the mean squared error, on the scale of [0, 1].

    A mean of logarithms, as in papers on super-resolution; the logarithm of the mean error is another number. The error
    is the standard error over images. Raises BadInput below 2 images, NotApplicable where one came back exactly, for
    its ratio is infinite, and for rows that are no images.
    """
    at_least(2, real=e.real)
    exact = int((e.real == e.again).flatten(1).all(1).sum())
    if exact:
        raise NotApplicable(f"{exact} of {len(e.real)} images came back exactly, where the ratio is infinite; see ssim")
    return mean(-10 * (e.again - e.real).square().mean((1, 2, 3)).log10())


@metric("higher", version="1", unit="similarity")
def ssim(e: PairedImages) -> Estimate:
    """Structural similarity (Wang et al., 2004), 1 for equal images: the mean over pixels and channels of

        (2 m_x m_y + c1) (2 s_xy + c2) / ((m_x^2 + m_y^2 + c1) (s_x^2 + s_y^2 + c2)),   c1 = 0.01^2, c2 = 0.03^2

    with means m and (co)variances s under an 11x11 Gaussian window of deviation 1.5. Windows that cross the border see
    the image mirrored there, as torchmetrics has it; Wang et al. leave them out. The error is the standard error over
    images. Raises BadInput below 2 images, NotApplicable for rows that are no images or are smaller than a window.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure

    measure = partial(structural_similarity_index_measure, data_range=1.0, reduction="none")
    return by_pair(e, measure, WINDOW, "the window of SSIM")


@metric("higher", version="1", unit="similarity")
def ms_ssim(e: PairedImages) -> Estimate:
    """SSIM at five scales (Wang et al., 2003): the product of the contrast terms at sizes 1, 1/2, ..., 1/8 and of SSIM
    at 1/16, each to the power of its weight (0.0448, 0.2856, 0.3001, 0.2363, 0.1333); negative terms count as 0.

    The error is the standard error over images. Raises BadInput below 2 images, NotApplicable for rows that are no
    images and for images below 176x176, of which the smallest scale would not hold a window.
    """
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    measure = partial(multiscale_structural_similarity_index_measure, data_range=1.0, reduction="none")
    return by_pair(e, measure, 16 * WINDOW, "SSIM at five scales")  # four halvings must leave a window


@metric("lower", version="1", unit="perceptual distance")
def lpips(e: PairedImages, *, net: str = "alex") -> Estimate:
    """Learned perceptual distance (Zhang et al., 2018, eq. 1), 0 for equal images: over the layers of an ImageNet
    network (alex, vgg or squeeze), the weighted squared difference of unit-length features, averaged over positions.

    The weights over channels come with torchmetrics, the network's own from a file (see genbench.spaces.weights). Grey
    images are shown on three channels, values outside of [0, 1] clamped, all in float32. The error is the standard
    error over images. Raises BadInput below 2 images, for an unknown net, and where its weights are missing;
    NotApplicable for rows that are no images, or too small ones.
    """
    if net not in BACKBONES:
        raise BadInput(f"net={net!r}; lpips knows {', '.join(BACKBONES)}")
    judge, note = perceptual(net)
    judge.to(e.real.device)

    def distance(again: Tensor, real: Tensor) -> Tensor:
        shown = (x.clamp(0, 1).float().expand(-1, 3, -1, -1) for x in (again, real))
        found: Tensor = judge(*shown, normalize=True)
        return found.flatten().double()

    return replace(by_pair(e, distance, LEAST[net], f"LPIPS through {net}"), note=note)


def perceptual(net: str) -> tuple[nn.Module, str]:
    """torchmetrics' LPIPS on this network's weights, and what is to be said of weights that are not the published."""
    from torchmetrics.functional.image.lpips import _LPIPS  # its public function downloads its own

    path, digest = BACKBONES[net].find(f"lpips through {net}", "psnr and ssim need none and work")
    held = tensors(path)
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        judge: Any = _LPIPS(net=cast(Any, net), pnet_rand=True)
    own = judge.net.state_dict()
    try:
        judge.net.load_state_dict({name: held[re.sub(r"^slices?\.?\d\.", "features.", name)] for name in own})
    except (KeyError, RuntimeError) as error:
        raise BadInput(f"{path}: not the weights of {net} ({str(error).splitlines()[0]}); fetch it again") from None
    return judge, "" if digest.startswith(BACKBONES[net].sha256) else f"weights {digest[:16]}, not the published"

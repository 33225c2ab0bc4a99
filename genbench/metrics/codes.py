"""What an encoder keeps of a row, and what a decoder makes of a code."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from genbench.errors import BadInput, NotApplicable
from genbench.evidence import Codes, Compressed, Pictures, Reconstructions
from genbench.metric import metric
from genbench.metrics.estimates import at_least, flat, mean, squared_error
from genbench.record import Estimate

CHUNK = 1000  # rows whose distances to all are held at a time


@metric("lower", version="1", unit="squared error per number")
def reconstruction(e: Reconstructions) -> Estimate:
    """Mean squared error of decode(encode(x)) on held-out rows (n, *shape), per number and not per row.

        mean over rows and their numbers of (x - x')^2

    Its error is the standard error over rows. Raises BadInput below 2 rows and where shapes or counts disagree.
    """
    return lost(e.real, e.again)


def lost(real: Tensor, again: Tensor) -> Estimate:
    at_least(2, real=real)
    real, again = flat(real=real, again=again)
    if len(real) != len(again):
        raise BadInput(f"{len(real)} rows, but {len(again)} reconstructions")
    return mean((real - again).square().mean(1))


@metric("lower", version="1", unit="squared error per number")
def distortion(e: Compressed) -> Estimate:
    """What `reconstruction` becomes when codes are sent in few bits, which `rate` counts: mean squared error of rows
    (n, *shape) decoded from codes rounded to equal steps, per number. Raises BadInput as `reconstruction` does.
    """
    return lost(e.real, e.again)


@metric("neither", version="1", unit="bits per number")
def rate(e: Compressed) -> Estimate:
    """How many bits a row's code was sent in, for each number of the row: the price of `distortion`.

    Every number of a code takes the same, with no entropy coding, and the decoder is not counted. It is known, so its
    error is 0. Raises BadInput below 2 rows and for no bits.
    """
    at_least(2, real=e.real)
    if e.bits < 1:
        raise BadInput(f"bits={e.bits}; a code takes at least 1")
    (real, _) = flat(real=e.real, again=e.again)
    return Estimate(e.bits / real.shape[1], 0.0, len(real))


@metric("higher", version="1", unit="share of neighbours")
def retrieval(e: Codes, k: int = 10, by: Literal["euclidean", "cosine"] = "euclidean") -> Estimate:
    """Precision at k: of the k rows whose codes (n, d) are nearest to a row's own, the share that is of its class.

        mean over rows i of (1/k) |{j among the k nearest of i: y_j = y_i}|

    No row finds itself, and at most n - 1 are sought. Where rows are equally far and not all of them are among the k,
    each counts by its share of the places left (codes of clusters are all ties). By "cosine", codes are scaled to
    length 1 first, save one of 0. Chance is about the sum of the squared shares of the classes.

    The error is a jackknife's over rows, whose terms are a row's own precision and what it adds to that of the rows
    that find it, over the row that each of them would find instead. It errs upwards, as jackknives of neighbours do:
    on overlapping normal classes by 2 to 22 % at k = 10, and by up to 80 % at k = 1; the rows' own precisions alone
    would give an error up to 1.7 times too small.

    Raises BadInput below 2 rows, and for k below 1 or another distance.
    """
    at_least(2, codes=e.codes)
    if k < 1 or by not in ("euclidean", "cosine"):
        raise BadInput(f"k is at least 1 and by is euclidean or cosine; got {k} and {by!r}")
    (codes,) = flat(codes=e.codes)
    codes = torch.nn.functional.normalize(codes) if by == "cosine" else codes
    n = len(codes)
    k = min(k, n - 1)
    own, others = codes.new_empty(n), codes.new_zeros(n)
    for part in torch.split(torch.arange(n, device=codes.device), CHUNK):
        distance = torch.cdist(codes[part], codes, compute_mode="donot_use_mm_for_euclid_dist")  # ties stay ties
        distance[torch.arange(len(part)), part] = torch.inf
        same = (e.labels[part, None] == e.labels).double()
        found = nearest(distance, k)
        own[part] = (found * same).sum(1) / k
        more = nearest(distance, k + 1) - found if k < n - 1 else found / k
        instead = (more * same).sum(1, keepdim=True)
        others += (found * (same - instead)).sum(0) / k
    return Estimate(float(own.mean()), math.sqrt(squared_error(own + others)), n)


def nearest(distance: Tensor, k: int) -> Tensor:
    """The share (n, m) that each of m rows has of the k places nearest to each of n: 1 or 0, but for ties."""
    last = distance.kthvalue(k, dim=1, keepdim=True).values
    closer, tied = distance < last, distance == last
    return closer + tied * ((k - closer.sum(1, keepdim=True)) / tied.sum(1, keepdim=True))


@metric("neither", version="1", unit="ratio to real pictures")
def sharpness(e: Pictures) -> Estimate:
    """How sharp samples are for pictures of their kind: 1 where they are as sharp, below 1 where they are blurred.

        mean |Laplacian of fake| / mean |Laplacian of real|,   Laplacian = sum of the four neighbours - 4 times itself

    over inner pixels of (n, c, h, w), both sides with the noise that they came with: independent noise is sharp too,
    so a mean decoded from a code is to be judged, not a draw from its likelihood. The error is the ratio's, to first
    order, from the spread over pictures. Raises BadInput below 2 pictures a side; NotApplicable where the real ones
    are flat.
    """
    at_least(2, real=e.real, fake=e.fake)
    real, fake = (edges(x) for x in (e.real, e.fake))
    if not float(real.mean()) > 0:
        raise NotApplicable("the real pictures are flat; there is no sharpness to compare with")
    ratio = float(fake.mean() / real.mean())
    error = math.sqrt(squared_error(fake) + ratio**2 * squared_error(real)) / float(real.mean())
    return Estimate(ratio, error, min(len(real), len(fake)))


def edges(x: Tensor) -> Tensor:
    """The mean absolute Laplacian of each picture (n,)."""
    x = x.double()
    around = x[..., 2:, 1:-1] + x[..., :-2, 1:-1] + x[..., 1:-1, 2:] + x[..., 1:-1, :-2]
    return (around - 4 * x[..., 1:-1, 1:-1]).abs().flatten(1).mean(1)

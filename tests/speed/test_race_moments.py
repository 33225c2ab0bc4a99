"""Frechet distances against torch-fidelity and torchmetrics, on the same arrays and threads."""

import numpy as np
import pytest
import torch
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torchmetrics.image.fid import _compute_fid

from genbench.metrics import Moments, frechet, frechet_from_moments
from genbench.metrics.gaussian import between

N, D = 10_000, 2048


@pytest.fixture(scope="module")
def features():
    """Two sets of float32 features, as a network hands them out: correlated, the k-th variance as 1/k."""
    noise = torch.Generator().manual_seed(0)
    scale = torch.arange(1, D + 1)[:, None] ** -0.5
    turn, other = (torch.linalg.qr(torch.randn(D, D, generator=noise))[0] for _ in range(2))
    mixes = scale * turn, scale * (0.9 * turn + 0.3 * other)
    return [torch.randn(N, D, generator=noise) @ mix for mix in mixes]


@pytest.fixture(scope="module")
def statistics(features):
    return [fid_features_to_statistics(rows) for rows in features]


def from_statistics(p, q):
    return frechet_from_moments(p["mu"], p["sigma"], q["mu"], q["sigma"])


def test_pain_2_5_frechet_from_statistics_against_torch_fidelity(race, statistics):
    (peer,) = fid_statistics_to_metric(*statistics, verbose=False).values()
    assert from_statistics(*statistics) == pytest.approx(peer, rel=1e-6)
    race(
        "Frechet from statistics, d = 2048", "torch-fidelity",
        lambda: from_statistics(*statistics), lambda: fid_statistics_to_metric(*statistics, verbose=False),
        least=2.5, rounds=15,
    )  # fmt: skip


def test_frechet_from_statistics_against_torchmetrics(race, statistics):
    theirs = [torch.from_numpy(np.asarray(s[key], dtype=float)) for s in statistics for key in ("mu", "sigma")]
    race(
        "Frechet from statistics, d = 2048", "torchmetrics",
        lambda: from_statistics(*statistics), lambda: _compute_fid(*theirs), least=5, rounds=15,
    )  # fmt: skip


def peer_from_rows(real, fake):
    return fid_statistics_to_metric(*(fid_features_to_statistics(rows) for rows in (real, fake)), verbose=False)


def ours_from_rows(real, fake):
    return between(Moments.of(real), Moments.of(fake))


def test_frechet_of_two_sets_against_torch_fidelity(race, features):
    race(
        "Frechet from two 10,000 x 2048 sets, value", "torch-fidelity",
        lambda: ours_from_rows(*features), lambda: peer_from_rows(*features), least=2,
    )  # fmt: skip


def test_frechet_with_its_error_against_torch_fidelity_without(race, features):
    race(
        "Frechet from two 10,000 x 2048 sets, value with error", "torch-fidelity's bare value",
        lambda: frechet(*features), lambda: peer_from_rows(*features), least=1 / 1.5, rounds=3,
    )  # fmt: skip

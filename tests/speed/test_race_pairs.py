"""Kernel distances and nearest neighbours against torch-fidelity and prdc, on the same arrays and threads."""

import contextlib
import io
import os

import pytest
import torch
from memory import peak
from prdc import compute_prdc
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

from genbench.evidence import Features
from genbench.metrics import coverage, density, frechet, kid, precision, recall

N, D = 10_000, 2048
PAIRS = (kid, precision, recall, density, coverage)
KID = {"kid_subsets": 100, "kid_subset_size": 1000, "kid_kernel": "poly", "kid_kernel_poly_degree": 3,
       "kid_kernel_poly_gamma": None, "kid_kernel_poly_coef0": 1.0, "rng_seed": 2020, "verbose": False}  # fmt: skip
PRC = {"prc_neighborhood": 5, "prc_batch_size": 10_000, "save_cpu_ram": False, "verbose": False}


def sets(n=N, d=D):
    """float32, as a network hands features out: a few directions hold most of the spread."""
    noise = torch.Generator().manual_seed(0)
    scale = torch.arange(1, d + 1) ** -0.5
    return [scale * torch.randn(n, d, generator=noise) * spread + 0.4 for spread in (1.0, 0.95)]


@pytest.fixture(scope="module")
def features():
    return sets()


@pytest.fixture
def one_core():
    """prdc starts 8 threads whatever it is told."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    yield
    os.sched_setaffinity(0, cores)


def ours(real, fake, metrics=PAIRS):
    e = Features(real, fake)
    return {metric.name: metric(e).value for metric in metrics}


def theirs(real, fake):
    found = {
        **kid_features_to_metric(fake, real, **KID),
        **prc_features_to_metric(fake, real, **PRC),
    }
    with contextlib.redirect_stdout(io.StringIO()):
        return {**found, **compute_prdc(real.numpy(), fake.numpy(), 5)}


def theirs_with_frechet(real, fake):
    fid = fid_statistics_to_metric(*map(fid_features_to_statistics, (fake, real)), verbose=False)
    return {**fid, **theirs(real, fake)}


def test_pairs_against_torch_fidelity_and_prdc(race, features, one_core):
    race(
        "KID, precision, recall, density, coverage, 10,000 x 2048", "torch-fidelity's KID and PRC, prdc",
        lambda: ours(*features), lambda: theirs(*features), least=4, rounds=1,
    )  # fmt: skip


def test_all_together_against_torch_fidelity_and_prdc(race, features, one_core):
    race(
        "Frechet, KID, precision, recall, density, coverage, 10,000 x 2048", "torch-fidelity's three, prdc",
        lambda: ours(*features, (frechet, *PAIRS)), lambda: theirs_with_frechet(*features), least=4, rounds=3,
    )  # fmt: skip


def test_all_together_take_a_third_of_the_memory(benchmark):
    before = "from test_race_pairs import *; features = sets()"
    used = [
        peak(before, work)
        for work in ("ours(*features, (frechet, *PAIRS))", "ours(*features)", "theirs_with_frechet(*features)")
    ]
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info["megabytes"] = used
    print(f"\nours {used[0]:.0f} MB, without Frechet {used[1]:.0f} MB, theirs {used[2]:.0f} MB")
    assert used[0] <= used[2] / 3


@pytest.mark.parametrize("n", [1000, 2000, 4000, 8000])
def test_the_cost_of_pairs_against_n(benchmark, n):
    real, fake = sets(n, 512)
    benchmark.pedantic(lambda: ours(real, fake), rounds=3, warmup_rounds=1)

"""What metrics cost against n, from 1,000 rows to as many as each can be asked of, and against d."""

import numpy as np
import pytest
import torch

from genbench import metrics

SIZES = [round(10 ** (3 + i / 2)) for i in range(7)]  # 1,000 .. 1,000,000
D, WIDTHS, N = 16, [4, 16, 64, 256, 1024], 1000
UP_TO = {  # rows: to a minute or so, or a few hundred megabytes
    "frechet": 10**6,
    "frechet_debiased": 10**6,
    "sliced_wasserstein": 10**5,
    "kid": 31_623,
    "mmd": 31_623,
    "energy": 31_623,
    "coverage": 31_623,
    "wasserstein_bracket": 10**4,
    "wasserstein": 3162,
}


def sets(n, d):
    noise = torch.Generator().manual_seed(0)
    return [torch.randn(n, d, generator=noise, dtype=torch.float64) + by for by in (0.0, 0.1)]


@pytest.mark.parametrize(("name", "n"), [(name, n) for name, most in UP_TO.items() for n in SIZES if n <= most])
def test_cost_against_n(cost, name, n):
    pair = sets(n, D)
    cost(name, f"rows a side, of {D} numbers", n, lambda: getattr(metrics, name)(*pair))


@pytest.mark.parametrize("n", SIZES)
def test_cost_of_uniformity_against_draws(cost, n):
    draws = np.random.default_rng(0).integers(1000, size=n)
    cost("uniformity_l1", f"rows a side, of {D} numbers", n, lambda: metrics.uniformity_l1(draws, 1000))


@pytest.mark.parametrize("name", UP_TO)
@pytest.mark.parametrize("d", WIDTHS)
def test_cost_against_d(cost, name, d):
    if name == "frechet_debiased" and d >= 15 * N // 16:
        pytest.skip("it asks for more rows than features, with a sixteenth of the rows left out")
    pair = sets(N, d)
    cost(name, f"numbers a row, of {N} rows a side", d, lambda: getattr(metrics, name)(*pair))

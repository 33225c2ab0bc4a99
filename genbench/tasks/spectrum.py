"""A Gaussian whose spectrum is known, so that every reconstruction by k numbers has a known best."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, pi

import torch
from torch import Generator, Tensor

from genbench.task import Task
from genbench.tasks import on_cpu
from genbench.tasks.planes import drawn


@dataclass(frozen=True)
class Spectral:
    """N(0, V diag(values) V'), values (d,) falling, V (d, d) orthogonal; in doubles, for the smallest is 5e-8."""

    values: Tensor
    vectors: Tensor

    def draw(self, n: int, noise: Generator) -> Tensor:
        z = torch.randn(n, len(self.values), generator=noise, dtype=torch.float64)
        return (z * self.values.sqrt() @ self.vectors.T).float()

    def log_prob(self, x: Tensor) -> Tensor:
        values, vectors = self.values.to(x.device), self.vectors.to(x.device)
        z = x.double() @ vectors / values.sqrt()
        return (-0.5 * (z.square() + (2 * pi * values).log()).sum(1)).to(x)

    def lost(self, k: int) -> float:
        """The expected squared error of a row by the best k linear numbers: the sum of the eigenvalues left out."""
        return float(self.values[k:].sum())

    @property
    def entropy(self) -> float:
        return 0.5 * (len(self.values) * (1 + log(2 * pi)) + float(self.values.log().sum()))


@on_cpu
def lowrank64(train: int = 2_000, test: int = 2_000, seed: int = 0) -> Task:
    """64 numbers with variances 4 * 0.75^i along directions of the seed's own: all but 1e-4 of them in 32 of these."""
    noise = Generator().manual_seed(seed)
    values = 4 * 0.75 ** torch.arange(64, dtype=torch.float64)
    vectors, _ = torch.linalg.qr(torch.randn(64, 64, generator=noise, dtype=torch.float64))
    return drawn("lowrank64", Spectral(values, vectors), 64, train, test, noise)

"""One file: a model that imports nothing of genbench, a task and a metric."""

from math import pi

import torch

from genbench.evidence import Samples
from genbench.metric import metric
from genbench.record import Estimate
from genbench.task import Real, Rows, Spec, Task, splits


class Gauss:
    """A diagonal Gaussian."""

    def __init__(self, spec, *, wider: float = 1.0):
        self.wider = wider

    def fit(self, stream):
        x, _ = stream.whole()
        self.mean, self.scale = x.mean(0), self.wider * x.std(0, correction=0) + 1e-3

    def sample(self, n):
        return self.mean + self.scale * torch.randn(n, *self.mean.shape)

    def log_prob(self, x):
        z = (x - self.mean) / self.scale
        return (-0.5 * z.square() - self.scale.log() - 0.5 * torch.tensor(2 * pi).log()).flatten(1).sum(1)


def line(n: int = 2000) -> Task:
    x = 3 + torch.randn(n, 2, generator=torch.Generator().manual_seed(0))
    spec = Spec(Real((2,)))
    return Task("toy-line", spec, *splits(spec, Rows(x), (200, 300, 300)))


@metric("lower", unit="length")
def mean_gap(e: Samples) -> Estimate:
    """Distance between the means of real and fake rows."""
    gap = e.real.mean(0) - e.fake.mean(0)
    error = (e.real.var(0) / len(e.real) + e.fake.var(0) / len(e.fake)).sum().sqrt()
    return Estimate(float(gap.norm()), float(error), len(e.fake))

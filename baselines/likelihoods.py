"""Densities as the spec alone chooses them, every constant included: what a decoder's numbers say about x, and how
rows with a range become numbers without one."""

from __future__ import annotations

from math import log, prod

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from baselines.nets import dequantised, pictured
from baselines.normals import normal
from genbench.task import Bits, Counts, Real, Spec


class Gaussian(nn.Module):
    """N(mean(raw), scale^2), the scale learned, one for each number of x and the same at every z."""

    # Adam moves a parameter by its rate a step: at 1e-3 a log-scale would need 4,000 steps from 1 to .02. It starts
    # below the data's own scale: begun at 1, a ring of radius 2 is explained as noise and z is never used.
    GAIN, START = 10.0, 0.1

    def __init__(self, kind: Real) -> None:
        super().__init__()
        self.kind = kind
        self.scale = nn.Parameter(torch.full(kind.shape, log(self.START) / self.GAIN))

    def mean(self, raw: Tensor) -> Tensor:
        return pictured(raw, self.kind)

    def log_prob(self, x: Tensor, raw: Tensor) -> Tensor:
        """(k, n) from x (n, *shape) and raw (k, n, d)."""
        axes = len(self.kind.shape)
        return normal(x.flatten(-axes), self.mean(raw).flatten(-axes), self.GAIN * self.scale.flatten())

    def draw(self, raw: Tensor) -> Tensor:
        mean = self.mean(raw)
        return mean + (self.GAIN * self.scale).exp() * torch.randn_like(mean)

    def sample(self, raw: Tensor) -> Tensor:
        """A draw; of a picture the mean, with the task's own dequantisation noise, as the field shows pictures."""
        return dequantised(self.mean(raw), self.kind) if self.kind.levels else self.draw(raw)


class Bernoulli(nn.Module):
    """Independent bits with logits raw."""

    def __init__(self, kind: Bits) -> None:
        super().__init__()
        self.kind = kind

    def mean(self, raw: Tensor) -> Tensor:
        return pictured(raw, self.kind)

    def log_prob(self, x: Tensor, raw: Tensor) -> Tensor:
        """(k, n) from x (n, *shape) and raw (k, n, d)."""
        return logsigmoid((2 * x.flatten(-len(self.kind.shape)) - 1) * raw).sum(-1)

    def draw(self, raw: Tensor) -> Tensor:
        return torch.bernoulli(self.mean(raw))

    sample = draw


def likelihood(spec: Spec) -> Gaussian | Bernoulli:
    """Bernoulli on Bits, Gaussian on Real."""
    if isinstance(spec.x, Counts):
        raise NotImplementedError("needs real rows or bits, not counts")
    return Bernoulli(spec.x) if isinstance(spec.x, Bits) else Gaussian(spec.x)


class Preprocessing(nn.Module):
    """x without a range, for densities on all of R^d: logit(alpha + (1 - 2 alpha) x) where it has one (Dinh et al.,
    2017), then a standardisation. Both count in the log-determinant, and the inverse undoes both."""

    mean: Tensor
    scale: Tensor

    def __init__(self, kind: Real, alpha: float = 0.05) -> None:
        super().__init__()
        self.bounded = kind.low is not None and kind.high is not None
        low, high = (kind.low or 0.0, kind.high or 0.0) if self.bounded else (0.0, 1.0)
        self.shape, self.slope = kind.shape, (1 - 2 * alpha) / (high - low)
        self.offset = alpha - self.slope * low
        self.register_buffer("mean", torch.zeros(prod(kind.shape)))
        self.register_buffer("scale", torch.ones(prod(kind.shape)))

    def logit(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Flat logits and their log-determinant, before the standardisation."""
        x = x.flatten(1)
        if not self.bounded:
            return x, x.new_zeros(len(x))
        p = self.offset + self.slope * x
        return p.logit(), (log(self.slope) - p.log() - (1 - p).log()).sum(1)

    def standardise(self, x: Tensor) -> None:
        """Take mean and scale from these rows."""
        y, _ = self.logit(x)
        self.mean, self.scale = y.mean(0), y.std(0, correction=0).clamp(min=1e-3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y, log_det = self.logit(x)
        return (y - self.mean) / self.scale, log_det - self.scale.log().sum()

    def inverse(self, y: Tensor) -> Tensor:
        y = y * self.scale + self.mean
        return ((y.sigmoid() - self.offset) / self.slope if self.bounded else y).unflatten(1, self.shape)

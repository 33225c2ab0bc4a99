"""What a decoder's numbers say about x: a likelihood chosen by the spec alone, every constant included."""

from __future__ import annotations

from math import log, pi

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from baselines.nets import dequantised, pictured
from genbench.task import Bits, Real, Spec


def normal(x: Tensor, mean: Tensor | float = 0.0, log_scale: Tensor | float = 0.0) -> Tensor:
    """log N(x; mean, scale^2) in nats, summed over the last axis; the standard normal by default."""
    log_scale = torch.as_tensor(log_scale).to(x)
    return (-0.5 * ((x - mean) * (-log_scale).exp()).square() - log_scale - 0.5 * log(2 * pi)).sum(-1)


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

    def sample(self, raw: Tensor) -> Tensor:
        """A draw; of a picture the mean, with the task's own dequantisation noise, as the field shows pictures."""
        mean = self.mean(raw)
        if self.kind.levels:
            return dequantised(mean, self.kind)
        return mean + (self.GAIN * self.scale).exp() * torch.randn_like(mean)


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

    def sample(self, raw: Tensor) -> Tensor:
        return torch.bernoulli(self.mean(raw))


def likelihood(spec: Spec) -> Gaussian | Bernoulli:
    """Bernoulli on Bits, Gaussian on Real."""
    return Bernoulli(spec.x) if isinstance(spec.x, Bits) else Gaussian(spec.x)

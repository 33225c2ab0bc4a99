"""What an autoregressive network's numbers say of each number of a row, as the spec alone chooses: bits, mixtures of
logistics over the cells of quantised rows, mixtures of normals over the real line."""

from __future__ import annotations

from math import log, pi, prod

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from baselines.likelihoods import Preprocessing
from baselines.nets import centred, dequantised
from genbench.task import Bits, Counts, Real, Spec


class Coins(nn.Module):
    """Bits: one logit each."""

    outputs = 1

    def __init__(self, kind: Bits) -> None:
        super().__init__()
        self.kind = kind
        self.start = torch.zeros(1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Rows as the network reads and predicts them, flat (n, d), and what that adds to a row's log-density (n,)."""
        return centred(x, self.kind), x.new_zeros(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        return ((y + 1) / 2).unflatten(1, self.kind.shape)

    def log_prob(self, y: Tensor, raw: Tensor) -> Tensor:
        """Of each number y (...) given raw (..., outputs)."""
        return logsigmoid(y * raw.squeeze(-1))

    def draw(self, raw: Tensor) -> Tensor:
        return 2 * torch.bernoulli(raw.squeeze(-1).sigmoid()) - 1


def mixed(weight: Tensor, parts: Tensor) -> Tensor:
    """The log-density of a mixture with logits `weight` and log-densities `parts` (..., components)."""
    return (weight.log_softmax(-1) + parts).logsumexp(-1)


def picked(weight: Tensor, *values: Tensor) -> list[Tensor]:
    """The values (...) of one component each, drawn by the logits `weight` (..., components)."""
    gumbel = weight - torch.empty_like(weight).exponential_().log()
    which = gumbel.argmax(-1, keepdim=True)
    return [value.gather(-1, which).squeeze(-1) for value in values]


def start(components: int, log_scale: float) -> Tensor:
    """Raw numbers to begin with: means side by side, for equal components never part."""
    means = torch.linspace(-1, 1, components + 2)[1:-1]
    return torch.cat([torch.zeros(components), means, torch.full((components,), log_scale)])


class Logistics(nn.Module):
    """Quantised rows: a mixture of logistics (Salimans et al., 2017) gives each cell a probability, which as a density
    of the dequantised row is spread evenly over the cell. The outer cells take the tails; the network sees cells."""

    def __init__(self, kind: Real, components: int) -> None:
        super().__init__()
        self.kind, self.outputs, self.start = kind, 3 * components, start(components, -2.0)
        self.half = 1 / (kind.levels or 1)  # of a cell, on [-1, 1]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        cell = ((centred(x, self.kind) + 1) / (2 * self.half)).floor().clamp(0, 1 / self.half - 1)
        constant = -log(self.kind.cell) * prod(self.kind.shape)
        return self.half * (2 * cell + 1) - 1, x.new_full((len(x),), constant)

    def inverse(self, y: Tensor) -> Tensor:
        low, high = self.kind.low or 0.0, self.kind.high or 0.0
        return dequantised(low + (high - low) * (y.unflatten(1, self.kind.shape) + 1) / 2, self.kind)

    def log_prob(self, y: Tensor, raw: Tensor) -> Tensor:
        """log(S(b) - S(a)) between a cell's edges, S the logistic function, as log S(b) S(-a) (1 - exp(a - b)): which
        loses no digits wherever the cell lies."""
        weight, mean, log_scale = raw.chunk(3, -1)
        y, rate = y.unsqueeze(-1), (-log_scale.clamp(min=-7)).exp()
        lowest, highest = y < 1.5 * self.half - 1, y > 1 - 1.5 * self.half
        a = ((y - self.half - mean) * rate).masked_fill(lowest, -torch.inf)
        b = ((y + self.half - mean) * rate).masked_fill(highest, torch.inf)
        within = (2 * self.half * rate).masked_fill(lowest | highest, torch.inf)
        return mixed(weight, logsigmoid(b) + logsigmoid(-a) + (-torch.expm1(-within)).log())

    def draw(self, raw: Tensor) -> Tensor:
        weight, mean, log_scale = raw.chunk(3, -1)
        mean, log_scale = picked(weight, mean, log_scale)
        u = torch.rand_like(mean).clamp(1e-6, 1 - 1e-6)
        y = mean + log_scale.clamp(min=-7).exp() * u.logit()
        cell = ((y + 1) / (2 * self.half)).floor().clamp(0, 1 / self.half - 1)
        return self.half * (2 * cell + 1) - 1


class Normals(nn.Module):
    """Real rows that were never quantised: a mixture of normals, of rows that are standardised first."""

    def __init__(self, kind: Real, components: int) -> None:
        super().__init__()
        self.preprocessing = Preprocessing(kind)
        self.outputs, self.start = 3 * components, start(components, -1.0)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.preprocessing(x)

    def inverse(self, y: Tensor) -> Tensor:
        return self.preprocessing.inverse(y)

    def log_prob(self, y: Tensor, raw: Tensor) -> Tensor:
        weight, mean, log_scale = raw.chunk(3, -1)
        z = (y.unsqueeze(-1) - mean) * (-log_scale).exp()
        return mixed(weight, -0.5 * (z.square() + log(2 * pi)) - log_scale)

    def draw(self, raw: Tensor) -> Tensor:
        weight, mean, log_scale = raw.chunk(3, -1)
        mean, log_scale = picked(weight, mean, log_scale)
        return mean + log_scale.exp() * torch.randn_like(mean)


def conditional(spec: Spec, components: int) -> Coins | Logistics | Normals:
    """Coins on Bits; on Real logistics where rows are quantised, else normals."""
    if isinstance(spec.x, Counts):
        raise NotImplementedError("needs real rows or bits, not counts")
    if isinstance(spec.x, Bits):
        return Coins(spec.x)
    return Logistics(spec.x, components) if spec.x.cell else Normals(spec.x, components)

"""A mixture for each number of a row: of logistics over the cells of quantised rows, of normals over the real line."""

from __future__ import annotations

from math import log, pi, prod

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from baselines.likelihoods import Preprocessing
from baselines.nets import centred, dequantised
from genbench.task import Real


def start(components: int, log_scale: float) -> Tensor:
    """What is added to raw numbers, so that the components begin side by side: equal ones never part."""
    means = torch.linspace(-1, 1, components + 2)[1:-1]
    return torch.cat([torch.zeros(components), means, torch.full((components,), log_scale)])


def mixed(weight: Tensor, parts: Tensor) -> Tensor:
    """The log-density of a mixture with logits `weight` and log-densities `parts` (..., components)."""
    return (weight.log_softmax(-1) + parts).logsumexp(-1)


def picked(weight: Tensor, *values: Tensor) -> list[Tensor]:
    """The values (...) of one component each, drawn by the logits `weight` (..., components)."""
    which = (weight - torch.empty_like(weight).exponential_().log()).argmax(-1, keepdim=True)
    return [value.gather(-1, which).squeeze(-1) for value in values]


class Logistics(nn.Module):
    """Quantised rows: a mixture of logistics (Salimans et al., 2017) gives each cell a probability, which as a density
    of the dequantised row is spread evenly over the cell. The outer cells take the tails; the network sees cells."""

    start: Tensor

    def __init__(self, kind: Real, components: int) -> None:
        super().__init__()
        self.kind, self.outputs = kind, 3 * components
        self.levels = kind.levels or 1
        self.edge = 1 / self.levels  # half a cell on [-1, 1]
        self.register_buffer("start", start(components, -2.0))

    def middle(self, y: Tensor) -> Tensor:
        """Of the cell where each y on [-1, 1] lies, or of the outer one before which it stops."""
        return self.edge * (2 * ((y + 1) / (2 * self.edge)).floor().clamp(0, self.levels - 1) + 1) - 1

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.middle(centred(x, self.kind)), x.new_full((len(x),), -log(self.kind.cell) * prod(self.kind.shape))

    def inverse(self, y: Tensor) -> Tensor:
        low, high = self.kind.low or 0.0, self.kind.high or 0.0
        return dequantised(low + (high - low) * (y.unflatten(1, self.kind.shape) + 1) / 2, self.kind)

    def log_prob(self, y: Tensor, raw: Tensor) -> Tensor:
        """log(S(b) - S(a)) between a cell's edges, S the logistic function, as log S(b) S(-a) (1 - exp(a - b)): which
        loses no digits wherever the cell lies."""
        weight, mean, log_scale = (raw + self.start).chunk(3, -1)
        y, rate = y.unsqueeze(-1), (-log_scale.clamp(min=-7)).exp()
        lowest, highest = y < 1.5 * self.edge - 1, y > 1 - 1.5 * self.edge
        a = ((y - self.edge - mean) * rate).masked_fill(lowest, -torch.inf)
        b = ((y + self.edge - mean) * rate).masked_fill(highest, torch.inf)
        within = (2 * self.edge * rate).masked_fill(lowest | highest, torch.inf)
        return mixed(weight, logsigmoid(b) + logsigmoid(-a) + (-torch.expm1(-within)).log())

    def draw(self, raw: Tensor) -> Tensor:
        mean, log_scale = picked(*(raw + self.start).chunk(3, -1))
        return self.middle(mean + log_scale.clamp(min=-7).exp() * torch.rand_like(mean).logit(1e-6))


class Normals(nn.Module):
    """Real rows that were never quantised: a mixture of normals, of rows that are standardised first."""

    start: Tensor

    def __init__(self, kind: Real, components: int) -> None:
        super().__init__()
        self.preprocessing, self.outputs = Preprocessing(kind), 3 * components
        self.register_buffer("start", start(components, -1.0))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.preprocessing(x)

    def inverse(self, y: Tensor) -> Tensor:
        return self.preprocessing.inverse(y)

    def log_prob(self, y: Tensor, raw: Tensor) -> Tensor:
        weight, mean, log_scale = (raw + self.start).chunk(3, -1)
        z = (y.unsqueeze(-1) - mean) * (-log_scale).exp()
        return mixed(weight, -0.5 * (z.square() + log(2 * pi)) - log_scale)

    def draw(self, raw: Tensor) -> Tensor:
        mean, log_scale = picked(*(raw + self.start).chunk(3, -1))
        return mean + log_scale.exp() * torch.randn_like(mean)

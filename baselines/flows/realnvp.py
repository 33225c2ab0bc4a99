"""Real NVP: an invertible network, so that density, samples and codes are all exact and all cheap."""

from __future__ import annotations

from math import log
from typing import Any

import torch
from torch import Tensor, nn

from baselines.likelihoods import normal
from baselines.nets import mlp
from baselines.play import Player, play
from genbench.task import Bits, Real, Spec


class Preprocessing(nn.Module):
    """logit(alpha + (1 - 2 alpha) x) where x has a range, then a standardisation; both count in the density."""

    def __init__(self, kind: Real, size: int, alpha: float = 0.05) -> None:
        super().__init__()
        self.bounded = kind.low is not None and kind.high is not None
        low, high = (kind.low or 0.0, kind.high or 0.0) if self.bounded else (0.0, 1.0)
        self.shape, self.slope = kind.shape, (1 - 2 * alpha) / (high - low)
        self.offset = alpha - self.slope * low
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))

    def logit(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = x.flatten(1)
        if not self.bounded:
            return x, x.new_zeros(len(x))
        p = self.offset + self.slope * x
        return p.logit(), (log(self.slope) - p.log() - (1 - p).log()).sum(1)

    def standardise(self, x: Tensor) -> None:
        y, _ = self.logit(x)
        self.mean, self.scale = y.mean(0), y.std(0, correction=0).clamp(min=1e-3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y, log_det = self.logit(x)
        return (y - self.mean) / self.scale, log_det - self.scale.log().sum()

    def inverse(self, y: Tensor) -> Tensor:
        y = y * self.scale + self.mean
        return ((y.sigmoid() - self.offset) / self.slope if self.bounded else y).unflatten(1, self.shape)


class Coupling(nn.Module):
    """y_b = x_b exp(s(x_a)) + t(x_a), y_a = x_a; s is a learned multiple of a tanh, so that no step can blow up."""

    def __init__(self, order: Tensor, width: int) -> None:
        super().__init__()
        kept = len(order) // 2
        self.register_buffer("a", order[:kept])
        self.register_buffer("b", order[kept:])
        self.net = mlp(kept, width, width, 2 * (len(order) - kept))
        self.reach = nn.Parameter(torch.ones(len(order) - kept))

    def terms(self, x: Tensor) -> tuple[Tensor, Tensor]:
        s, t = self.net(x[:, self.a]).chunk(2, 1)
        return self.reach * s.tanh(), t

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        s, t = self.terms(x)
        return x.index_copy(1, self.b, x[:, self.b] * s.exp() + t), s.sum(1)

    def inverse(self, y: Tensor) -> Tensor:
        s, t = self.terms(y)
        return y.index_copy(1, self.b, (y[:, self.b] - t) * (-s).exp())


class RealNVP(nn.Module):
    """Dinh, Sohl-Dickstein & Bengio, 2017, with plain networks on the flat row.

    Masks are a random half and its complement in turn (on a plane: swap), and one fixed standardisation stands for
    their running batch normalisation, so a density never depends on its batch. Weight decay, as theirs.
    """

    def __init__(
        self, spec: Spec, *, couplings: int = 8, width: int = 128, rate: float = 1e-3, decay: float = 0.0, batch: int = 128
    ) -> None:
        super().__init__()
        if isinstance(spec.x, Bits):
            raise NotImplementedError("needs a continuous density, and bits have none")
        self.size, self.rate, self.decay, self.batch = spec.size, rate, decay, batch
        self.preprocessing = Preprocessing(spec.x, spec.size)
        orders: list[Tensor] = []
        for i in range(couplings):
            orders.append(orders[-1].flip(0) if i % 2 else torch.randperm(spec.size))
        self.couplings = nn.ModuleList(Coupling(order, width) for order in orders)

    def transform(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z and log |det dz/dx|, preprocessing included."""
        z, log_det = self.preprocessing(x)
        for coupling in self.couplings:
            z, more = coupling(z)
            log_det = log_det + more
        return z, log_det

    def log_prob(self, x: Tensor) -> Tensor:
        z, log_det = self.transform(x)
        return normal(z) + log_det

    def loss(self, x: Tensor, y: Tensor | None) -> Tensor:
        return -self.log_prob(x).mean()

    def fit(self, stream: Any) -> None:
        self.preprocessing.standardise(stream.whole().x)
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.rate, weight_decay=self.decay, fused=True)
        play(stream.batches(self.batch), Player("likelihood", self.loss, optimizer))

    def encode(self, x: Tensor) -> Tensor:
        return self.transform(x)[0]

    def latent(self, n: int) -> Tensor:
        return torch.randn(n, self.size)

    def decode(self, z: Tensor) -> Tensor:
        for coupling in reversed(self.couplings):
            z = coupling.inverse(z)
        return self.preprocessing.inverse(z)

    def sample(self, n: int) -> Tensor:
        return self.decode(self.latent(n))

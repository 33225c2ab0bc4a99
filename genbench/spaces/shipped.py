"""The spaces whose weights travel in the package: the penultimate layer of a small classifier of one task's images.

`scripts/train_space.py` made the weights, from the training rows of the task alone. Their header says how well they
classify the rest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from genbench.errors import BadInput
from genbench.spaces import cache

CHUNK = 1024  # rows at a time, so that memory does not grow with n


def digits_body() -> nn.Sequential:
    """(n, 1, 8, 8) -> (n, 32). It ends before the activation: dead units would leave covariances singular."""
    return nn.Sequential(
        nn.Conv2d(1, 24, 3, padding=1), nn.ReLU(),
        nn.Conv2d(24, 48, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(48 * 4 * 4, 32),
    )  # fmt: skip


def fashion_body() -> nn.Sequential:
    """(n, 1, 28, 28) -> (n, 64), before the activation too."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 48, 3, padding=1), nn.ReLU(),
        nn.Conv2d(48, 48, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(48 * 3 * 3, 64),
    )  # fmt: skip


def head(d: int) -> nn.Sequential:
    """(n, d) -> (n, 10)."""
    return nn.Sequential(nn.ReLU(), nn.Linear(d, 10))


class Shipped:
    """Features (n, d) and logits (n, 10) of images (n, *shape) with ink in [0, 1], grey or binary."""

    resized = ""
    worth = 10_000  # rows from which reading features is quicker than making them

    def __init__(self, name: str, shape: tuple[int, ...], body: Callable[[], nn.Sequential], d: int) -> None:
        self.name, self.shape, self.d = name, shape, d
        self.weights = Path(__file__).with_name(f"{name}.safetensors")
        with torch.device("meta"):  # no initial weights are drawn, so the caller's random numbers stay as they are
            self.net = nn.ModuleDict({"body": body(), "head": head(d)})
        self.net.load_state_dict(load_file(self.weights), assign=True)
        self.net.eval().requires_grad_(False)
        self.digest = hashlib.sha256(self.weights.read_bytes()).hexdigest()[:16]

    @property
    def identity(self) -> str:
        return f"{self.name}:{self.digest}"

    def features(self, x: Tensor) -> Tensor:
        return cache.seen(self, x)["features"]

    def logits(self, x: Tensor) -> Tensor:
        return cache.seen(self, x)["logits"]

    def look(self, x: Tensor) -> dict[str, Tensor]:
        if (shape := tuple(x.shape[1:])) != self.shape:
            raise BadInput(f"the space {self.name!r} sees rows of shape {self.shape}, not {shape}; use 'pixels'")
        self.net.to(x.device)
        features = torch.cat([self.net["body"](rows) for rows in torch.split(x.float(), CHUNK)])
        return {"features": features, "logits": self.net["head"](features)}


digits = partial(Shipped, "digits", (1, 8, 8), digits_body, 32)
fashion_mnist = partial(Shipped, "fashion-mnist", (1, 28, 28), fashion_body, 64)


class Stacked:
    """A space of one channel on images of several (n, c, ...): the features (n, c d) of all, and a logit for every
    combination of their classes (n, classes^c), the last channel's running fastest."""

    resized = ""

    def __init__(self, name: str, channel: Callable[[], Shipped]) -> None:
        self.name, self.channel = name, channel()
        self.digest = self.channel.digest

    def each(self, see: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """What the space sees in each channel, (n, c, d)."""
        return see(x.flatten(0, 1)[:, None]).reshape(len(x), x.shape[1], -1)

    def features(self, x: Tensor) -> Tensor:
        return self.each(self.channel.features, x).flatten(1)

    def logits(self, x: Tensor) -> Tensor:
        total, *rest = self.each(self.channel.logits, x).log_softmax(2).unbind(1)
        for logits in rest:
            total = (total[:, :, None] + logits[:, None]).flatten(1)
        return total


stacked_digits = partial(Stacked, "stacked-digits", digits)


class Padded:
    """A space of smaller images, of which these have `margin` pixels more on each side."""

    resized = ""

    def __init__(self, name: str, inner: Callable[[], Shipped], margin: int) -> None:
        self.name, self.inner, self.margin = name, inner(), margin
        self.digest = self.inner.digest

    def cut(self, x: Tensor) -> Tensor:
        return x[..., self.margin : -self.margin, self.margin : -self.margin].contiguous()

    def features(self, x: Tensor) -> Tensor:
        return self.inner.features(self.cut(x))

    def logits(self, x: Tensor) -> Tensor:
        return self.inner.logits(self.cut(x))


fashion_mnist_32 = partial(Padded, "fashion-mnist-32", fashion_mnist, 2)

"""The space of 8x8 digits: a small classifier's penultimate layer, with weights that travel in the package.

`scripts/train_digits_space.py` made the weights, from the training rows of the task `digits` alone. Their header
says how well they classify the rest.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from genbench.errors import BadInput

WEIGHTS = Path(__file__).with_suffix(".safetensors")
SHAPE = (1, 8, 8)
CHUNK = 1024  # rows at a time, so that memory does not grow with n


def body() -> nn.Sequential:
    """(n, 1, 8, 8) -> (n, 32). It ends before the activation: dead units would leave covariances singular."""
    return nn.Sequential(
        nn.Conv2d(1, 24, 3, padding=1), nn.ReLU(),
        nn.Conv2d(24, 48, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(48 * 4 * 4, 32),
    )  # fmt: skip


def head() -> nn.Sequential:
    """(n, 32) -> (n, 10)."""
    return nn.Sequential(nn.ReLU(), nn.Linear(32, 10))


class Digits:
    """Features (n, 32) and logits (n, 10) of images (n, 1, 8, 8) with ink in [0, 1], grey or binary."""

    name = "digits"

    def __init__(self) -> None:
        with torch.device("meta"):  # no initial weights are drawn, so the caller's random numbers stay as they are
            self.net = nn.ModuleDict({"body": body(), "head": head()})
        self.net.load_state_dict(load_file(WEIGHTS), assign=True)
        self.net.eval().requires_grad_(False)
        self.digest = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()[:16]

    def features(self, x: Tensor) -> Tensor:
        if tuple(x.shape[1:]) != SHAPE:
            raise BadInput(f"the space 'digits' sees rows of shape {SHAPE}, not {tuple(x.shape[1:])}; use 'pixels'")
        self.net.to(x.device)
        return torch.cat([self.net["body"](rows) for rows in torch.split(x.float(), CHUNK)])

    def logits(self, x: Tensor) -> Tensor:
        found: Tensor = self.net["head"](self.features(x))
        return found

"""Laws on all strings of a few bits, known by their density alone: what a random walk has to sample."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from math import log
from typing import Literal

import torch
from torch import Generator, Tensor

from genbench.errors import BadInput
from genbench.task import Bits, Modes, Rows, Spec, Task
from genbench.tasks import on_cpu

ROWS = 1000  # a split
LARGEST = 12  # bits


@dataclass(frozen=True)
class Cube:
    """log_p (2^b,) of every string, numbered as its bits say."""

    log_p: Tensor

    def draw(self, n: int, noise: Generator) -> Tensor:
        return strings(len(self.log_p).bit_length() - 1)[self.log_p.exp().multinomial(n, True, generator=noise)]

    def log_prob(self, x: Tensor) -> Tensor:
        places = 2 ** torch.arange(x.shape[1], device=x.device)
        return self.log_p.to(x.device)[(x.long() * places).sum(1)].to(x)

    def unnormalised(self, x: Tensor) -> Tensor:
        return self.log_prob(x) + 1


def strings(bits: int) -> Tensor:
    """All of them (2^b, b), the least bit first."""
    return (torch.arange(2**bits)[:, None] >> torch.arange(bits) & 1).float()


@on_cpu
def cube(bits: int = 5, kind: Literal["rough", "ring"] = "rough", beta: float = 1.0, seed: int = 0) -> Task:
    """p(x) in proportion to exp(beta g(x)) on strings of bits, to be had by `stream.query` but for its constant.

    `rough`: g(x) are independent normals. `ring`: g is the number of neighbours on a ring that agree less that of
    those that do not (Ising), whose two modes, all 0 and all 1, lie the further apart the larger beta is. BadInput
    for fewer than 2 bits or more than 12.
    """
    if not 2 <= bits <= LARGEST:
        raise BadInput(f"bits={bits}; from 2 to {LARGEST}, for all strings are listed")
    noise = Generator().manual_seed(seed)
    x = strings(bits)
    agree = (2 * x - 1) * (2 * x.roll(1, 1) - 1)
    g = torch.randn(2**bits, generator=noise, dtype=torch.float64) if kind == "rough" else agree.double().sum(1)
    law = Cube((beta * g).log_softmax(0))
    train, valid, test, spare = (Rows(law.draw(ROWS, noise)) for _ in range(4))
    return Task(
        "cube", Spec(Bits((bits,))), train, valid, test, spare, log_prob=law.log_prob, query=law.unnormalised
    )  # fmt: skip


@dataclass(frozen=True)
class Needles:
    """Keys with a secret each: secrets (keys, bits), and rows of a secret and then its key's own bits, all alike."""

    secrets: Tensor
    keys: int

    @property
    def rows(self) -> Tensor:
        return torch.cat([self.secrets, strings(self.keys)], 1)

    def draw(self, n: int, noise: Generator) -> Tensor:
        return self.rows[torch.randint(2**self.keys, (n,), generator=noise)]

    def log_prob(self, x: Tensor) -> Tensor:
        bits = self.secrets.shape[1]
        key = (x[:, bits:].long() * 2 ** torch.arange(self.keys)).sum(1)
        return torch.where((self.secrets[key] == x[:, :bits]).all(1), -self.keys * log(2), -torch.inf)


@on_cpu
def needles(bits: int = 8, keys: int = 6, seed: int = 0) -> Task:
    """p(s, k) is alike wherever the hash of the key k is s, of 2^bits strings, and 0 elsewhere: one string a key.

    The hash is SHA-256's first bits, so that `stream.query` says of a row whether it is a sample and nothing of where
    one is. Who may evaluate the hash forwards, as the truth does, has a sample for every key at once. BadInput where
    bits or keys are below 1, or bits above 24.
    """
    if not (1 <= bits <= 24 and 1 <= keys <= LARGEST):
        raise BadInput(f"bits={bits}, keys={keys}; bits are from 1 to 24 and keys from 1 to {LARGEST}")
    hashes = [int.from_bytes(sha256(f"{seed}/{key}".encode()).digest()[:4], "big") for key in range(2**keys)]
    law = Needles((torch.tensor(hashes)[:, None] >> torch.arange(bits) & 1).float(), keys)
    noise = Generator().manual_seed(seed)
    train, valid, test, spare = (Rows(law.draw(ROWS, noise)) for _ in range(4))
    modes = Modes(law.rows, 0.5, torch.full((2**keys,), 0.5**keys))
    return Task(
        "needles", Spec(Bits((bits + keys,))), train, valid, test, spare, log_prob=law.log_prob, modes=modes,
        query=law.log_prob,
    )  # fmt: skip

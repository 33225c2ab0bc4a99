"""Samples of a law of which nothing is known but what it says of the strings that one asks about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from genbench.task import Bits, Spec

Proposals = Callable[[int, int], Iterator[Tensor]]  # (bits, strings at a time) -> strings to ask about


class Search:
    """Asks until the budget is gone, then draws from the strings that were found, each in proportion to its density.

    On a law that is 0 almost everywhere, and says nothing of where it is not, whoever asks about q of N strings finds
    one with the chance q / N: no proposal is better than another, and only asking twice is worse.
    """

    def __init__(self, spec: Spec, *, proposals: Proposals, batch: int = 256) -> None:
        if not isinstance(spec.x, Bits):
            raise NotImplementedError("a search among strings of bits")
        self.shape, self.size, self.proposals, self.batch = spec.x.shape, spec.size, proposals, batch
        self.found, self.log_p = torch.zeros(0, spec.size), torch.zeros(0)

    def fit(self, stream: Any) -> None:
        for x in self.proposals(self.size, self.batch):
            log_p = stream.query(x.view(-1, *self.shape))
            there = log_p > -torch.inf
            self.found = torch.cat([self.found, x[: len(log_p)][there]])
            self.log_p = torch.cat([self.log_p, log_p[there]])
            if stream.spent >= 1:
                break

    def sample(self, n: int) -> Tensor:
        """Any string where none was found."""
        if not len(self.found):
            return torch.randint(2, (n, *self.shape)).float()
        rows, again = self.found.unique(dim=0, return_inverse=True)
        log_p = torch.empty(len(rows)).scatter(0, again, self.log_p)
        return rows[log_p.softmax(0).multinomial(n, replacement=True)].view(n, *self.shape)


def anywhere(bits: int, batch: int) -> Iterator[Tensor]:
    """Independent, so that some are asked twice."""
    while True:
        yield torch.randint(2, (batch, bits)).float()


def flips(bits: int, batch: int) -> Iterator[Tensor]:
    """Walks that flip a bit a step: where all densities are 0, Metropolis' ratio has no opinion and takes every one."""
    x = torch.randint(2, (batch, bits)).float()
    while True:
        yield x
        step = torch.nn.functional.one_hot(torch.randint(bits, (batch,)), bits)
        x = (x + step) % 2


def in_order(bits: int, batch: int) -> Iterator[Tensor]:
    """Each string once, counting from 0."""
    for start in range(0, 2**bits, batch):
        number = torch.arange(start, min(start + batch, 2**bits))
        yield (number[:, None] >> torch.arange(bits) & 1).float()


search_anywhere = partial(Search, proposals=anywhere)
search_by_flips = partial(Search, proposals=flips)
search_in_order = partial(Search, proposals=in_order)

"""Models that misbehave, each in one way, for the tests of what the harness makes of them."""

import os
import signal
import time

import torch
from torch import nn

from baselines.play import Player, play


class Base(nn.Module):
    def __init__(self, spec):
        super().__init__()
        self.shape = spec.x.shape
        self.mean = nn.Parameter(torch.zeros(spec.x.shape))

    def sample(self, n):
        return self.mean.detach() + torch.randn(n, *self.shape)

    def train_with(self, stream, loss):
        play(stream.batches(50), Player("player", loss, torch.optim.SGD(self.parameters(), lr=0.1)))


class Good(Base):
    def fit(self, stream):
        self.train_with(stream, lambda x, y: (x - self.mean).square().mean())


class NaN(Base):
    def fit(self, stream):
        self.train_with(stream, lambda x, y: (x - self.mean).square().mean() * (1 if stream.spent < 0.5 else torch.nan))


class Raises(Base):
    def fit(self, stream):
        raise RuntimeError("the moon is in the wrong quarter")


class Detached(Base):
    def fit(self, stream):
        self.train_with(stream, lambda x, y: (x - self.mean.detach()).square().mean())


class WrongShape(Good):
    def sample(self, n):
        return torch.zeros(n, 5)


class Declines(Base):
    def __init__(self, spec):
        raise NotImplementedError("needs rows of another kind")


class Hangs(Base):
    def fit(self, stream):
        while True:
            time.sleep(1)


class Killed(Base):
    def fit(self, stream):
        os.kill(os.getpid(), signal.SIGKILL)


class Exits(Base):
    def fit(self, stream):
        os._exit(7)


class Slow(Base):
    """Good, but never in a hurry: there is time to kill it."""

    def fit(self, stream):
        def loss(x, y):
            time.sleep(0.02)
            return (x - self.mean).square().mean()

        self.train_with(stream, loss)

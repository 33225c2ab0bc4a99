"""Models that misbehave, each in one way, for the tests of what the harness makes of them."""

import math
import multiprocessing
import os
import random
import signal
import time

import numpy as np
import torch
from torch import nn

from baselines.play import Player, play, together


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


class Stages(Base):
    """A preamble, a stage of plain batches, one of turns, rows between, one of all together; every generator used."""

    def __init__(self, spec):
        super().__init__(spec)
        self.register_buffer("scale", torch.ones(()))
        self.net = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(math.prod(spec.x.shape)), nn.Dropout(0.1))

    def fit(self, stream):
        def loss(x, y):
            shift = random.random() + np.random.rand() + float(torch.rand(()))
            return (self.net(x) * self.scale - self.mean.flatten() - shift).square().mean()

        adam = torch.optim.Adam(self.parameters(), lr=0.01)
        for x, _ in stream.batches(100, until=0.2):
            self.scale = self.scale * 0.9 + 0.1 * x.std()
        play(stream.batches(50, until=0.5), Player("one", loss, adam, turns=2), Player("two", loss, adam))
        for x, _ in stream.batches(100, until=0.6):
            self.scale = self.scale * 0.9 + 0.1 * x.std()
        sgd = torch.optim.SGD(self.parameters(), lr=0.01, momentum=0.9)
        fade = torch.optim.lr_scheduler.ExponentialLR(sgd, 0.99)
        together(stream.batches(40), Player("three", loss, sgd, after=fade.step))


class NaNSamples(Good):
    def sample(self, n):
        return torch.full((n, *self.shape), torch.nan)


class Allocates(Base):
    def fit(self, stream):
        kept = []
        while True:
            kept.append(torch.ones(2**24))


class Forks(Good):
    """Leaves a child behind, which hangs."""

    def fit(self, stream):
        if os.fork() == 0:
            time.sleep(10_000)
        super().fit(stream)


class Slow(Base):
    """Good, but never in a hurry: there is time to kill it."""

    def fit(self, stream):
        def loss(x, y):
            time.sleep(0.02)
            return (x - self.mean).square().mean()

        self.train_with(stream, loss)


class Bereaved(Base):
    """Kills the process that started its own."""

    def fit(self, stream):
        os.kill(multiprocessing.parent_process().pid, signal.SIGKILL)
        time.sleep(60)


class SeesGPU(Base):
    """Writes down, for a while, which GPU it was given."""

    def fit(self, stream):
        time.sleep(0.5)
        raise RuntimeError(os.environ["CUDA_VISIBLE_DEVICES"])


class Naps(Good):
    """Takes a second of nobody's time."""

    def fit(self, stream):
        super().fit(stream)
        time.sleep(1)

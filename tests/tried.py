"""Models with something to search and tasks to search on, for the tests of `genbench tune`."""

from dataclasses import replace
from typing import Annotated

import things
import torch

from genbench.task import Rows
from genbench.tasks.planes import ring8


class Shifted:
    """The ring, moved by `shift`: at 0 it is the ring itself."""

    def __init__(
        self, spec, *, shift: Annotated[float, -2.0, 2.0] = 1.5, turn: Annotated[str, "left", "right"] = "left"
    ):
        self.shift, self.turn = shift, turn

    def fit(self, stream):
        self.rows = stream.whole().x

    def sample(self, n):
        return self.rows[torch.randint(len(self.rows), (n,))] + self.shift


class Unsure(Shifted):
    """It cannot do half of what it offers."""

    def fit(self, stream):
        if self.shift > 0:
            raise RuntimeError("too far")
        super().fit(stream)


class Slow(things.Slow):
    def __init__(self, spec, *, begin: Annotated[float, 0.1, 10.0] = 5.0):
        super().__init__(spec)
        torch.nn.init.constant_(self.mean, begin)


class Fixed:
    def __init__(self, spec, *, shift: float = 0.0): ...


def no_test():
    """A task whose test rows would spoil every score that saw them."""
    task = ring8()
    return replace(task, test=Rows(torch.full_like(task.test.x, 1e30)))


def no_valid():
    task = ring8()
    return replace(task, valid=task.valid[:0])

"""The tasks: factories of keyword parameters, each returning a Task whose data its own seed fixes, on every device."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import torch

from genbench.task import Task

P = ParamSpec("P")


def on_cpu(factory: Callable[P, Task]) -> Callable[P, Task]:
    """Make the data on the CPU, whatever the default device is, or each device would have data of its own."""

    @wraps(factory)
    def made(*arguments: P.args, **options: P.kwargs) -> Task:
        with torch.device("cpu"):
            return factory(*arguments, **options)

    return made

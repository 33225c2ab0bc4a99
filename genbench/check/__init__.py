"""The conformance suite: what a model, a task or a metric offers calls for the checks it must pass."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from typing import Any

import torch

from genbench.check.common import Check
from genbench.check.metrics import metric_checks
from genbench.check.models import model_checks
from genbench.check.tasks import task_checks
from genbench.errors import BadInput, NotApplicable

SUITES: dict[str, Callable[..., Iterator[Check]]] = {
    "model": model_checks,
    "task": task_checks,
    "metric": metric_checks,
}


def reason(error: Exception) -> str:
    """One line: an assertion's own words, or where another exception came from."""
    if isinstance(error, AssertionError) and str(error):
        return str(error)
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})"


def run(what: str, name: str, **options: Any) -> Iterator[tuple[str, str | None]]:
    """Every check by title, with the reason where it failed. BadInput on an unknown name or unusable data.

    `options` are a task's own (a path, say).
    """
    torch.set_num_threads(1)
    try:
        for title, check in SUITES[what](name, **options):
            try:
                check()
            except NotApplicable:
                continue
            except Exception as error:
                yield title, reason(error)
            else:
                yield title, None
    except BadInput:
        raise
    except Exception as error:
        yield "can be made at all", reason(error)

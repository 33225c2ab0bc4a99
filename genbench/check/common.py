"""What the three suites share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Check = tuple[str, Callable[[], None]]


def hold(condition: Any, what: str) -> None:
    """AssertionError with a reason unless the condition holds (also under python -O)."""
    if not bool(condition):
        raise AssertionError(what)

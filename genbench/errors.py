"""The errors a user can mend: one clear line each, exit code 2."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path


class BadInput(ValueError):
    """What was asked cannot be done as asked; the message says what is wrong and what to do."""


class NotApplicable(NotImplementedError):
    """The question has no answer here, and the message says why; recorded as such, never as a number."""


class Diverged(RuntimeError):
    """Training left the finite numbers."""


class Stopped(BaseException):
    """The run must stop here by no fault of its own (it was asked to, or nothing more can be written) and is taken up
    again later. No `except Exception` of a model or a metric swallows it."""


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Stopped, with the reason, where the disk is full or the folder takes nothing."""
    try:
        yield
    except OSError as error:
        raise Stopped(f"cannot write {place}: {error.strerror or error}; mend that, and run again") from None


def unknown(kind: str, name: str, known: Iterable[str]) -> BadInput:
    """Name the thing, what was expected, and the nearest right name."""
    known = sorted(known)
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known) or 'none'}"
    return BadInput(f"unknown {kind} {name!r}; {hint}")

"""How numbers, counts and options are said, the same in every format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from math import floor, isfinite, log10


def decimals(scale: float, figures: int) -> int | None:
    """How many decimals show that many significant figures; None where only powers of ten would."""
    if scale == 0 or not isfinite(scale):
        return 0
    places = figures - 1 - floor(log10(abs(scale)))
    return None if places > 6 or scale >= 1e7 else max(0, places)


def number(value: float, half: float | None = None) -> tuple[str, str]:
    """A value and the half-width of its interval, cut where the half-width's second figure is."""
    known = half is not None and isfinite(half) and half > 0
    places = decimals(half if known and half is not None else value, 2 if known else 4)
    if not known and value == int(value) and abs(value) < 1e7:
        places = 0
    if places is None:
        return f"{value:.3g}", f"{half:.2g}" if known else "0"
    return f"{value:z.{places}f}", f"{half:.{places}f}" if known else "0"


def rough(value: float) -> str:
    """Two figures: enough for a spread or an error."""
    places = decimals(value, 2)
    return f"{value:.1e}" if places is None else f"{value:.{places}f}"


def unique(reasons: Iterable[str]) -> list[str]:
    return sorted({reason for reason in reasons if reason})


def spanned(ns: Iterable[int | None]) -> str:
    known = sorted({n for n in ns if n})
    return "" if not known else f"{known[0]}" if len(known) == 1 else f"{known[0]}–{known[-1]}"


def runs_of(numbers: Iterable[int]) -> str:
    """Whole numbers in their order, those that follow one another by the first and the last."""
    order = sorted(set(numbers))
    parts = [[x for _, x in group] for _, group in groupby(enumerate(order), lambda pair: pair[1] - pair[0])]
    return ", ".join(f"{part[0]}–{part[-1]}" if len(part) > 2 else ", ".join(map(str, part)) for part in parts)


def options(values: Mapping[str, object]) -> str:
    """The options as a heading says them: without the digest that tells two spaces' weights apart."""
    return ", ".join(f"{k} {str(v).split(':')[0] if k == 'space' else v}" for k, v in sorted(values.items()))

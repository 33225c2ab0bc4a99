"""What has become of a benchmark's runs, seen from their folders: it can be asked while they run. Imports no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from genbench.errors import BadInput
from genbench.execute.local import locked
from genbench.record import PARTIAL, read_run, read_scores


@dataclass(frozen=True)
class Standing:
    """One run: its status, or "running", and what there is to say of it."""

    id: str
    status: str
    why: str = ""


def standings(folder: Path) -> list[Standing]:
    """Every run below a benchmark's folder, by id. BadInput where there is no such folder."""
    if not folder.is_dir():
        raise BadInput(f"no runs at {folder}; make some with `genbench run {folder.name}`")
    return [standing(place) for place in sorted(folder.iterdir()) if place.is_dir() and not place.name.startswith(".")]


def standing(place: Path) -> Standing:
    name = place.name.removesuffix(PARTIAL)
    if name == place.name:
        done = read_run(place)
        return Standing(name, done.status, done.why)
    at = max((record.at for record in read_scores(place)), default=0.0)
    seen = f"scored at {at:.0%}" if at else "not scored yet"
    if held(place):
        return Standing(name, "running", seen)
    why = read_run(place).why if (place / "run.json").exists() else "killed"
    return Standing(name, "stopped", f"{why}; {seen}")


def held(folder: Path) -> bool:
    """Whether a worker lives that writes there: it holds the folder's lock until it dies, however it dies."""
    try:
        with locked(folder) as ours:
            return not ours
    except OSError:
        return False


def said(name: str, found: list[Standing], asked: Collection[str] | None) -> Iterator[str]:
    """A line of counts, against what was asked where that is known, and one for each run that is not ok."""
    mine = [run for run in found if asked is None or run.id in asked]
    counts = Counter(run.status for run in mine)
    left = "" if asked is None else f", {len(asked) - len(mine)} of {len(asked)} not begun"
    other = f" ({len(found) - len(mine)} more are of other code or options)" if len(mine) < len(found) else ""
    yield f"{name}: " + (", ".join(f"{n} {status}" for status, n in sorted(counts.items())) or "none") + left + other
    for run in mine:
        if run.status not in ("ok", "skipped"):
            yield f"  {run.status:<8}  {run.id}: {run.why}"

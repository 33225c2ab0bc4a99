"""Name -> thing, lazily: entry points name catalogues, dicts of "module:thing". Ours are found like anybody's."""

from __future__ import annotations

import importlib
import sys
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from genbench.errors import BadInput, unknown

KINDS = ("models", "tasks", "metrics", "spaces")


@cache
def names(kind: str) -> dict[str, str]:
    """Every known name of a kind and its "module:thing". BadInput when two packages claim one name."""
    found: dict[str, str] = {}
    for point in sorted(
        entry_points(group=f"genbench.{kind}"), key=lambda point: (point.name != "genbench", point.name)
    ):
        catalogue = point.load()
        if clash := sorted(set(found) & set(catalogue)):
            raise BadInput(f"{point.name} offers the {kind[:-1]} {clash[0]!r}, a name that is already taken")
        found.update(catalogue)
    return found


def reference(kind: str, name: str) -> str:
    """The "module:thing" behind a name; `folder:PATH` and `FILE.npz` are tasks; a "module:thing" is itself."""
    known = names(kind)
    if name in known:
        return known[name]
    if kind == "tasks" and name.startswith("folder:"):
        return known["folder"]
    if kind == "tasks" and name.endswith(".npz"):
        return known["npz"]
    if ":" in name:
        return name
    raise unknown(kind[:-1], name, known)


def options(kind: str, name: str) -> dict[str, Any]:
    """The options that a name itself carries: the path of a user's own images."""
    if kind == "tasks" and name not in names(kind):
        if name.startswith("folder:"):
            return {"path": str(Path(name.removeprefix("folder:")).resolve())}
        if name.endswith(".npz"):
            return {"path": str(Path(name).resolve())}
    return {}


def resolve(ref: str) -> Any:
    """Import a "module:thing". BadInput when there is no such module or thing."""
    module, _, thing = ref.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise BadInput(
            f"{ref!r}: no module named {error.name!r}; is its package installed, or its folder here?"
        ) from None
    for part in thing.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise unknown(f"thing in {module}", thing, [n for n in vars(found) if not n.startswith("_")]) from None
    return found


def load(kind: str, name: str) -> Any:
    """The thing behind a name."""
    return resolve(reference(kind, name))

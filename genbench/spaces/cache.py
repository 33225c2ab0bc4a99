"""What a network saw in a set of rows, kept on disk by content: the same rows are shown to the same network once.

The files lie in $GENBENCH_CACHE, else ~/.cache/genbench/features, and together never hold more than LIMIT bytes: the
least recently used go first. A file that is torn or altered is made anew; a folder that cannot be written is done
without.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from typing import Protocol

from safetensors import SafetensorError, safe_open
from torch import Tensor

from genbench.checkpoint import save_whole
from genbench.errors import Stopped

LIMIT = 4 << 30


class Looks(Protocol):
    """A space that can keep what it saw. `worth`: the rows from which reading is quicker than looking again."""

    @property
    def identity(self) -> str:
        """All that its features depend on besides the rows: its name, weights, resizing and range."""

    @property
    def worth(self) -> int: ...

    def look(self, x: Tensor) -> dict[str, Tensor]:
        """Everything that one pass of the rows through the network gives."""


def folder() -> Path:
    return Path(os.environ.get("GENBENCH_CACHE") or Path.home() / ".cache" / "genbench" / "features").expanduser()


def seen(space: Looks, x: Tensor) -> dict[str, Tensor]:
    """`space.look(x)`, or what it gave before."""
    if len(x) < space.worth:
        return space.look(x)
    file = folder() / f"{hashed({'x': x}, space.identity)}.safetensors"
    kept = read(file)
    if kept is None:
        kept = space.look(x)
        with contextlib.suppress(OSError, Stopped):
            save_whole(kept, file, {"content": hashed(kept)})
            prune(file.parent)
    return {name: value.to(x.device) for name, value in kept.items()}


def hashed(tensors: dict[str, Tensor], *also: str) -> str:
    found = hashlib.sha256(repr(also).encode())
    for name, value in sorted(tensors.items()):
        found.update(repr((name, value.dtype, tuple(value.shape))).encode())
        found.update(value.detach().cpu().contiguous().numpy().data)
    return found.hexdigest()


def read(file: Path) -> dict[str, Tensor] | None:
    """The tensors of a file that is as it was written; None otherwise."""
    try:
        with safe_open(file, framework="pt", device="cpu") as held:
            kept = {name: held.get_tensor(name) for name in held.keys()}  # noqa: SIM118
            whole = (held.metadata() or {}).get("content") == hashed(kept)
        os.utime(file)
    except (OSError, SafetensorError):
        return None
    return kept if whole else None


def prune(place: Path) -> None:
    """Delete the least recently used files until LIMIT bytes are left; another process may be doing the same."""
    stats = []
    for file in place.iterdir():
        with contextlib.suppress(FileNotFoundError):
            stats.append((file.stat().st_mtime, file.stat().st_size, file))
    room = LIMIT
    for _, size, file in sorted(stats, reverse=True):
        room -= size
        if room < 0:
            file.unlink(missing_ok=True)

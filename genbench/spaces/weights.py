"""Published weights that do not travel in the package: where they are looked for, and how they are recognised."""

from __future__ import annotations

import hashlib
import os
import socket
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import torch
from torch import Tensor

from genbench.errors import BadInput


def folder() -> Path:
    """$GENBENCH_WEIGHTS, else ~/.cache/genbench/weights."""
    return Path(os.environ.get("GENBENCH_WEIGHTS") or Path.home() / ".cache" / "genbench" / "weights").expanduser()


def trusted() -> bool:
    """Whether the user vouches for files that no published digest vouches for: `--trust`, or GENBENCH_TRUST=1."""
    return os.environ.get("GENBENCH_TRUST", "") not in ("", "0")


@dataclass(frozen=True)
class Weights:
    """One file: its name, the address it is published at, and as much of its SHA-256 as is published ("": none)."""

    file: str
    url: str
    sha256: str = ""

    def find(self, needs: str, now: str) -> tuple[Path, str]:
        """Its path and its SHA-256, from `folder()` or torch.hub's, downloaded to the first if it may be.

        `needs` says who needs it and `now` what works without. BadInput, with the file to fetch and where it goes,
        when it is nowhere; and when it is not the published file and nobody vouches for it.
        """
        place = folder() / self.file
        hub = Path(torch.hub.get_dir()) / "checkpoints" / self.file
        why = self.download(place) if not (place.is_file() or hub.is_file()) else ""
        path = place if place.is_file() or not hub.is_file() else hub
        if not path.is_file():
            raise BadInput(f"{needs} needs weights, and {why}; fetch {self.url} to {place}; {now} now")
        digest = digest_of(path)
        if not (self.sha256 and digest.startswith(self.sha256)) and not trusted():
            known = f"not {self.sha256[:16]} as published" if self.sha256 else "and none is published to compare"
            raise BadInput(
                f"{needs}: {path} has SHA-256 {digest[:16]}, {known}; "
                f"fetch it from {self.url}, or vouch for it yourself with GENBENCH_TRUST=1; {now} now"
            )
        return path, digest

    def download(self, place: Path) -> str:
        """Fetch it, and say why not where it cannot be. What no published digest would vouch for is not fetched."""
        if not self.sha256:
            return "no digest is published by which a download could be accepted"
        before = socket.getdefaulttimeout()
        socket.setdefaulttimeout(20)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(self.url, str(place), self.sha256)
        except (OSError, RuntimeError, HTTPException) as error:
            return f"the download failed ({' '.join(str(error).split())[:200]})"
        finally:
            socket.setdefaulttimeout(before)
        return ""


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint; nothing else that a pickle may hold is ever loaded. BadInput for anything else."""
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a pickle can be wrong in any way
        reason = str(error).splitlines()[0][:200]
        raise BadInput(f"{path}: not a checkpoint of tensors ({reason}); fetch it again") from None
    if not isinstance(held, dict) or not all(isinstance(value, Tensor) for value in held.values()):
        raise BadInput(f"{path}: not a checkpoint of tensors; fetch it again")
    return held

"""One figure, as data alone: it is drawn again only when what it shows has changed."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from genbench.record import digest

FORMATS = ("png", "pdf", "svg")
STYLE = sha256(Path(__file__).with_name("draw.py").read_bytes()).hexdigest()  # another way of drawing draws all anew


def slug(name: str) -> str:
    """A file name that no task's name can lead out of the folder or make clash."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip(".")[:60]
    return plain if plain == name else f"{plain}-{digest(name, 6)}"


@dataclass(frozen=True)
class Figure:
    """One figure: `kind` says how it is drawn, `data` what."""

    kind: str
    task: str
    title: str
    caption: str
    alt: str
    data: dict[str, Any]
    folded: bool = False

    @property
    def name(self) -> str:
        return f"{self.kind}-{slug(self.task)}" if self.task else self.kind

    @cached_property
    def fingerprint(self) -> str:
        def said(array: np.ndarray) -> str:
            return f"{array.dtype}{array.shape}{sha256(array.tobytes()).hexdigest()}"

        text = json.dumps([STYLE, self.kind, self.data], sort_keys=True, default=said)
        return sha256(text.encode()).hexdigest()[:16]

"""The metrics as a plain library: `from genbench.metrics import frechet`; a module is read when a name of it is."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from genbench.catalogues import METRICS

PUBLIC = {**METRICS, "wasserstein": "genbench.metrics.transport:wasserstein"}


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, thing = PUBLIC[name].partition(":")
    return getattr(import_module(module), thing)


def __dir__() -> list[str]:
    return sorted(PUBLIC)

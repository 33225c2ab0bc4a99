"""The metrics as a plain library: `from genbench.metrics import frechet`; a module is read when a name of it is."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from genbench.catalogues import METRICS

PUBLIC = {
    **METRICS,
    "frechet_from_moments": "genbench.metrics.gaussian:frechet_from_moments",
    "Moments": "genbench.metrics.moments:Moments",
    "Streamed": "genbench.metrics.streamed:Streamed",
    "effective_symbols": "genbench.metrics.support:effective_symbols",
}


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, thing = PUBLIC[name].partition(":")
    return getattr(import_module(module), thing)


def __dir__() -> list[str]:
    return sorted(PUBLIC)

"""The taxonomy of generative models as a page, made from what each can be asked and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from genbench.record import write_whole
from genbench.report.page import environment, markdown
from genbench.report.tables import REFERENCES


def taxonomy(models: Sequence[Mapping[str, Any]], families: Sequence[tuple[str, str]], out: Path) -> Path:
    """Write the page and return it. `models` have name, where, family and a truth value a capability; `families` are
    (method, title), in the order in which a model is asked for the method."""
    known = [model for model in models if model["name"] not in REFERENCES]
    facts = {
        "families": [
            {"title": title, "method": method, "models": [m for m in known if m["family"] == title]}
            for method, title in families
        ],
        "heads": [key for key, value in known[0].items() if isinstance(value, bool)] if known else [],
    }
    for name, escape in (("index.html", None), ("README.md", markdown)):
        text = environment(escape).get_template(f"taxonomy-{name}").render(facts)
        write_whole(out / name, text)
    return out / "index.html"

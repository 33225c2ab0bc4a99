"""The front page of a folder of pages: one line a page, from what each page's own README.md says."""

from __future__ import annotations

import re
from pathlib import Path

from genbench.record import write_whole

TOP = """# Reports

Every page is made by `genbench run` or `genbench report` from the runs beside it, and says how to make it again.

| page | asks | and finds |
|:--|:--|:--|
"""


def front(folder: Path) -> Path:
    """Write the folder's README.md and return it. A page that asks nothing stands with its title."""
    lines = []
    for page in sorted(folder.glob("*/README.md")):
        text = page.read_text(encoding="utf-8")
        asked = re.search(r"^\*\*(.+)\*\*$", text, re.MULTILINE) or re.search("^# (.+)$", text, re.MULTILINE)
        summary = re.search(r"^\d+ of \d+ findings? (?:is|are) shown.*$", text, re.MULTILINE)
        first = re.search(r"^- (\*\*(?:shown|not shown|undecided)\*\*: .+)$", text, re.MULTILINE)
        said = " ".join(found[i] for i, found in ((0, summary), (1, first)) if found)
        name = page.parent.name
        lines.append(f"| [{name}]({name}/README.md) | {asked[1] if asked else ''} | {said} |\n")
    out = folder / "README.md"
    write_whole(out, TOP + "".join(lines))
    return out

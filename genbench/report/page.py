"""The texts of a report: one page in HTML and Markdown, tables in LaTeX, every number in CSV and JSON lines.

Each environment escapes whatever a template prints, so no name can reach a page as markup.
"""

from __future__ import annotations

import csv
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from io import StringIO
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from genbench.record import Result, to_lines
from genbench.report.figure import Figure, slug
from genbench.report.tables import COSTS, Cell, Table

TEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "–": "--", "·": r"$\cdot$", "σ": r"$\sigma$",
    "ε": r"$\varepsilon$", "±": r"$\pm$", "−": "$-$", '"': "''",
}  # fmt: skip

FIELDS = (
    "task", "model", "metric", "options", "better", "unit", "version", "n", "seeds", "mean", "half", "low", "high",
    "spread", "sampling_error", "best", "why", "bracket_low", "bracket_high", "rejected",
)  # fmt: skip


def tex(value: Any) -> str:
    """Text for LaTeX: specials escaped, and what its fonts lack named by its code point."""
    return "".join(TEX.get(c, c if " " <= c <= "\u017f" else f"[U+{ord(c):04X}]") for c in " ".join(str(value).split()))


def markdown(value: Any) -> str:
    """Text for one line of Markdown, also inside a table."""
    text = " ".join(str(value).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|#~$])", r"\\\1", text)


def minus(text: str) -> str:
    return text.replace("-", "−")


def mathematics(text: str) -> str:
    """A printed number inside LaTeX's mathematics."""
    return re.sub(r"e([+-])0*(\d+)", lambda m: rf"\times 10^{{{m[1].strip('+')}{m[2]}}}", text)


def environment(escape: Callable[[Any], str] | None, **delimiters: Any) -> Environment:
    """Jinja for one format; `raw` marks what is already in it."""

    class Raw(str):
        __slots__ = ()

    made = Environment(
        loader=PackageLoader("genbench.report"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True, autoescape=escape is None,
        finalize=(lambda value: value if isinstance(value, Raw) else escape(value)) if escape else None, **delimiters,
    )  # fmt: skip
    made.filters |= {"minus": minus, "raw": Raw, "math": lambda text: Raw(mathematics(text)), "slug": slug}
    return made


def html_page(facts: Mapping[str, Any], images: Mapping[str, bytes]) -> str:
    """The page in one file: its style and its figures are inside."""
    inside = {name: f"data:image/png;base64,{b64encode(image).decode()}" for name, image in images.items()}
    return environment(None).get_template("index.html").render(facts, images=inside)


def markdown_page(facts: Mapping[str, Any]) -> str:
    return environment(markdown).get_template("README.md").render(facts)


def tex_table(facts: Mapping[str, Any], table: Table) -> str:
    latex = environment(
        tex, variable_start_string="<<", variable_end_string=">>", block_start_string="<%", block_end_string="%>",
        comment_start_string="<#", comment_end_string="#>",
    )  # fmt: skip
    reasons: dict[str, list[str]] = {}
    for cell in (c for row in table.rows for c in row.cells):
        for why in filter(None, cell.why.split("; ")):
            if cell.model not in (models := reasons.setdefault(why, [])):
                models.append(cell.model)
    return latex.get_template("table.tex").render(facts, table=table, reasons=reasons)


def facts(
    name: str, question: str, reproduce: str, verdicts: Sequence[Any], tables: Sequence[Table],
    figures: Mapping[str, Sequence[Figure]], published: Sequence[Any], results: Sequence[Result],
) -> dict[str, Any]:  # fmt: skip
    """What the templates print."""
    versions = {f"{what} {version}" for r in results for what, version in r.run.versions.items()}
    return {
        "name": name, "question": " ".join(question.split()), "reproduce": reproduce.strip(), "verdicts": verdicts,
        "tables": tables, "figures": figures, "published": published,
        "seeds": sorted({r.run.asked.seed for r in results}),
        "ill": [r for r in results if r.run.status != "ok"], "runs": len(results),
        "fates": sorted(Counter(r.run.status for r in results).items()),
        "made": sorted(versions | {f"device {r.run.asked.device}" for r in results}),
    }  # fmt: skip


def scores_csv(tables: Sequence[Table]) -> str:
    """One line a cell: the interval over seeds, the seeds' spread and the mean sampling error each in a column."""
    out = StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow([*FIELDS, *(f"cost_{name}" for name in COSTS)])
    for table, row, cell in ((t, r, c) for t in tables for r in t.rows for c in r.cells):
        lines.writerow([table.task, row.model, *_fields(cell), *(c.replace(",", "") for c in row.costs)])
    return out.getvalue()


def _fields(cell: Cell) -> list[Any]:
    def said(value: float | None) -> str:
        return "" if value is None else f"{value:.10g}"

    column, mean, half = cell.column, cell.mean, cell.half
    versions = " ".join(sorted({r.version for r in cell.records}))
    ends = (None, None) if mean is None or half is None else (mean.low, mean.high)
    n = "|".join(str(n) for n in sorted({r.n for r in cell.records if r.n is not None}))
    return [
        column.metric, column.key.removeprefix(column.metric), column.better, column.unit, versions, n,
        len(cell.records), said(mean.value if mean else None), said(half), *map(said, ends), said(cell.spread),
        said(cell.sampling), int(cell.best), cell.why or cell.lost, *map(said, cell.bracket or (None, None)),
        sum(bool(r.reject) for r in cell.records) if any(r.reject is not None for r in cell.records) else "",
    ]  # fmt: skip


def records_lines(results: Sequence[Result]) -> str:
    """One line a run: what was asked, what became of it, what it cost, and every score."""
    return to_lines(
        {
            **{k: v for k, v in asdict(r.run).items() if k != "traceback"},
            "id": r.run.id,
            "scores": [asdict(s) for s in r.scores],
        }
        for r in results
    )

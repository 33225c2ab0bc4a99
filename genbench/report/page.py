"""The texts of a report: one page in HTML and Markdown, tables in LaTeX, every number in CSV and JSON lines.

Each environment escapes whatever a template prints, so no name can reach a page as markup.
"""

from __future__ import annotations

import csv
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from io import StringIO
from textwrap import wrap
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from genbench.record import Result, to_lines
from genbench.report.figure import Figure, slug
from genbench.report.tables import COSTS, Cell, Column, Table, matrix

TEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "–": "--", "·": r"$\cdot$", "σ": r"$\sigma$",
    "ε": r"$\varepsilon$", "±": r"$\pm$", "−": "$-$", '"': "''",
    "[": "{[}", "]": "{]}",  # after the end of a row they would be its option
}  # fmt: skip
LACKING = frozenset("«»ÐÞðþĄąĐđĘęĦħĮįĸĿŀŉŊŋŦŧŲųſ")  # a bare article stops at these

BOLD = (
    "no other model is better beyond the 95 % interval of their difference, by Holm's correction over its rivals. "
    "Truth, noise and thief do not compete, nor does a model that lost runs or has fewer than three."
)
WIDE, HEADING = 92, 15  # characters of a table's line in LaTeX, and of a line of its headings

FIELDS = (
    "task", "family", "model", "metric", "options", "better", "unit", "version", "n", "seeds", "mean", "half", "low",
    "high", "spread", "sampling_error", "best", "why", "bracket_low", "bracket_high", "rejected",
)  # fmt: skip


def tex(value: Any) -> str:
    """Text for LaTeX: specials escaped, and what its fonts lack named by its code point."""

    def said(c: str) -> str:
        return c if c.isprintable() and c <= "\u017f" and c not in LACKING else f"{{[}}U+{ord(c):04X}{{]}}"

    return "".join(TEX.get(c) or said(c) for c in " ".join(str(value).split()))


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
    made.globals["bold"] = BOLD
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
    return latex.get_template("table.tex").render(facts, table=table, reasons=reasons, parts=parts(table))


def heading(column: Column) -> list[str]:
    """A column's heading in lines that are no wider than its numbers need."""
    said = [column.unit, column.options, f"n {column.n}" if column.n else ""]
    lines = [line for text in said for line in wrap(text, HEADING, break_long_words=False, break_on_hyphens=False)]
    return [f"{column.metric} {column.arrow}".strip(), *lines]


def parts(table: Table) -> list[list[tuple[int, list[str]]]]:
    """The columns, each by its place and with the lines of its heading, in parts that a page's width holds."""
    names = max(len(row.model) for row in table.rows)
    made: list[list[tuple[int, list[str]]]] = []
    room = 0
    for i, column in enumerate(table.columns):
        lines = heading(column)
        widths = [sum(map(len, row.cells[i].text)) + 3 for row in table.rows]
        width = 2 + max([*map(len, lines), *widths])
        if not made or width > room:
            made.append([])
            room = WIDE - names
        made[-1].append((i, lines))
        room -= width
    return made


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
        "ill": troubles(results), "runs": len(results), "matrix": matrix(tables), "answer": answer(verdicts),
        "fates": sorted(Counter(r.run.status for r in results).items()),
        "made": sorted(versions | {f"device {r.run.asked.device}" for r in results}),
    }  # fmt: skip


@dataclass
class Trouble:
    """What befell a model on a task, in one or several of its seeds; the traceback is the first one's."""

    model: str
    task: str
    status: str
    why: str
    traceback: str
    seeds: list[int] = field(default_factory=list)

    @property
    def which(self) -> str:
        return f"seed{'s' if len(self.seeds) > 1 else ''} {', '.join(map(str, self.seeds))}"


def troubles(results: Sequence[Result]) -> list[Trouble]:
    found: dict[tuple[str, ...], Trouble] = {}
    for r in results:
        if r.run.status != "ok":
            what = (r.model, r.task, r.run.status, r.run.why)
            found.setdefault(what, Trouble(*what, r.run.traceback)).seeds.append(r.run.asked.seed)
    return list(found.values())


def answer(verdicts: Sequence[Any]) -> str:
    """How the findings came out, in one sentence."""
    counts = Counter(v.verdict for v in verdicts)
    said = [f"{counts['shown']} of {len(verdicts)} finding{'s are' if len(verdicts) != 1 else ' is'} shown"]
    for word, count in ((word, counts[word]) for word in ("not shown", "undecided")):
        said += [f"{count} {'is' if count == 1 else 'are'} {word}"] if count else []
    return f"{', '.join(said)}." if verdicts else "No findings are stated."


def scores_csv(tables: Sequence[Table]) -> str:
    """One line a cell: the interval over seeds, the seeds' spread and the mean sampling error each in a column."""
    out = StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow([*FIELDS, *(f"cost_{name}" for name in COSTS)])
    for table, row, cell in ((t, r, c) for t in tables for r in t.rows for c in r.cells):
        lines.writerow([table.task, row.family, row.model, *_fields(cell), *(c.replace(",", "") for c in row.costs)])
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

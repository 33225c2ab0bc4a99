"""Records -> a page one can print: the question, the answer, the tables behind it, and whatever went wrong.

Pure and byte-stable: no clock, everything sorted, every number cut the same way. Figures are drawn again only when
what they show has changed, and nothing at all is done when no input has.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench.errors import BadInput
from genbench.record import Result, digest, write_whole
from genbench.report import page as pages
from genbench.report.figure import FORMATS, Figure, slug
from genbench.report.figures import figures, ranks
from genbench.report.published import held_against
from genbench.report.tables import REFERENCES, make_table

if TYPE_CHECKING:
    from genbench.bench import Published
    from genbench.finding import Kind

MANIFEST = ".inputs"


@dataclass(frozen=True)
class Page:
    """What a report is of: the question, how to ask it again, and the order in which to print."""

    name: str
    question: str
    reproduce: str
    tasks: list[str]
    models: list[str]
    metrics: list[str]
    findings: Mapping[str, Kind] = field(default_factory=dict)
    published: Mapping[str, Published] = field(default_factory=dict)


def report(page: Page, results: Sequence[Result], out: Path) -> Path:
    """Write the report into a folder and return its page. BadInput when there is nothing to report."""
    if not results:
        raise BadInput(f"no runs of {page.name} to report; make some with `{page.reproduce.splitlines()[0]}`")
    refuse_twins(results)
    page = replace(
        page,
        tasks=list(dict.fromkeys([*page.tasks, *sorted({r.task for r in results})])),
        models=list(dict.fromkeys([*page.models, *sorted({r.model for r in results})])),
        metrics=page.metrics or list(dict.fromkeys(s.metric for r in results for s in r.scores)),
    )
    results = sorted(results, key=lambda r: (r.task, r.model, r.run.asked.seed, r.run.id))
    tables = [make_table(task, page.models, page.metrics, results) for task in page.tasks]
    palette = {model: i for i, model in enumerate(m for m in page.models if m not in REFERENCES)}
    drawn = {table.task: figures(table, results, palette) for table in tables}
    drawn[""] = [figure] if (figure := ranks(tables, palette)) else []  # of the page as a whole
    wanted = [figure for made in drawn.values() for figure in made]

    before = read_manifest(out)
    inputs = digest([repr(page), [f.fingerprint for f in wanted], sources(), *map(said, results)])
    if before.get("inputs") == inputs and all((out / name).is_file() for name in before["files"]):
        return out / "index.html"

    images = {figure.name: ensure(figure, out / "figures", before.get("figures", {})) for figure in wanted}
    verdicts = [spec.judge(name, results) for name, spec in page.findings.items()]
    theirs = held_against(page.published, tables)
    facts = pages.facts(page.name, page.question, page.reproduce, verdicts, tables, drawn, theirs, results)
    texts = {
        "index.html": pages.html_page(facts, images),
        "README.md": pages.markdown_page(facts),
        "scores.csv": pages.scores_csv(tables),
        "records.jsonl": pages.records_lines(results),
        **{f"tables/{slug(table.task)}.tex": pages.tex_table(facts, table) for table in tables},
    }
    for name, text in texts.items():
        write_whole(out / name, text)
    files = sorted([*texts, *(f"figures/{name}.{suffix}" for name in images for suffix in FORMATS)])
    for gone in set(before.get("files", [])) - set(files):
        (out / gone).unlink(missing_ok=True)
    manifest = {"inputs": inputs, "files": files, "figures": {f.name: f.fingerprint for f in wanted}}
    write_whole(out / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True) + "\n")
    return out / "index.html"


def refuse_twins(results: Sequence[Result]) -> None:
    """BadInput where a seed was run twice: the same thing, or another code, and neither is one more seed."""
    seen: dict[tuple[str, str, int], str] = {}
    for r in results:
        key = (r.task, r.model, r.run.asked.seed)
        if key in seen:
            raise BadInput(f"{r.model} on {r.task} has two runs of seed {key[2]}, {seen[key]} and {r.run.id}; keep one")
        seen[key] = r.run.id


def read_manifest(out: Path) -> dict[str, Any]:
    """What the last report was made from; nothing where there was none, or it cannot be read."""
    try:
        found = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
        return found if {"inputs", "files", "figures"} <= set(found) else {}
    except (OSError, ValueError):
        return {}


def said(result: Result) -> str:
    """All that a page can show of a run, save its evidence, which the figures' own fingerprints cover."""
    trace = result.folder / "trace.jsonl"
    kept = sha256(trace.read_bytes()).hexdigest() if trace.is_file() else ""
    return sha256(f"{result.run!r}{result.scores!r}{kept}".encode()).hexdigest()


@cache
def sources() -> str:
    """The code that the page depends on, so that a better report replaces an old one."""
    here = Path(__file__).parent
    code = [*here.rglob("*"), *here.parent.glob("finding/*.py"), here.parent / "stats.py", here.parent / "record.py"]
    files = sorted(path for path in code if path.is_file() and "__pycache__" not in path.parts)
    return sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def ensure(figure: Figure, folder: Path, before: Mapping[str, str]) -> bytes:
    """The figure's PNG: read where its data are as they were, drawn where not."""
    paths = {suffix: folder / f"{figure.name}.{suffix}" for suffix in FORMATS}
    if before.get(figure.name) != figure.fingerprint or not all(path.is_file() for path in paths.values()):
        from genbench.report.draw import draw

        folder.mkdir(parents=True, exist_ok=True)
        for suffix, content in draw(figure.kind, figure.data).items():
            paths[suffix].write_bytes(content)
    return paths["png"].read_bytes()

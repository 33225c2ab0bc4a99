"""What samples can tell as a page: properties, the samples that they take, and what came out of it on other pages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from genbench.errors import BadInput
from genbench.record import read_records, write_whole
from genbench.report.page import environment, markdown

if TYPE_CHECKING:
    from genbench.bench import Benchmark


def lessons(benchmarks: Mapping[str, Benchmark], reports: Path, out: Path) -> Path:
    """Write the page and return it: every finding with a lesson, judged anew by the records of its benchmark's page.

    BadInput where no benchmark that teaches anything has a page.
    """
    rows = []
    for name, benchmark in benchmarks.items():
        taught = {title: claim for title, claim in benchmark.findings.items() if claim.lesson}
        records = reports / name / "records.jsonl"
        if not taught or not records.is_file():
            continue
        results = read_records(records)
        for title, claim in taught.items():
            assert claim.lesson
            verdict = claim.judge(title, results)
            rows.append(
                {"property": claim.lesson.property, "takes": claim.lesson.takes, "page": name, "found": verdict}
            )
    if not rows:
        raise BadInput(f"no page in {reports} teaches anything yet; `genbench run uniformity` makes one that does")
    for name, escape in (("index.html", None), ("README.md", markdown)):
        write_whole(out / name, environment(escape).get_template(f"lessons-{name}").render(rows=rows))
    return out / "index.html"

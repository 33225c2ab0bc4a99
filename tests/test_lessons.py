"""The page of lessons: every finding that teaches something, judged by the records of its page."""

import pytest
from pydantic import TypeAdapter
from test_finding import runs

from genbench.bench import Benchmarks
from genbench.errors import BadInput
from genbench.finding import Claim
from genbench.report.lessons import lessons
from genbench.report.page import records_lines

BENCHMARK = {
    "question": "Which?", "tasks": ["ring8"], "models": ["gan", "pca"], "metrics": ["modes"], "budget": {"examples": 9},
    "findings": {
        "covers": {
            "kind": "beats", "model": "gan", "control": "pca", "metric": "modes", "task": "ring8", "by": 1,
            "says": "It covers.", "lesson": {"property": "the mean | of a law", "takes": "1 / epsilon^2"},
        },
        "silent": {"kind": "beats", "model": "pca", "control": "gan", "metric": "modes", "task": "ring8"},
    },
}  # fmt: skip


@pytest.fixture
def benchmarks():
    return Benchmarks.validate_python({"ours": BENCHMARK, "never-run": BENCHMARK})


def test_a_lesson_stands_with_the_figure_that_came_out(tmp_path, benchmarks):
    folder = tmp_path / "ours"
    folder.mkdir()
    (folder / "records.jsonl").write_text(records_lines(runs("gan", [7.9, 8.0, 8.1]) + runs("pca", [2.9, 3.0, 3.1])))
    page = lessons(benchmarks, tmp_path, tmp_path / "lessons")
    text = page.with_name("README.md").read_text()
    (row,) = [line for line in text.splitlines() if "[ours]" in line]
    assert r"| the mean \| of a law | 1 / epsilon^2 | **shown**: It covers: the gain is 5 \[" in row
    assert "over 3 seeds" in row
    assert "pca beats gan" not in text  # it teaches nothing
    assert "never-run" not in text
    assert "<td>1 / epsilon^2</td>" in page.read_text()


def test_what_changed_since_changes_the_verdict(tmp_path, benchmarks):
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours/records.jsonl").write_text(
        records_lines(runs("gan", [2.0, 2.1, 2.2]) + runs("pca", [2.9, 3, 3.1]))
    )
    assert "**not shown**" in lessons(benchmarks, tmp_path, tmp_path / "x").with_name("README.md").read_text()


def test_without_a_page_there_is_nothing_to_teach(tmp_path, benchmarks):
    with pytest.raises(BadInput, match="teaches anything yet"):
        lessons(benchmarks, tmp_path, tmp_path / "lessons")


def test_a_lesson_names_both(tmp_path):
    with pytest.raises(ValueError, match="takes"):
        TypeAdapter(Claim).validate_python({**BENCHMARK["findings"]["covers"], "lesson": {"property": "a mean"}})

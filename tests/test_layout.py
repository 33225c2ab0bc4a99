"""Who may import whom, read from the syntax trees: the shape of design.md, kept by twenty lines."""

import ast
import inspect
import re
from pathlib import Path

import pytest

from genbench import catalogue
from genbench.model import model_class

ROOT = Path(__file__).parents[1]


TRIED = ("genbench.metrics", "genbench.record", "genbench.collisions")  # by what puts the metrics on trial


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module


def files(folder):
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", files("genbench"), ids=str)
def test_genbench_never_imports_baselines(path):
    assert not [name for name in imported(path) if name.split(".")[0] == "baselines"]


@pytest.mark.parametrize("path", files("baselines"), ids=str)
def test_a_baseline_knows_of_genbench_only_the_task_and_of_baselines_only_its_own_family(path):
    family = path.parent.name if path.parent.name != "baselines" else None
    for name in imported(path):
        top, *rest = name.split(".")
        puts_on_trial = family in ("testing", "distances")
        judges = puts_on_trial and name.startswith(TRIED)
        assert top != "genbench" or name == "genbench.task" or judges, f"{path} imports {name}"
        if top == "baselines" and len(rest) == 2 and family:
            assert rest[0] == family, f"{path} imports {name}, another family"


TORCH_FREE = (
    "cli",
    "catalogue",
    "catalogues",
    "errors",
    "record",
    "stats",
    "bench",
    "provenance",
    "progress",
    "collisions",
)


def test_what_must_be_quick_imports_no_torch():
    for path in [
        *(ROOT / "genbench" / f"{name}.py" for name in TORCH_FREE),
        *files("genbench/report"),
        *files("genbench/finding"),
    ]:
        tree = ast.parse(path.read_text())
        top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        names = [
            n for node in top for n in ([a.name for a in node.names] if isinstance(node, ast.Import) else [node.module])
        ]
        heavy = (
            "torch",
            "sklearn",
            "genbench.task",
            "genbench.evidence",
            "genbench.metric",
            "genbench.run",
            "genbench.model",
        )
        assert not [name for name in names if name.startswith(heavy)], path


ORDER = ("task", "budget", "model", "evidence", "metric")


@pytest.mark.parametrize("name", ORDER)
def test_the_nouns_import_only_those_before_them(name):
    after = {f"genbench.{later}" for later in ORDER[ORDER.index(name) + 1 :]}
    noun = ROOT / "genbench" / name
    for path in noun.glob("*.py") if noun.is_dir() else [noun.with_suffix(".py")]:
        assert not set(imported(path)) & after, path


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in catalogue.KINDS for name in catalogue.names(kind)])
def test_every_name_loads(kind, name):
    assert callable(catalogue.load(kind, name))


def test_no_baseline_inherits_from_a_baseline():
    for name in catalogue.names("models"):
        cls = model_class(catalogue.load("models", name))
        assert inspect.isclass(cls)
        parents = [base for base in cls.__mro__[1:] if base.__module__.startswith("baselines")]
        assert not parents, f"{name} inherits from {parents}"


def test_a_baseline_is_short():
    for path in (path for path in files("baselines") if path.name != "catalogue.py"):
        assert len(path.read_text().splitlines()) <= 120, f"{path} is longer than a page"


def test_no_line_of_a_baseline_names_a_device_or_threads():
    for path in files("baselines"):
        assert not re.findall(r"\b(?:cuda|mps|cpu|device|set_num_threads)\b|_device\b", path.read_text()), path

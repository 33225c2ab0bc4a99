"""What a number depends on besides what was asked: the first-party code reached, the data's content, the versions."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import platform
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genbench.task import Task

OURS = ("genbench", "baselines")
HARNESS = ("genbench.budget", "genbench.evidence")  # a change to how rows are dealt or samples drawn is a new run
LIBRARIES = ("torch", "numpy", "scipy", "scikit-learn", "genbench")


@cache
def root(package: str) -> Path | None:
    """Where a top-level package or module lies; it is not imported."""
    spec = importlib.util.find_spec(package)
    return Path(spec.origin) if spec and spec.origin and spec.origin not in ("built-in", "frozen") else None


@cache
def file_of(module: str) -> Path | None:
    """The source file of a module, found by path alone so that no parent package is run."""
    top, *rest = module.split(".")
    start = root(top)
    if start is None or not rest:
        return start
    place = start.parent.joinpath(*rest)
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.exists()), None)


@cache
def imports(path: Path) -> frozenset[str]:
    """Every module that a file may import, `from a import b` counted as a and a.b; relative ones are resolved."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.update("." * node.level + ".".join(filter(None, (node.module, alias.name))) for alias in node.names)
            found.add("." * node.level + (node.module or ""))
    return frozenset(found)


def closure(modules: Iterable[str]) -> dict[str, Path]:
    """The first-party modules reached from these, and their files."""
    todo = list(modules)
    packages = {*OURS, *(module.split(".")[0] for module in todo)}
    reached: dict[str, Path] = {}
    while todo:
        module = todo.pop()
        if module in reached or module.split(".")[0] not in packages:
            continue
        path = file_of(module)
        if path is None or path.suffix != ".py":
            continue
        reached[module] = path
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        for name in imports(path):
            dots = len(name) - len(name.lstrip("."))
            base = ".".join(package.split(".")[: len(package.split(".")) - dots + 1]) if dots else ""
            todo.append(f"{base}.{name.lstrip('.')}".strip(".") if dots else name)
    return reached


PART = 2**12  # rows that are hashed at a time


@cache
def code(*refs: str) -> str:
    """A hash of the source that these "module:thing" references reach."""
    reached = closure(ref.partition(":")[0] for ref in refs)
    hashed = hashlib.sha256()
    for module, path in sorted(reached.items()):
        hashed.update(module.encode() + b"\0" + path.read_bytes() + b"\0")
    return hashed.hexdigest()[:12]


def data(task: Task) -> str:
    """A hash of a task's rows, split by split."""
    hashed = hashlib.sha256(repr(task.spec).encode())
    for name in ("train", "valid", "test", "spare"):
        rows = task.split(name)
        hashed.update(repr((len(rows), rows[:1].x.shape)).encode())
        for start in range(0, len(rows), PART):  # for training rows may lie on disk
            part = rows[start : start + PART]
            for values in (part.x, part.y):
                if values is not None:
                    hashed.update(values.detach().cpu().contiguous().numpy().data)
    return hashed.hexdigest()[:12]


@cache
def versions() -> dict[str, str]:
    def of(library: str) -> Iterator[tuple[str, str]]:
        try:
            yield library, version(library)
        except PackageNotFoundError:
            return

    found = dict(pair for library in LIBRARIES for pair in of(library))
    return {**found, "python": platform.python_version()}

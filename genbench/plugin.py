"""For pytest: `genbench_regression` holds new scores against old ones, and fails a test where one got worse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from genbench.compare import Comparison
    from genbench.compare.verdict import FailOn


@pytest.fixture
def genbench_regression() -> Callable[..., Comparison]:
    """`genbench_regression(new, old, gates=None, margin=0.1, fail_on="worse")` is `genbench compare` as a test.

    `new` and `old` are a report's folder, its records.jsonl or a folder of runs, `gates` a YAML file. Returns the
    Comparison; fails with its table where the gate does, also where some of it could not be compared.
    """

    def regression(
        new: Path | str,
        old: Path | str,
        gates: Path | str | None = None,
        margin: float = 0.1,
        fail_on: FailOn = "worse",
    ) -> Comparison:
        from genbench.compare import against
        from genbench.report.comparison import as_text

        found = against(Path(new), Path(old), Path(gates) if gates else None, margin)
        if found.code(fail_on):
            pytest.fail(as_text(found), pytrace=False)
        return found

    return regression

"""A finding: what a benchmark concludes, a pure function of runs that returns an estimate and a verdict.

A claim is stated in benchmarks.yaml, always against a named control; its `judge(name, results)` is the finding.
The verdict is "undecided" whenever the 95 % interval still holds the margin, or a run is missing.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from genbench.finding.differences import Beats, Equals, Fails, Ordered, Within
from genbench.finding.kind import Answer, Kind, Undecided, Verdict
from genbench.finding.trends import Correlates, Slope

__all__ = [
    "Answer", "Beats", "Claim", "Correlates", "Equals", "Fails", "Kind", "Ordered", "Slope", "Undecided", "Verdict",
    "Within",
]  # fmt: skip

Claim = Annotated[Beats | Equals | Within | Ordered | Fails | Slope | Correlates, Field(discriminator="kind")]

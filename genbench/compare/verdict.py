"""What is said of a change: better, worse, the same, or more than these seeds can tell.

A score has two errors. Its spread over seeds is the luck of training and of sampling: a change must stand out from it.
The sampling error of one run also holds the luck of the test rows. Both sides are scored on the same rows, so that luck
raises no false alarm; but a change smaller than it is none that other rows would confirm. So a change is called when it
is beyond the seeds (Holm, over the whole table) and larger than one sampling error.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import isfinite, isnan, nan, sqrt
from typing import Literal, get_args

from genbench import stats
from genbench.record import Record
from genbench.stats import Student

LEVEL = 0.05  # the chance that a whole comparison calls any change where there is none
SEEDS = 5  # a side: fewer do not say what the spread is
DWARFS = 10.0  # times both errors: what even fewer seeds may call, where they show a spread at all
MARGIN = 0.1  # of the old score: a change known to be smaller is none
ROUNDING = 1e-6  # of a score: what another machine's arithmetic may move it by
MOST = 1000  # seeds that anybody would run
LOST = "runs that came to no end"

Answer = Literal["worse", "cannot tell", "better", "same"]
FailOn = Literal["worse", "cannot-tell", "never"]


@dataclass(frozen=True)
class Change:
    """What became of one score. `gap` is new minus old; `rows` the sampling error of one run; `seeds` settle it."""

    task: str
    model: str
    metric: str
    better: str
    unit: str
    old: Student
    new: Student
    gap: Student
    rows: float
    margin: float
    identical: bool = False
    pvalue: float = nan  # two-sided; adjusted once all are known
    verdict: Answer = "cannot tell"
    why: str = ""
    seeds: int | None = None

    @property
    def harm(self) -> float:
        """The gap where positive is worse."""
        return -self.gap.value if self.better == "higher" else self.gap.value


def errors(records: Iterable[Record]) -> float:
    """The mean sampling error of one run; 0 where the metric has none."""
    known = [s.error for s in records if s.error is not None and isfinite(s.error)]
    return sum(known) / len(known) if known else 0.0


def two_sided(gap: Student) -> float:
    """The p-value against no change; nan where there is no spread to judge by."""
    return 1.0 if gap.value == 0 and gap.error == 0 else 2 * min(gap.above(0), (-gap).above(0), 0.5)


def judged(found: Sequence[Change]) -> list[Change]:
    """The verdicts, once the chance of a false alarm is shared out over all changes that could be one."""
    tested = [change for change in found if not isnan(change.pvalue)]
    adjusted = dict(zip(map(id, tested), stats.holm([c.pvalue for c in tested]), strict=True))
    made = [settled(replace(c, pvalue=adjusted.get(id(c), nan)), len(tested)) for c in found]
    order = {verdict: i for i, verdict in enumerate(get_args(Answer))}
    return sorted(made, key=lambda c: (order[c.verdict], c.task, c.metric != LOST, c.metric, c.model))


def settled(change: Change, tests: int) -> Change:
    """One change's verdict, and the reason where it is not plain."""
    gap = change.gap
    if change.identical:
        return replace(change, verdict="same", why="equal seed by seed")
    if change.verdict == "worse" or isnan(gap.value):
        return change
    way: Answer = "worse" if change.harm > 0 else "better"
    if change.metric == LOST:
        return replace(change, verdict=way) if change.pvalue <= LEVEL and gap.n >= SEEDS else change
    if gap.n >= SEEDS and abs(gap.value) + gap.half <= change.margin:
        return replace(change, verdict="same")
    dwarfs = gap.error > 0 and abs(gap.value) >= DWARFS * max(gap.error, change.rows)
    if change.pvalue <= LEVEL and abs(gap.value) > change.rows and (gap.n >= SEEDS or dwarfs):
        return replace(change, verdict=way)
    if not gap.df > 0:
        return replace(change, seeds=SEEDS, why=f"one seed has no spread; {SEEDS} are the least")
    seeds = enough(change, tests)
    if seeds is None and abs(gap.value) <= change.rows:
        return replace(change, why="smaller than ε, which seeds do not lessen")
    return replace(change, seeds=seeds, why=f"{seeds or f'not even {MOST}'} seeds would settle it")


def enough(change: Change, tests: int) -> int | None:
    """The seeds a side that would settle a change that stays as it is: it is called, or known to lie in the margin."""
    gap, size = change.gap, abs(change.gap.value)
    sides = [1 / side.n for side in (change.new, change.old) if side.n]  # a gate's bound has no runs

    def settles(n: int) -> bool:
        df, error = max(len(sides) * (n - 1), gap.df), gap.error * sqrt(len(sides) / n / sum(sides))
        called = size > change.rows and 2 * tests * Student(size, error, df, n).above(0) <= LEVEL
        return bool(called or size + Student(size, error, df, n).half <= change.margin)

    seeds = range(max(SEEDS, gap.n + (gap.n >= SEEDS)), MOST)
    first = bisect_left(seeds, True, key=settles)
    return seeds[first] if first < len(seeds) else None

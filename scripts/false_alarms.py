"""How often `genbench compare` cries wolf, and how often it sees one: many seeds of one benchmark, against each other.

    genbench run smoke --seeds 40 --runs many && python scripts/false_alarms.py many/smoke

Every pair of seeds is of the same code, so whatever is called is a false alarm. Twice: over random disjoint splits of
the seeds that were run, which share runs with each other and so are not independent, and over comparisons drawn afresh
from normals of each score's measured mean and variance, which are. The power is that for one model, all of whose scores
are made worse by a share of their mean.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from math import sqrt
from pathlib import Path

import numpy as np

from genbench.compare import Comparison, compare, read
from genbench.record import Record, Result
from genbench.report.tables import REFERENCES, final

Sides = tuple[list[Result], list[Result]]
WORSENINGS = (0.1, 0.2, 0.5)


def complete(results: list[Result], models: list[str] | None) -> list[Result]:
    """The final scores of those models, of the seeds that all of them have run."""
    kept = [replace(r, scores=tuple(final(r))) for r in results if models is None or r.model in models]
    seeds: dict[tuple[str, str], set[int]] = defaultdict(set)
    for r in kept:
        seeds[r.task, r.model].add(r.run.asked.seed)
    return of_seeds(kept, np.array(sorted(set.intersection(*seeds.values()))))


def of_seeds(results: list[Result], seeds: np.ndarray) -> list[Result]:
    return [r for r in results if r.run.asked.seed in seeds]


def splits(results: list[Result], a_side: int, count: int, rng: np.random.Generator) -> Iterator[Sides]:
    """Random disjoint sets of seeds that were run."""
    seeds = np.unique([r.run.asked.seed for r in results])
    for _ in range(count):
        drawn = rng.permutation(seeds)[: 2 * a_side]
        yield of_seeds(results, drawn[:a_side]), of_seeds(results, drawn[a_side:])


def drawn(results: list[Result], a_side: int, count: int, rng: np.random.Generator) -> Iterator[Sides]:
    """Comparisons whose every score is drawn from a normal of its measured mean and variance, by itself."""
    moments = {cell: (np.mean(v), np.std(v, ddof=1)) for cell, v in values(results).items()}
    first = of_seeds(results, np.array([min(r.run.asked.seed for r in results)]))

    def fresh(seed: int) -> list[Result]:
        return [
            changed(replace(r, run=replace(r.run, asked=replace(r.run.asked, seed=seed))),
                    lambda r, s: rng.normal(*moments[r.task, r.model, s.key]))
            for r in first
        ]  # fmt: skip

    for _ in range(count):
        made = [fresh(seed) for seed in range(2 * a_side)]
        yield [r for one in made[:a_side] for r in one], [r for one in made[a_side:] for r in one]


def values(results: list[Result]) -> dict[tuple[str, str, str], list[float]]:
    found: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for r in results:
        for s in r.scores:
            if s.value is not None:
                found[r.task, r.model, s.key].append(s.value)
    return found


def changed(result: Result, make) -> Result:  # type: ignore[no-untyped-def]
    def score(s: Record) -> Record:
        return s if s.value is None else replace(s, value=float(make(result, s)))

    return replace(result, scores=tuple(map(score, result.scores)))


def worsened(results: list[Result], model: str, share: float, means: dict[tuple[str, str, str], float]) -> list[Result]:
    def worse(r: Result, s: Record) -> float:
        by = share * abs(means[r.task, r.model, s.key])
        return s.value + (by if s.better == "lower" else -by)  # type: ignore[operator]

    return [changed(r, worse) if r.model == model else r for r in results]


def told(k: int, n: int) -> str:
    return f"{k / n:6.1%} ({k} of {n}, ± {1.96 * sqrt(max(k, 1) / n * (1 - k / n) / n):.1%})"


def alarms(pairs: Iterator[Sides]) -> str:
    found: list[Comparison] = [compare(*pair) for pair in pairs]
    n = len(found)
    worse = sum(bool(c.having("worse")) for c in found)
    called = sum(bool(c.having("worse") or c.having("better")) for c in found)
    tests, cannot = (np.mean(counts) for counts in ([c.tests for c in found], [c.counts["cannot tell"] for c in found]))
    return f"worse {told(worse, n)}; worse or better {told(called, n)}; tests {tests:.0f}, cannot tell {cannot:.0f}"


def power(pairs: list[Sides], results: list[Result], share: float) -> tuple[str, dict[str, tuple[int, int]]]:
    """The share of comparisons that call a worsened model worse by any of its scores, and of its scores by metric."""
    means = {cell: float(np.mean(v)) for cell, v in values(results).items()}
    models = sorted({r.model for r in results} - set(REFERENCES))
    seen, by_metric = dict.fromkeys(models, 0), defaultdict(lambda: [0, 0])
    for new, old in pairs:
        for model in models:
            mine = [c for c in compare(worsened(new, model, share, means), old).changes if c.model == model]
            seen[model] += any(c.verdict == "worse" for c in mine)
            for c in mine:
                name = f"{c.metric.partition('[')[0]}[{c.task}]"
                by_metric[name][0] += c.verdict == "worse"
                by_metric[name][1] += 1
    said = ", ".join(f"{m} {k / len(pairs):.0%}" for m, k in seen.items())
    return said, {name: (k, n) for name, (k, n) in by_metric.items()}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("records", type=Path)
    options.add_argument("--models", type=lambda text: text.split(","), help="of these alone, with commas")
    options.add_argument("--sides", type=int, nargs="+", default=[2, 5, 10], help="seeds a side")
    options.add_argument("--splits", type=int, default=200)
    options.add_argument("--drawn", type=int, default=1000)
    options.add_argument("--power", type=int, default=100, help="comparisons a model and a worsening; 0 for none")
    given = options.parse_args()
    results = complete(read(given.records), given.models)
    seeds = len({r.run.asked.seed for r in results})
    print(f"{len(results)} runs, {seeds} seeds, {', '.join(sorted({r.model for r in results}))}")
    for a_side in given.sides:
        sources = {"splits": (splits, given.splits), "drawn": (drawn, given.drawn)}
        if 2 * a_side > seeds:
            sources.pop("splits")
        for name, (source, count) in sources.items():
            found = alarms(source(results, a_side, count, np.random.default_rng(a_side)))
            print(f"{a_side} against {a_side}, {name}: {found}", flush=True)
        for name, (source, _) in sources.items() if given.power else ():
            pairs = list(source(results, a_side, given.power, np.random.default_rng(a_side)))
            for share in WORSENINGS:
                said, by_metric = power(pairs, results, share)
                print(f"{a_side} against {a_side}, {name}, {share:.0%} worse: {said}")
                print("   " + ", ".join(f"{m} {k / n:.0%}" for m, (k, n) in sorted(by_metric.items())), flush=True)


if __name__ == "__main__":
    main()

"""Which runs answer the same question, and why others do not: what is compared, refused, or on one side only."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from genbench.errors import BadInput
from genbench.record import FINISHED, Asked, Record, Result
from genbench.report.tables import final
from genbench.report.words import spanned, unique

Pair = tuple[str, str]  # a task and a model
Scored = Mapping[int, Record]  # by seed


def arranged(results: Sequence[Result], side: str) -> dict[Pair, list[Result]]:
    """Runs by what was asked. BadInput where a seed was run twice, which only different code can have done."""
    found: dict[Pair, list[Result]] = defaultdict(list)
    for result in results:
        if result.run.status in FINISHED and result.run.status != "skipped":
            found[result.task, result.model].append(result)
    for (task, model), runs in found.items():
        seed, count = Counter(r.run.asked.seed for r in runs).most_common(1)[0]
        if count > 1:
            raise BadInput(
                f"{side} has {count} runs of {model} on {task} with seed {seed}, by different code or of different "
                "budgets; give the report of one, or its records.jsonl"
            )
        runs.sort(key=lambda r: r.run.asked.seed)
    return found


def asked_apart(new: Sequence[Result], old: Sequence[Result]) -> str:
    """Why two arms of a model are no answer to the same question; empty where they are."""
    for name in ("data", "task_ref", "task_options", "examples", "flops"):
        mine, theirs = (sorted({str(getattr(r.run.asked, name)) for r in runs}) for runs in (new, old))
        if mine != theirs or len(mine) > 1:
            what = {"data": "other rows, data", "task_ref": "another task,", "task_options": "another task,"}
            said = what.get(name, f"another budget, {name}")
            return f"{said} {' and '.join(mine)} against {' and '.join(theirs)}"
    late = [side for side, runs in (("NEW", new), ("OLD", old)) for r in runs if r.run.why.startswith("seconds:")]
    return f"the clock ended runs of {' and '.join(unique(late))} before their examples were spent" if late else ""


def other_asked(new: Asked, old: Asked) -> str:
    """What differs and may well be the change under test; said, not refused."""
    said = [
        f"{name} {getattr(new, name) or 'none'} against {getattr(old, name) or 'none'}"
        for name in ("hyper", "model_ref", "device", "torch")
        if getattr(new, name) != getattr(old, name)
    ]
    place = "" if said and said[0].startswith(("device", "torch")) else f"{new.model} on {new.task}: "
    return f"{place}{'; '.join(said)}" if said else ""


def unmatched(new: Mapping[Pair, object], old: Mapping[Pair, object]) -> list[str]:
    alone = {"NEW": sorted(new.keys() - old.keys()), "OLD": sorted(old.keys() - new.keys())}
    said = {side: ", ".join(f"{model} on {task}" for task, model in pairs) for side, pairs in alone.items()}
    return [f"only in {side}: {pairs}" for side, pairs in said.items() if pairs]


def by_metric(runs: Sequence[Result]) -> dict[str, dict[str, dict[int, Record]]]:
    """The final scores that have a better direction, by metric, key and seed."""
    found: dict[str, dict[str, dict[int, Record]]] = {}
    for seed, s in ((r.run.asked.seed, s) for r in runs for s in final(r) if s.better in ("lower", "higher")):
        found.setdefault(s.metric, {}).setdefault(s.key, {})[seed] = s
    return found


def scored_apart(new: Mapping[str, Scored], old: Mapping[str, Scored]) -> str:
    """Why two arms' records of a metric, by key, are no numbers of one kind; empty where they are."""
    if new.keys() != old.keys():
        return f"another space or other options, {' and '.join(sorted(new))} against {' and '.join(sorted(old))}"
    for what in ("version", "better"):
        mine, theirs = ({getattr(s, what) for scored in arm.values() for s in scored.values()} for arm in (new, old))
        if mine != theirs or len(mine) > 1:
            return f"{what} {' and '.join(sorted(mine))} against {' and '.join(sorted(theirs))}"
    return ""


def n_apart(column: Iterable[tuple[Scored, Scored]]) -> str:
    """Why a column's scores rest on different n. An n that varies within a side is chance, such as a count of hits."""
    pairs = list(column)
    ns = [{s.n for pair in pairs for s in pair[side].values() if s.value is not None} for side in (0, 1)]
    return "n {} against {}".format(*map(spanned, ns)) if ns[0] != ns[1] and all(len(n) == 1 for n in ns) else ""

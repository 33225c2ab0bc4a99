"""Ours against a peer, on the same arrays and threads, in pairs, and what ours cost against size.

`--speed-report FOLDER` writes the table and the figure. What is measured anew takes the place of what stands there, so
that they can be made in several sessions.

A virtual machine can take longer to hand out memory than the work in it takes (64 MB: .1 s where these were taken). Let
both sides keep what they free: `MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=100000000000 pytest tests/speed ...`.
"""

import json
import statistics
import time
from pathlib import Path

import numpy as np
import pytest

ROWS, COSTS = [], []


def pytest_addoption(parser):
    parser.addoption("--speed-report", metavar="FOLDER", help="write the table of races and the figure of costs here")


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@pytest.fixture
def race(benchmark):
    """`race(work, against, ours, theirs, least=...)`: theirs over ours, the median over pairs, is at least that."""

    def run(work, against, ours, theirs, *, least, rounds=5, note=""):
        times = []
        benchmark.pedantic(lambda: times.append((seconds(ours), seconds(theirs))), rounds=rounds, warmup_rounds=1)
        times = times[1:]
        ratio = statistics.median(peer / own for own, peer in times)
        own, peer = (statistics.median(side) for side in zip(*times, strict=True))
        row = {"work": work, "against": against, "ours": own, "theirs": peer, "ratio": ratio, "least": least}
        ROWS.append({**row, "pairs": rounds, "note": note})
        print(f"\n{work}: {own:.3g} s, {against} {peer:.3g} s, {ratio:.2f} x (at least {least} x asked)")
        assert ratio >= least

    return run


@pytest.fixture
def cost(benchmark):
    """`cost(work, against, size, do)`: the median of three, for a line of the figure."""

    def run(work, against, size, do):
        benchmark.pedantic(do, rounds=3)
        COSTS.append({"work": work, "against": against, "size": size, "seconds": benchmark.stats["median"]})

    return run


def renewed(file, rows, *keys):
    """The rows of a file with those measured now in the place of older ones, and the file written."""
    old = json.loads(file.read_text()) if file.exists() else []
    found = {tuple(row[key] for key in keys): row for row in (*old, *rows)}
    if found:
        file.write_text(json.dumps(list(found.values()), indent=1) + "\n")
    return list(found.values())


def lines_of(costs):
    """{against: {work: (sizes, seconds)}}, sizes rising."""
    found = {}
    for row in sorted(costs, key=lambda row: row["size"]):
        sizes, taken = found.setdefault(row["against"], {}).setdefault(row["work"], ([], []))
        sizes.append(row["size"])
        taken.append(row["seconds"])
    return dict(sorted(found.items(), reverse=True))  # rows before numbers


def draw(lines, file):
    import matplotlib.pyplot as plt
    from matplotlib.ticker import NullFormatter

    figure, panels = plt.subplots(1, len(lines), figsize=(4.6 * len(lines), 3.8), layout="constrained", squeeze=False)
    works = list(dict.fromkeys(work for panel in lines.values() for work in panel))
    for axes, (against, panel) in zip(panels[0], lines.items(), strict=True):
        for work, (sizes, taken) in panel.items():
            at = works.index(work)
            axes.loglog(sizes, taken, marker="os^D"[at % 4], ms=3.5, lw=1.2, color=f"C{at % 10}", label=work)
        axes.set(xlabel=against, ylabel="seconds")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.grid(alpha=0.25, lw=0.5)
        axes.spines[["top", "right"]].set_visible(False)
    handles = {h.get_label(): h for axes in panels[0] for h in axes.get_lines()}
    figure.legend(handles.values(), handles, loc="outside right center", fontsize=8, frameon=False)
    figure.savefig(file, dpi=110)
    plt.close(figure)


def races_told(races):
    yield "| work | against | ours, s | theirs, s | ratio | asked | pairs |"
    yield "|---|---|---:|---:|---:|---:|---:|"
    for r in races:
        note = f" ({r['note']})" if r["note"] else ""
        yield (
            f"| {r['work']}{note} | {r['against']} | {r['ours']:.3g} | {r['theirs']:.3g} | {r['ratio']:.2f} "
            f"| {r['least']:.3g} | {r['pairs']} |"
        )


def costs_told(lines):
    yield "| work | against | from | to | seconds there | slope at the end |"
    yield "|---|---|---:|---:|---:|---:|"
    for against, panel in lines.items():
        for work, (sizes, taken) in panel.items():
            slope = f"{np.diff(np.log(taken[-2:]))[0] / np.diff(np.log(sizes[-2:]))[0]:.2f}" if len(sizes) > 1 else ""
            yield f"| {work} | {against} | {sizes[0]:,} | {sizes[-1]:,} | {taken[-1]:.3g} | {slope} |"


def report(folder, races, costs):
    folder.mkdir(parents=True, exist_ok=True)
    races = renewed(folder / "races.json", races, "work", "against", "note")
    lines = lines_of(renewed(folder / "costs.json", costs, "work", "against", "size"))
    page = ["# Races against peers", "", *races_told(races)] if races else []
    if lines:
        draw(lines, folder / "costs.png")
        page += [""] * bool(page) + ["# Cost against size", "", "![costs](costs.png)", "", *costs_told(lines)]
    (folder / "README.md").write_text("\n".join(page) + "\n")


def pytest_sessionfinish(session):
    folder = session.config.getoption("--speed-report", default=None)
    if folder and (ROWS or COSTS):
        report(Path(folder), ROWS, COSTS)

"""Ours against a peer, on the same arrays and threads, in pairs; `--speed-report FOLDER` writes the table."""

import json
import statistics
import time
from pathlib import Path

import pytest

ROWS = []


def pytest_addoption(parser):
    parser.addoption("--speed-report", metavar="FOLDER", help="write the table of races here")


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


def pytest_sessionfinish(session):
    folder = session.config.getoption("--speed-report", default=None)
    if folder and ROWS:
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / "races.json").write_text(json.dumps(ROWS, indent=1) + "\n")
        lines = [
            "| work | against | ours, s | theirs, s | ratio | asked | pairs |",
            "|---|---|---:|---:|---:|---:|---:|",
            *(
                f"| {r['work']}{' (' + r['note'] + ')' if r['note'] else ''} | {r['against']} | {r['ours']:.3g} | "
                f"{r['theirs']:.3g} | {r['ratio']:.2f} | {r['least']} | {r['pairs']} |"
                for r in ROWS
            ),
        ]
        (Path(folder) / "README.md").write_text("# Races against peers\n\n" + "\n".join(lines) + "\n")

"""Every finding of the shipped benchmarks, from runs made on the spot, by the same function that writes the page."""

import pytest

from genbench import bench
from genbench.record import read_results

FILE = bench.default_file().resolve()


@pytest.mark.slow
@pytest.mark.parametrize("name", bench.read(FILE))
def test_the_findings_show(name, genbench, tmp_path):
    said = genbench("run", name, "--file", FILE)
    assert said.returncode == 0, said.stderr
    results = read_results(tmp_path / "runs" / name)
    verdicts = [claim.judge(title, results) for title, claim in bench.find(name, FILE).findings.items()]
    assert verdicts
    assert [verdict.sentence for verdict in verdicts if verdict.verdict != "shown"] == []

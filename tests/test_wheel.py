"""The wheel stands on its own: built, unpacked outside the checkout, and asked what it holds."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_a_wheel_carries_the_benchmarks_the_weights_and_the_models(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    outside = tmp_path / "outside"
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(outside)
    assert (outside / "genbench" / "benchmarks.yaml").read_text() == (ROOT / "benchmarks.yaml").read_text()
    for space in ("digits", "fashion-mnist"):
        assert (outside / "genbench" / "spaces" / f"{space}.safetensors").stat().st_size < 300_000
    code = (
        "import genbench, sys; from genbench import bench, catalogue; assert genbench.__file__.startswith(sys.argv[1]);"
        "assert 'quick' in bench.read(bench.default_file()); print(len(catalogue.names('models')))"
    )
    command = [sys.executable, "-c", code, str(outside)]
    said = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(outside)}, capture_output=True, text=True
    )
    assert said.returncode == 0, said.stderr
    assert int(said.stdout) >= 12

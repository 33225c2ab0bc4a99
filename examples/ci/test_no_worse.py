"""Hold the model of this branch against the scores in old/, which the main branch left."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ASKED = {"models": "model:Mixture", "metrics": "frechet,modes,high_quality", "seeds": "5", "examples": "5000"}


def test_no_score_got_worse(genbench_regression, tmp_path):
    asked = ASKED | {"runs": tmp_path / "runs", "out": tmp_path / "new"}
    options = [f"--{name}={value}" for name, value in asked.items()]
    subprocess.run([sys.executable, "-m", "genbench.cli", "run", "ring8", *options], cwd=HERE, check=True)
    genbench_regression(tmp_path / "new", HERE / "old", gates=HERE / "gates.yaml")

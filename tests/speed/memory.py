"""Peak memory of a piece of work, alone in a process of its own."""

import subprocess
import sys
from pathlib import Path

FRAME = """
import resource, torch
torch.set_num_threads(1)
{before}
held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
{work}
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held)
"""


def peak(before, work):
    """Megabytes that `work` takes beyond what stood after `before`, both of them lines of Python."""
    said = subprocess.run(
        [sys.executable, "-c", FRAME.format(before=before, work=work)],
        check=True, capture_output=True, text=True, cwd=Path(__file__).parent,
    ).stdout  # fmt: skip
    return int(said.split("peak")[-1]) / 1024

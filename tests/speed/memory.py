"""Peak memory of a piece of work, alone in a process of its own."""

import subprocess
import sys
from pathlib import Path

# A process is born with the peak of the one that started it in ru_maxrss; VmHWM is its own, and 5 starts it anew.
FRAME = """
import re, torch
from pathlib import Path
torch.set_num_threads(1)
def kilobytes(name):
    return int(re.search(name + r":\\s*(\\d+)", Path("/proc/self/status").read_text())[1])
{before}
held = kilobytes("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
{work}
print("peak", kilobytes("VmHWM") - held)
"""


def peak(before, work):
    """Megabytes that `work` takes beyond what stood after `before`, both of them lines of Python."""
    said = subprocess.run(
        [sys.executable, "-c", FRAME.format(before=before, work=work)],
        check=True, capture_output=True, text=True, cwd=Path(__file__).parent,
    ).stdout  # fmt: skip
    return int(said.split("peak")[-1]) / 1024

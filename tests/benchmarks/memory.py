"""Peak memory of a command."""

from __future__ import annotations

import subprocess
import sys

# Linux counts the memory of the process that forked into a child's peak, and benchmarks hold TensorFlow; so a small
# process stands between.
_PEAK_OF = """
import os, subprocess, sys
_, status, usage = os.wait4(subprocess.Popen(sys.argv[1:]).pid, 0)
print(usage.ru_maxrss * 1024)
sys.exit(status != 0)
"""


def peak_of(command: list[str]) -> int:
    """Runs a command that prints nothing; gives its peak memory in bytes."""
    return int(subprocess.run([sys.executable, "-c", _PEAK_OF, *command], capture_output=True, check=True).stdout)

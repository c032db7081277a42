"""Runs the client as its users do: as a process."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def client(
    *words: object, cwd: Path | None = None, limits: Sequence[str] = (), **more: object
) -> subprocess.CompletedProcess[str]:
    """Runs `client WORDS`, within limits of `tests.limits`."""
    command = [*limits, sys.executable, "-m", "client", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120, check=False, **more)


def rows_of(path: Path) -> list[dict[str, str]]:
    """Reads a result file."""
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.DictReader(file))

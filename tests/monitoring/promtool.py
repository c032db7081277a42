"""Prometheus' own tools."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="no promtool: Debian's package `prometheus` brings it"
)


def promtool(*words: object, cwd: Path | None = None) -> str:
    """Runs it, and fails with all it said."""
    done = subprocess.run(["promtool", *map(str, words)], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr

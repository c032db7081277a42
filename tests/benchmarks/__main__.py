"""Runs benchmarks: all, or those named."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

from tests.benchmarks.table import append, show


def main() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    here = Path(__file__).parent
    known = sorted(path.stem.removeprefix("bench_") for path in here.glob("bench_*.py"))
    wanted = sys.argv[1:] or known
    if unknown := sorted(set(wanted) - set(known)):
        sys.exit(f"No benchmark {', '.join(unknown)}; there are: {', '.join(known)}")
    build = Path("build")
    missed = []
    for name in wanted:
        rows = []
        for row in importlib.import_module(f"tests.benchmarks.bench_{name}").run(build / "bench"):
            show(row)
            rows.append(row)
        append(rows, build / "bench.json")
        missed += [row.name for row in rows if row.ok is False]
    print(f"Rows added to {build / 'bench.json'}")
    if missed:
        sys.exit("Goals missed: " + "; ".join(missed))


if __name__ == "__main__":
    main()

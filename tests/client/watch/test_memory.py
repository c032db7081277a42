"""`client watch` for days: memory and open files stay what they are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.client.watch.watching import png, sidecar

pytestmark = pytest.mark.slow

# The real loop in a process of its own, with its waiting left out.
_DAYS = """
import json, os, sys
from datetime import timedelta
from pathlib import Path
import psutil
import client.watch.folder
from client.watch import run
from client.watch.spool import Sidecar, Spool
from client.watch.job import WatchJob
from client.watch.metrics import Metrics
from client.watch.state import WatchState
from radar.seasons import TimeRule

folder, target, busy, sidecar = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "busy", sys.argv[4]
run.SETTLE_SECONDS = client.watch.folder.SETTLE_SECONDS = 0.0
pictures = [path.read_bytes() for path in sorted(folder.glob("*.source"))]
rule = TimeRule("%Y%m%d%H%M.png", cadence_minutes=1)
me, rounds, found = psutil.Process(), 0, []

class Counting(Metrics):
    def look(self, *arguments):
        global rounds
        super().look(*arguments)
        rounds += 1
        if busy and rounds % 2:
            name = f"202601{rounds // 144 + 1:02d}{rounds % 144 // 60:02d}{rounds % 60:02d}.png"
            (folder / name).write_bytes(pictures[rounds % len(pictures)])
        if rounds in (200, 2000):
            found.append((me.memory_info().rss, me.num_fds()))
        if rounds == 2000:
            watcher.stop()

with WatchState(folder / "state.sqlite", "w") as state:
    spool = Spool(state, Sidecar(sidecar, "w", "snowmode"))
    spool.start()
    job = WatchJob(folder, "snowmode", folder / "out", rule=rule, cadence=timedelta(minutes=1), poll=0.0005)
    watcher = run.Watcher(job, state, Counting(job.cadence, lambda: spool.up), spool)
    watcher.run(target)
    spool.stop()
    print(json.dumps([found, len(state.stamps())]))
"""


@pytest.mark.parametrize(("kind", "recorded"), [("idle", 0), ("busy", 950)])
def test_memory_and_open_files_stay_flat(tmp_path: Path, server: str, kind: str, recorded: int) -> None:
    for n in range(20):
        (tmp_path / f"{n}.source").write_bytes(png(n))
    with sidecar() as fake:
        command = [sys.executable, "-c", _DAYS, str(tmp_path), server, kind, fake.url]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    ((early, early_files), (late, late_files)), frames = json.loads(done.stdout)
    assert frames >= recorded
    print(f"{kind}: {early / 2**20:.1f} MB, then {late / 2**20:.1f} MB; {early_files}, then {late_files} files")
    assert abs(late_files - early_files) <= 3
    # What is known of a frame for ever: its name and stamp, less than a kilobyte.
    assert late - early < 8 * 2**20 + 1000 * frames, f"{early / 2**20:.1f} MB, then {late / 2**20:.1f} MB"

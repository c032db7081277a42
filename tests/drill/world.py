"""What scenarios share: published models, a fleet of model servers, frames, a PostgreSQL, a place for each."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.client.watch.watching import Watching, png, state_of
from tests.drill.fleet import Fleet
from tests.drill.outcome import Outcome
from tests.drill.programs import Classifying, Feeder, Visitor, recorded, rows_of, wait_for
from tests.serving.sidecar.postgres import Postgres, postgres
from tests.serving.sidecar.process import Sidecar
from training.publishing import releases

SEASON = "incoming"


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything.

    Attributes:
        frames: Of a folder that is classified.
        rate: Frames a second that come into a watched folder.
        outage: Seconds that something is away.
        kills: Of programs that are killed again and again.
    """

    frames: int
    rate: float
    outage: float
    kills: int


FULL = Size(frames=12_000, rate=40.0, outage=4.0, kills=6)
SMALL = Size(frames=2_000, rate=25.0, outage=0.5, kills=2)


class World:
    """Where a drill takes place.

    Args:
        folder: Of everything, the logs of all processes too.
        size: How much of everything.
        models: A folder with a published model; None makes one, with fresh weights.
    """

    def __init__(self, folder: Path, size: Size, models: Path | None = None) -> None:
        self.folder, self.size = folder, size
        folder.mkdir(parents=True, exist_ok=True)
        self._stack = ExitStack()
        self._fleet: Fleet | None = None
        self._postgres: Postgres | None = None
        self.models = folder / "models"
        self._first = _publish(self.models, models)
        self._pictures = [png(seed) for seed in range(100)]
        self.promote(self._first)

    def close(self) -> None:
        """Ends everything."""
        self._stack.close()

    @property
    def pictures(self) -> list[bytes]:
        """Contents of frames."""
        return self._pictures

    @property
    def in_production(self) -> int:
        """The version that model servers answer with."""
        return releases.read(self.models).production or self._first

    def fleet(self) -> Fleet:
        """Gives three model servers, all of them answering."""
        if self._fleet is None:
            self._fleet = Fleet(self.folder, self.models)
            self._stack.callback(self._fleet.end)
        return self._fleet.ready()

    def postgres(self) -> Postgres:
        """Gives a PostgreSQL that runs, and loses nothing when it falls.

        Raises:
            NoPostgres: There is none on this machine.
        """
        if self._postgres is None:
            self._postgres = self._stack.enter_context(postgres(durable=True))
        return self._postgres

    def place(self, scenario: str) -> Path:
        """Makes the empty folder of a scenario."""
        folder = self.folder / scenario
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def season(self) -> tuple[Path, list[str]]:
        """Gives a folder of frames to classify, and their names."""
        folder = self.folder / "season"
        names = [f"pr2hse{n:05d}.png" for n in range(self.size.frames)]
        if not folder.exists():
            partial = self.folder / "season.partial"
            partial.mkdir()
            for n, picture in enumerate(self._pictures):
                (partial / names[n]).write_bytes(picture)
            for n in range(len(self._pictures), len(names)):
                (partial / names[n]).hardlink_to(partial / names[n % len(self._pictures)])
            partial.rename(folder)
        return folder, names

    def publish(self, version: int) -> int:
        """Publishes the same network once more, as another version."""
        base = self.models / "snowmode"
        if not (base / str(version)).exists():
            shutil.copytree(base / str(self._first), base / f".{version}.copy")
            (base / f".{version}.copy").rename(base / str(version))
        return version

    def promote(self, version: int) -> None:
        """Puts a version into production, as an operator does."""
        self._training("promote", str(version))

    def rollback(self) -> None:
        """Puts the version before back."""
        self._training("rollback")

    def _training(self, *words: str) -> None:
        command = [
            sys.executable,
            "-c",
            "from training.cli import main; main()",
            *words,
            "--models",
            str(self.models),
        ]
        subprocess.run(command, check=True, capture_output=True)


def _publish(target: Path, models: Path | None) -> int:
    """Copies a published model, or makes one; gives its version."""
    if models is None:
        from tests.benchmarks.material import publish_fresh

        return int(publish_fresh(target, "nakai2022", 32)[0].name)
    shutil.copytree(models, target)
    return max(int(path.name) for path in (target / "snowmode").iterdir() if path.name.isdecimal())


@contextlib.contextmanager
def sidecars(folder: Path, database: str, server: str) -> Iterator[SidecarHost]:
    """Runs a sidecar for the time of the block."""
    host = SidecarHost(folder, database, server)
    try:
        yield host
    finally:
        host.kill()


class SidecarHost:
    """Where a sidecar runs, and runs again at the same address after it was killed.

    Args:
        folder: Of its log.
        database: Its URL.
        server: Of the model.
    """

    def __init__(self, folder: Path, database: str, server: str) -> None:
        self._folder, self._server = folder, server
        self._words = [f"--database={database}", "--requests-per-minute=0"]
        self.one = Sidecar(folder, *self._words, server=server)
        self._port = self.one.port

    def kill(self) -> None:
        """Ends it at once."""
        self.one.process.kill()
        self.one.process.wait()

    def start(self) -> None:
        """Starts it once more, and waits until it answers."""
        self.one = Sidecar(self._folder, *self._words, f"--port={self._port}", server=self._server)


def settle(outcome: Outcome, feeder: Feeder, watch: Watching, sidecar: Sidecar | None = None) -> None:
    """Ends the load, waits until all is done, stops the watcher, and adds everything to the account."""
    names = feeder.stop()
    wait_for(lambda: len(rows_of(*day_files(watch.out))) >= len(names), "all frames in the results")
    if sidecar is not None:
        wait_for(lambda: len(recorded(sidecar, SEASON)) >= len(names), "all frames in the sidecar")
    code = watch.stop()
    outcome.promise(code == 0, f"the watcher ended with {code}")
    rows = rows_of(*day_files(watch.out))
    outcome.account(names, [row["file"] for row in rows], None if sidecar is None else recorded(sidecar, SEASON))
    bad = [row for row in rows if row["error"]]
    outcome.promise(not bad, f"{len(bad)} frames could not be classified: {[row['error'] for row in bad[:1]]}")
    again = [name for name, row in state_of(watch.out).items() if row["revision"] != 1]
    outcome.promise(not again, f"{len(again)} frames were recorded more than once: {again[:1]}")


def add_classified(outcome: Outcome, names: list[str], run: Classifying) -> None:
    """Adds what `client classify` wrote to the account."""
    rows = rows_of(run.out)
    outcome.account(names, [row["file"] for row in rows])
    bad = [row["error"] for row in rows if row["error"]]
    outcome.promise(not bad, f"{len(bad)} frames could not be classified: {bad[:1]}")


def add_visits(outcome: Outcome, visitor: Visitor) -> None:
    """Adds the calls of somebody beside the run."""
    asked = sum(visitor.answers.values())
    outcome.calls += asked
    outcome.failed_calls += visitor.failed
    outcome.promise(asked > 0, "nobody asked meanwhile: that no call failed proves nothing")


def in_the_middle(outcome: Outcome, run: Classifying, names: list[str]) -> None:
    """Promises that a run has something left to do."""
    outcome.promise(run.done() < len(names), "the run was finished before the blow: this proves nothing")


def day_files(out: Path) -> list[Path]:
    """Lists the result files of a watcher."""
    return sorted(out.glob("*.csv"))

"""Releases: which published version is in production, which is the candidate, and what servers are told of it.

`training publish` makes a version the candidate, `training promote` puts one into production, `training rollback`
takes the one before. Each is written to `MODELS/releases.json` and, for model servers, to `MODELS/models.config`,
which TensorFlow Serving reads with `--model_config_file` (and again by itself with
`--model_config_file_poll_wait_seconds`).

TensorFlow Serving answers a request that names no version with the highest version it has loaded. So the servable
`snowmode` is told of the version in production, and of the one before where that is older, for jobs that began with
it; the candidate is a servable of its own, `snowmode-candidate`. A candidate never answers somebody who did not ask
for it, and a rollback to an older version works.

The config has no `version_labels`: TensorFlow Serving refuses a whole reload that moves a label to a version it has
not loaded yet, so a promotion would need two writes and somebody to wait in between. The labels `production` and
`candidate` stand here and in `training models`; servers tell the two by their names.
"""

from __future__ import annotations

import fcntl
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from google.protobuf import text_format
from pydantic import BaseModel, ConfigDict, ValidationError

from radar import durable
from serving.protocol import wire
from serving.protocol.contract import MODEL_NAME
from training.errors import TrainingError

RELEASES_FILE = "releases.json"
CONFIG_FILE = "models.config"
CANDIDATE_NAME = f"{MODEL_NAME}-candidate"
PRODUCTION, CANDIDATE = "production", "candidate"

_HEADER = "# Written by `training publish`, `promote` and `rollback`, which replace it: do not edit.\n"


class Step(BaseModel):
    """One entry of the history: when, what, which version."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    time: datetime
    action: str
    version: int
    note: str = ""


class Releases(BaseModel):
    """What is released.

    Attributes:
        production: Version in production; None if there is none.
        candidate: Version that waits to be promoted; None if there is none.
        before: Versions that were in production before, oldest first.
        served_at: Path of MODELS as model servers see it; empty: as this machine does.
        history: Everything that was done, oldest first.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    production: int | None = None
    candidate: int | None = None
    before: tuple[int, ...] = ()
    served_at: str = ""
    history: tuple[Step, ...] = ()

    def labels_of(self, version: int) -> tuple[str, ...]:
        """Gives the labels of a version."""
        found = {PRODUCTION: self.production, CANDIDATE: self.candidate}
        return tuple(label for label, number in found.items() if number == version)


def versions(models: Path) -> list[int]:
    """Lists the published versions, oldest first."""
    base = models / MODEL_NAME
    found = base.iterdir() if base.is_dir() else ()
    return sorted(int(path.name) for path in found if re.fullmatch("[0-9]+", path.name) and path.is_dir())


def read(models: Path) -> Releases:
    """Reads what is released.

    Without `releases.json` the newest version counts as in production: it is what servers of the folder answer with.

    Raises:
        TrainingError: The file is damaged.
    """
    path = models / RELEASES_FILE
    try:
        return Releases.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Releases(production=max(versions(models), default=None))
    except (OSError, ValidationError) as error:
        raise TrainingError(
            f"{path}: cannot be read: {str(error)[:300]}; if it is beyond repair, remove it, and name the version "
            "that is to be in production: training promote VERSION"
        ) from error


def offer(models: Path, version: int, *, note: str = "", served_at: Path | None = None) -> Releases:
    """Makes a version the candidate; the very first goes into production, for nothing is there to be guarded.

    Args:
        models: The folder that was published to.
        version: Published already.
        note: For the history.
        served_at: Path of `models` as model servers see it; by default as it was given before.

    Raises:
        TrainingError: The files cannot be read or written.
    """
    with _locked(models):
        now = read(models)
        first = now.production is None or now.production == version
        change: dict[str, object] = {PRODUCTION if first else CANDIDATE: version}
        return _write(models, now, "promote" if first else "publish", version, note, served_at, change)


def promote(models: Path, version: int, *, note: str = "", served_at: Path | None = None) -> Releases:
    """Puts a version into production.

    Raises:
        TrainingError: There is no such version, it is in production already, or the files cannot be written.
    """
    with _locked(models):
        now = read(models)
        _check_there(models, version)
        if now.production == version and (models / RELEASES_FILE).exists() and served_at is None:
            raise TrainingError(f"{version} is in production already")
        change: dict[str, object] = {PRODUCTION: version}
        if now.production not in (None, version):
            change["before"] = (*now.before, now.production)
        if now.candidate == version:
            change[CANDIDATE] = None
        return _write(models, now, "promote", version, note, served_at, change)


def rollback(models: Path, *, note: str = "") -> Releases:
    """Puts the version that was in production before back; the one that was is no candidate.

    Raises:
        TrainingError: There is none, or the files cannot be written.
    """
    with _locked(models):
        now = read(models)
        if not now.before:
            raise TrainingError(
                f"{models}: no version was in production before {now.production}; name one: training promote VERSION"
            )
        *before, version = now.before
        _check_there(models, version)
        change: dict[str, object] = {PRODUCTION: version, "before": tuple(before)}
        return _write(models, now, "rollback", version, note, None, change)


def config_text(models: Path, releases: Releases) -> str:
    """Writes the config file of a model server."""
    root = Path(releases.served_at) if releases.served_at else models.resolve()
    config = wire.ModelServerConfig()
    served: list[tuple[str, list[int]]] = []
    if releases.production is not None:
        there = set(versions(models))
        # Only an older one: of two, the higher number answers requests that name no version.
        earlier = [v for v in releases.before[-1:] if v < releases.production and v in there]
        served.append((MODEL_NAME, [*earlier, releases.production]))
    if releases.candidate is not None:
        served.append((CANDIDATE_NAME, [releases.candidate]))
    for name, numbers in served:
        entry = config.model_config_list.config.add(
            name=name, base_path=str(root / MODEL_NAME), model_platform="tensorflow"
        )
        entry.model_version_policy.specific.versions.extend(numbers)
    return _HEADER + str(text_format.MessageToString(config))


def _write(
    models: Path,
    now: Releases,
    action: str,
    version: int,
    note: str,
    served_at: Path | None,
    change: dict[str, object],
) -> Releases:
    step = Step(time=datetime.now(UTC).replace(microsecond=0), action=action, version=version, note=note)
    if served_at is not None:
        if not served_at.is_absolute():
            raise TrainingError(f"--served-at: expected an absolute path, received {str(served_at)!r}")
        change = {**change, "served_at": str(served_at)}
    then = now.model_copy(update={**change, "history": (*now.history, step)})
    try:
        # The record first: killed in between, the next command writes the config again.
        durable.write_text(models / RELEASES_FILE, then.model_dump_json(indent=1) + "\n")
        durable.write_text(models / CONFIG_FILE, config_text(models, then))
    except OSError as error:
        raise TrainingError(f"{models}: cannot write there: {error.strerror or error}") from error
    return then


def _check_there(models: Path, version: int) -> None:
    if not (models / MODEL_NAME / str(version) / "saved_model.pb").is_file():
        there = ", ".join(map(str, versions(models))) or "none"
        raise TrainingError(
            f"{models / MODEL_NAME}: expected a published version, received {version}; there are: {there}"
        )


@contextmanager
def _locked(models: Path) -> Iterator[None]:
    """Lets one job at a time change what is released; the lock goes with the process that holds it."""
    try:
        models.mkdir(parents=True, exist_ok=True)
        with (models / ".releases.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise TrainingError(f"{models}: cannot write there: {error.strerror or error}") from error

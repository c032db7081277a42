"""Releases: which published version is in production, which is the candidate, and what servers are told of it.

`training publish` makes a version the candidate, `training promote` puts one into production, `training rollback`
takes the one before. Each is written to `MODELS/releases.json` and, for model servers, to `MODELS/models.config`,
which TensorFlow Serving reads with `--model_config_file` (and again by itself with
`--model_config_file_poll_wait_seconds`).

TensorFlow Serving answers a request that names no version with the highest version it has loaded. So the servable
`snowmode` is told of the version in production, and of the one before where that is older, for jobs that began with
it; the candidate is a servable of its own, `snowmode-candidate`. A candidate never answers somebody who did not ask
for it, and a rollback to an older version works.

Each may be asked for twice, as a job does that is started again: what is done already is told and left as it is, and
the config is written again if it is not what was released. A rollback that is repeated would go one version further
back; who cannot rule that out gives it a key with `once`, which is carried out a single time.

The config has no `version_labels`: TensorFlow Serving refuses a whole reload that moves a label to a version it has
not loaded yet, so a promotion would need two writes and somebody to wait in between. The labels `production` and
`candidate` stand here and in `training models`; servers tell the two by their names.
"""

from __future__ import annotations

import fcntl
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from google.protobuf import text_format
from pydantic import BaseModel, ConfigDict, ValidationError

from radar import durable
from serving.protocol import embedded, wire
from serving.protocol.contract import MODEL_NAME
from training.errors import TrainingError

RELEASES_FILE = "releases.json"
CONFIG_FILE = embedded.CONFIG_FILE
CANDIDATE_NAME = f"{MODEL_NAME}-candidate"
PRODUCTION, CANDIDATE = "production", "candidate"

_HEADER = "# Written by `training publish`, `promote` and `rollback`, which replace it: do not edit.\n"


class Step(BaseModel):
    """One entry of the history: when, what, which version, why, and the key it was asked for with."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    time: datetime
    action: str
    version: int
    note: str = ""
    once: str = ""


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


@dataclass(frozen=True, slots=True)
class Change:
    """What a promotion or a rollback did.

    Attributes:
        before: What was released before.
        after: What is released now.
        nothing: Why nothing was to be done; empty if something was.
    """

    before: Releases
    after: Releases
    nothing: str = ""


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
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error.strerror or error
        raise TrainingError(
            f"{path}: cannot be read: {reason}. Put back a copy; or, if there is none, remove it and name the "
            f"version that servers have now, as {CONFIG_FILE} beside it says: training promote VERSION"
        ) from error


def _lost(models: Path) -> bool:
    """Tells whether something was released, as servers are told, and its records are gone."""
    return (models / CONFIG_FILE).exists() and not (models / RELEASES_FILE).exists()


def offer(
    models: Path, version: int, *, note: str = "", served_at: Path | None = None, unless_told: bool = False
) -> Releases:
    """Makes a version the candidate; the very first goes into production, for nothing is there to be guarded.

    Args:
        models: The folder that was published to.
        version: Published already.
        note: For the history.
        served_at: Path of `models` as model servers see it; by default as it was given before.
        unless_told: Leaves a version of which something is told already, as a job does that is started again.

    Raises:
        TrainingError: The files cannot be read or written; or the records were lost.
    """
    with _locked(models):
        now = read(models)
        if versions(models) != [version] and _lost(models):
            raise TrainingError(
                f"{models / RELEASES_FILE}: is not there, though {models / CONFIG_FILE} is, so nobody knows what is "
                f"in production, and version {version} could go there unseen. Put back a copy, or name what is to be "
                "in production, as that file names it: training promote VERSION. Then give this command again"
            )
        first = now.production is None or now.production == version
        told = version in {step.version for step in now.history}
        # Where nothing is recorded the newest version counts as in production; an older one is nobody's candidate.
        if unless_told and (told or not (first or (models / RELEASES_FILE).exists())):
            return _left(models, now, "", served_at).after
        change: dict[str, object] = {PRODUCTION if first else CANDIDATE: version}
        return _write(models, now, "promote" if first else "publish", version, note, served_at, change)


def promote(
    models: Path, version: int | None = None, *, note: str = "", served_at: Path | None = None, once: str = ""
) -> Change:
    """Puts a version into production.

    Args:
        models: The folder that was published to.
        version: Which one; the candidate by default.
        note: For the history.
        served_at: Path of `models` as model servers see it; by default as it was given before.
        once: A key; what was done with the same one is not done again.

    Raises:
        TrainingError: Nothing is published there, or not this version, or the files cannot be written.
    """
    _check_any(models)
    with _locked(models):
        now = read(models)
        if done := _done_before(now, once):
            return _left(models, now, done)
        wanted = now.candidate if version is None else version
        if wanted is None:
            return _left(models, now, "There is no candidate to promote", served_at)
        _check_there(models, wanted)
        if now.production == wanted and (models / RELEASES_FILE).exists():
            return _left(models, now, f"{wanted} is in production already", served_at)
        change: dict[str, object] = {PRODUCTION: wanted}
        if now.production not in (None, wanted):
            change["before"] = (*now.before, now.production)
        if now.candidate == wanted:
            change[CANDIDATE] = None
        return Change(now, _write(models, now, "promote", wanted, note, served_at, change, once=once))


def rollback(models: Path, *, note: str = "", once: str = "") -> Change:
    """Puts the version that was in production before back; the one that was is no candidate.

    Args:
        models: The folder that was published to.
        note: For the history.
        once: A key; what was done with the same one is not done again.

    Raises:
        TrainingError: Nothing is published there, none was in production before, or the files cannot be written.
    """
    _check_any(models)
    with _locked(models):
        now = read(models)
        if done := _done_before(now, once):
            return _left(models, now, done)
        if not now.before:
            raise TrainingError(
                f"{models}: no version was in production before {now.production}, so there is no way back; to put "
                "another one into production: training promote VERSION (training models lists them)"
            )
        *before, version = now.before
        _check_there(models, version)
        change: dict[str, object] = {PRODUCTION: version, "before": tuple(before)}
        return Change(now, _write(models, now, "rollback", version, note, None, change, once=once))


def served(models: Path, releases: Releases) -> dict[str, list[int]]:
    """Gives what model servers are told to host: versions by name; the last one of a name answers."""
    found: dict[str, list[int]] = {}
    if releases.production is not None:
        there = set(versions(models))
        # Only an older one: of two, the higher number answers requests that name no version.
        earlier = [v for v in releases.before[-1:] if v < releases.production and v in there]
        found[MODEL_NAME] = [*earlier, releases.production]
    if releases.candidate is not None:
        found[CANDIDATE_NAME] = [releases.candidate]
    return found


def config_text(models: Path, releases: Releases) -> str:
    """Writes the config file of a model server."""
    root = Path(releases.served_at) if releases.served_at else models.resolve()
    config = wire.ModelServerConfig()
    for name, numbers in served(models, releases).items():
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
    *,
    once: str = "",
) -> Releases:
    step = Step(time=datetime.now(UTC).replace(microsecond=0), action=action, version=version, note=note, once=once)
    then = now.model_copy(update={**change, **_place(served_at), "history": (*now.history, step)})
    _save(models, then)
    return then


def _left(models: Path, now: Releases, nothing: str, served_at: Path | None = None) -> Change:
    """Leaves what is released; but a job before may have been killed before it wrote the config."""
    then = now.model_copy(update=_place(served_at))
    try:
        written = (models / CONFIG_FILE).read_bytes()
    except OSError:
        written = b""
    if (models / RELEASES_FILE).exists() and (then != now or written != config_text(models, then).encode()):
        _save(models, then)
        nothing += f"; {models / CONFIG_FILE} was not what is released, and was written again"
    return Change(now, then, nothing)


def _place(served_at: Path | None) -> dict[str, object]:
    if served_at is None:
        return {}
    if not served_at.is_absolute():
        raise TrainingError(f"--served-at: expected an absolute path, received {str(served_at)!r}")
    return {"served_at": str(served_at)}


def _save(models: Path, then: Releases) -> None:
    try:
        # The record first: killed in between, the next command writes the config again.
        durable.write_text(models / RELEASES_FILE, then.model_dump_json(indent=1) + "\n")
        durable.write_text(models / CONFIG_FILE, config_text(models, then))
    except OSError as error:
        raise TrainingError(f"{models}: cannot write there: {error.strerror or error}") from error


def _done_before(now: Releases, once: str) -> str:
    for step in now.history:
        if once and step.once == once:
            return f"Done before, {step.time:%Y-%m-%d %H:%M} UTC: {step.action} {step.version} (--once {once})"
    return ""


def _check_any(models: Path) -> None:
    # Before a lock is made in a folder that was named by mistake.
    if not versions(models):
        raise TrainingError(
            f"{models / MODEL_NAME}: expected published models, received none; name their folder with --models"
        )


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

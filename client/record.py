"""`client record`: result files to the sidecar, which answers questions of many winters."""

from __future__ import annotations

import http.client
import os
import time
import urllib.error
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from pydantic import ValidationError

from client.errors import ConfigError, OutputError
from client.results.rows import Row, read_results
from client.results.runs import Record, read_record, record_file
from client.sidecar import BATCH, NO_TOKEN, Denied, Refused, Sidecar, SidecarConnection, as_record
from serving.protocol.contract import MODEL_NAME

REFUSED_LIMIT = 20
"""So many records refused and none taken are not the records' fault."""

_WAIT = 2.0


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be sent.

    Attributes:
        url: Of the sidecar.
        token: Bearer token, or empty.
        season: Name of the season; empty takes that of the folder which was classified, or of the result file.
        model: Name of the servable; empty takes that of the run.
        revision: Of the frames: a higher one takes the place of what is there.
        patience: Seconds to wait for a sidecar that is away.
    """

    url: str
    token: str = ""
    season: str = ""
    model: str = ""
    revision: int = 1
    patience: float = 60.0


@dataclass(slots=True)
class Sent:
    """What became of one result file.

    Attributes:
        results: The file.
        season: Name of the season.
        versions: Of the models that answered.
        rows: How many it has.
        new: Frames the sidecar did not know.
        replaced: Frames whose earlier record was replaced.
        unchanged: Frames that were there already.
        refused: Names of frames it does not want, and why.
    """

    results: Path
    season: str
    versions: tuple[int, ...] = ()
    rows: int = 0
    new: int = 0
    replaced: int = 0
    unchanged: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)


def plan(results: Sequence[Path], job: Job) -> list[Sent]:
    """Reads result files and says what would be sent; raises ConfigError for a file that is none."""
    planned = []
    for path in results:
        _, rows = read_results(path)
        versions, count = set(), 0
        for row in rows:
            versions.add(row.model_version)
            count += 1
        planned.append(Sent(path, _season(path, job), tuple(sorted(versions)), count))
    named: dict[str, Path] = {}
    for one in planned:
        if (other := named.setdefault(one.season, one.results)) != one.results:
            raise ConfigError(
                f"{other} and {one.results} would both be season {one.season!r}; send them one by one with --season"
            )
    return planned


def record(one: Sent, job: Job, advance: Callable[[int], None], say: Callable[[str], None]) -> Sent:
    """Sends one result file; what is there already changes nothing.

    Args:
        one: As `plan` gives it; counts what becomes of it.
        job: Where to.
        advance: Called with the number of rows sent.
        say: Called with a line when the sidecar is away, and when it is back.

    Raises:
        OutputError: The sidecar stays away longer than `job.patience`, denies the right to write, or takes nothing.
    """
    run = _run_of(one.results)
    sidecar = Sidecar(job.url, one.season, job.model or (run.identity.model if run else MODEL_NAME), job.token)
    sender = _Sender(SidecarConnection(sidecar), one, job, say)
    codes, rows = read_results(one.results)
    while batch := list(islice(rows, BATCH)):
        sender.send(batch, codes, sidecar)
        advance(len(batch))
    if run is not None:
        said = {"cadence_minutes": run.cadence_minutes, "time_rule": run.identity.time_rule}
        # An older sidecar knows none of these; the records are what matters.
        with suppress(OSError, Refused, http.client.HTTPException):
            sender.connection.describe_season({key: value for key, value in said.items() if value})
            if run.card is not None and one.versions == (run.identity.version,):
                sender.connection.describe_model(run.identity.version, run.card)
    return one


class _Sender:
    def __init__(self, connection: SidecarConnection, sent: Sent, job: Job, say: Callable[[str], None]) -> None:
        self.connection = connection
        self._sent, self._job, self._say = sent, job, say

    def send(self, rows: Sequence[Row], codes: Sequence[str], sidecar: Sidecar) -> None:
        """Sends rows; one that is refused costs itself, and is found by halves."""
        try:
            records = [as_record(row, codes, sidecar, revision=self._job.revision) for row in rows]
            answer = self._patiently(lambda: self.connection.send(records))
        except (Refused, ValidationError) as error:
            if len(rows) > 1:
                middle = len(rows) // 2
                self.send(rows[:middle], codes, sidecar)
                self.send(rows[middle:], codes, sidecar)
                return
            self._sent.refused.append((rows[0].file, " ".join(str(error).split())))
            taken = self._sent.new + self._sent.replaced + self._sent.unchanged
            if not taken and len(self._sent.refused) >= REFUSED_LIMIT:
                raise OutputError(
                    f"The sidecar at {self._job.url} refused {REFUSED_LIMIT} records and took none; the last: {error}"
                ) from error
        else:
            for name in ("new", "replaced", "unchanged"):
                setattr(self._sent, name, getattr(self._sent, name) + int(answer.get(name, 0)))

    def _patiently(self, ask: Callable[[], dict[str, int]]) -> dict[str, int]:
        deadline, away = time.monotonic() + self._job.patience, False
        while True:
            try:
                answer = ask()
            except Denied as error:
                hint = "" if self._job.token else NO_TOKEN
                raise OutputError(f"The sidecar at {self._job.url} takes no records: {error}{hint}") from error
            except (OSError, http.client.HTTPException) as error:
                reason = error.reason if isinstance(error, urllib.error.URLError) else error
                if time.monotonic() + _WAIT > deadline:
                    raise OutputError(
                        f"The sidecar at {self._job.url} cannot be reached: {reason}. What it has taken stays; the "
                        "same command sends the rest. Is `serving sidecar` running there?"
                    ) from error
                if not away:
                    self._say(f"The sidecar at {self._job.url} is away ({reason}); waiting")
                away = True
                time.sleep(_WAIT)
            else:
                if away:
                    self._say("The sidecar is back")
                return answer


def _season(results: Path, job: Job) -> str:
    if job.season:
        return job.season
    run = _run_of(results)
    name = Path(run.identity.folder).name if run else results.name.removesuffix(".csv")
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _run_of(results: Path) -> Record | None:
    try:
        return read_record(record_file(results))
    except ConfigError:  # results from elsewhere
        return None


def refused_lines(sent: Sequence[Sent], most: int = 10) -> Iterator[str]:
    """Names frames that were refused, some of them if there are many."""
    lines = [f"{one.season}/{name}: {reason}" for one in sent for name, reason in one.refused]
    yield from lines[:most]
    if len(lines) > most:
        yield f"and {len(lines) - most:,} more"

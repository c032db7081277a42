"""Results: a CSV with one row a frame, which is never seen half-written and is resumed where a run was killed.

While a run goes on, its rows are appended to `NAME.csv.partial`; beside it `NAME.csv.run.json` says which run that is
(folder, model, version). At the end the rows become `NAME.csv` by one rename. A killed run leaves the partial file;
the next run of the same kind keeps every complete row of it.
"""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np

from client.errors import ConfigError, OutputError
from client.pipeline import Prediction
from client.rows import parse_row, read_results
from radar import durable

SYNC_SECONDS = 5.0  # how much work a power failure may cost


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """What must be equal for a run to be continued by another.

    Attributes:
        folder: Absolute path of the frames.
        model: Name of the servable.
        version: Its version; probabilities of two versions never stand in one file.
        columns: Header of the CSV.
        rejection_threshold: Below this largest probability a frame is not accepted.
    """

    folder: str
    model: str
    version: int
    columns: tuple[str, ...]
    rejection_threshold: float


class ResultFile:
    """Writes the CSV of one run.

    Args:
        path: Where the finished file will stand.
        codes: Codes of the modes, in the order of the probabilities.
        identity: Which run this is.
        resume: Whether to keep the rows of an unfinished run.

    Raises:
        ConfigError: Another run writes the same file, or the unfinished run there is of another kind.
        OutputError: The file cannot be written.
    """

    def __init__(self, path: Path, codes: Sequence[str], identity: RunIdentity, *, resume: bool = True) -> None:
        self.path = path
        self.partial = path.with_name(path.name + ".partial")
        self.identity_file = path.with_name(path.name + ".run.json")
        self._codes = tuple(codes)
        self._identity = identity
        self._header = (",".join(identity.columns) + "\n").encode()
        self._synced = time.monotonic()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.partial.open("a+b")
        except OSError as error:
            raise _output_error(self.partial, error) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise ConfigError(
                f"{path}: another run is writing this file; wait for it, or choose another --out"
            ) from error
        try:
            if resume and self._size():
                self._check_identity()
            elif resume and path.exists():
                self._continue_finished()
            else:
                self._start_afresh()
        except OSError as error:
            self._file.close()
            raise _output_error(self.partial, error) from error
        except ConfigError:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def keep(self, names: Sequence[str]) -> int:
        """Finds how much of an unfinished run can be kept, and drops the rest of it.

        Args:
            names: The frames of this run, in order.

        Returns:
            How many of the first names have their row already.
        """
        kept = 0
        self._file.seek(0)
        if self._file.readline() != self._header:
            raise ConfigError(
                f"{self.partial} does not begin with the columns of this run. Give --no-resume to drop it and start "
                "afresh."
            )
        end = self._file.tell()
        # Rows are read as whole lines: a name with a line break in it ends what can be kept, and costs only time.
        while kept < len(names):
            line = self._file.readline()
            if not line.endswith(b"\n"):
                break
            try:
                row = parse_row(next(csv.reader([line.decode("utf-8", "surrogateescape")])), len(self._codes))
            except (ValueError, StopIteration, csv.Error):
                break
            if row.file != names[kept] or row.model_version != self._identity.version:
                break
            kept += 1
            end = self._file.tell()
        try:
            self._file.truncate(end)
        except OSError as error:
            raise _output_error(self.partial, error) from error
        return kept

    def write(self, predictions: Sequence[Prediction], times: Sequence[str]) -> None:
        """Appends rows.

        Args:
            predictions: Of consecutive frames.
            times: Their times, ISO 8601, or empty strings.

        Raises:
            OutputError: The disk is full, or the file cannot be written for another reason.
        """
        text = io.StringIO()
        plain = csv.writer(text, lineterminator="\n")
        # Python 3.11 and 3.12 leave a carriage return unquoted when rows do not end in one.
        quoted = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
        for row in self._rows(predictions, times):
            (quoted if "\r" in row[0] or "\r" in row[-1] else plain).writerow(row)
        data = text.getvalue().encode("utf-8", "surrogateescape")
        try:
            self._file.write(data)
            self._file.flush()
            if time.monotonic() - self._synced > SYNC_SECONDS:
                os.fsync(self._file.fileno())
                self._synced = time.monotonic()
        except OSError as error:
            raise _output_error(self.partial, error) from error

    def finish(self) -> None:
        """Makes the rows the result file: all at once, and safe against a power failure.

        Raises:
            OutputError: The file cannot be written.
        """
        try:
            os.fsync(self._file.fileno())
            self.partial.replace(self.path)
            durable.sync(self.path.parent)
            self.identity_file.unlink(missing_ok=True)
        except OSError as error:
            raise _output_error(self.path, error) from error

    def _size(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    def _start_afresh(self) -> None:
        self._file.truncate(0)
        durable.write_text(
            self.identity_file, json.dumps(asdict(self._identity), ensure_ascii=False, indent=1) + "\n"
        )
        self._file.write(self._header)
        self._file.flush()

    def _check_identity(self) -> None:
        try:
            before = json.loads(self.identity_file.read_text(encoding="utf-8"))
            before["columns"] = tuple(before["columns"])
            before = RunIdentity(**before)
        except (OSError, ValueError, KeyError, TypeError):
            self._start_afresh()
            return
        if before == self._identity:
            return
        differences = [
            f"  {name}: {getattr(before, name)!r} then, {getattr(self._identity, name)!r} now"
            for name in asdict(before)
            if getattr(before, name) != getattr(self._identity, name)
        ]
        raise ConfigError(
            f"{self.partial} is an unfinished run of another kind:\n" + "\n".join(differences) + "\n"
            "Give --no-resume to drop it and start afresh, or another --out to keep it."
        )

    def _continue_finished(self) -> None:
        """Takes a finished file as the beginning of this run: its folder may have grown since."""
        codes, rows = read_results(self.path)
        versions = {row.model_version for row in rows}
        if codes != self._codes or versions - {self._identity.version}:
            raise ConfigError(
                f"{self.path} holds results of another model (modes {' '.join(codes)}, version "
                f"{', '.join(map(str, sorted(versions)))}). Give --overwrite to replace it once the new results are "
                "complete, or another --out to keep it."
            )
        self._start_afresh()
        self._file.truncate(0)
        with self.path.open("rb") as finished:
            shutil.copyfileobj(finished, self._file)
        self._file.flush()

    def _rows(self, predictions: Sequence[Prediction], times: Sequence[str]) -> Iterator[list[str]]:
        blank = [""] * (len(self._codes) + 3)
        version = str(self._identity.version)
        answered = [p.probabilities for p in predictions if p.probabilities is not None]
        table = np.array(answered, np.float64).reshape(-1, len(self._codes))
        entropies = -np.sum(table * np.log(np.maximum(table, 1e-12)), axis=1)
        rows = iter(zip(table.tolist(), table.argmax(axis=1).tolist(), entropies.tolist(), strict=True))
        threshold = self._identity.rejection_threshold
        for prediction, stamp in zip(predictions, times, strict=True):
            if prediction.probabilities is None:
                yield [prediction.name, stamp, *blank, version, prediction.error]
                continue
            p, winner, entropy = next(rows)
            accepted = "1" if p[winner] >= threshold else "0"
            texts = [f"{value:.6f}" for value in p]
            yield [prediction.name, stamp, self._codes[winner], *texts, f"{entropy:.4f}", accepted, version, ""]


def _output_error(path: Path, error: OSError) -> OutputError:
    reason = error.strerror or str(error)
    return OutputError(
        f"{path}: cannot be written: {reason}. Complete rows are kept: make room or choose another --out, then run "
        "the same command again to continue."
    )

"""Results: a CSV with one row a frame, which is never seen half-written and is resumed where a run was killed.

While a run goes on, its rows are appended to `NAME.csv.partial`, and `NAME.csv.partial.json` says which run that is
(folder, model, version, time rule). At the end the rows become `NAME.csv` by one rename, and the other file
`NAME.csv.run.json`. A killed run leaves the partial file; the next run of the same kind keeps its complete rows.
"""

from __future__ import annotations

import csv
import fcntl
import io
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np

from client.errors import ConfigError, OutputError
from client.results.rows import parse_row, read_codes, read_results
from client.results.runs import Record, RunIdentity, read_record, record_file, write_record
from radar import durable
from serving.protocol.pipeline import Prediction

SYNC_SECONDS = 5.0  # how much work a power failure may cost


def check_target(path: Path) -> None:
    """Checks that a result file may be written there, before any work starts.

    Raises:
        ConfigError: A folder, a device, or a file that `client classify` did not write stands there.
    """
    if path.is_dir():
        raise ConfigError(f"--out {path}: expected a file such as {path / 'results.csv'}, received a folder")
    if path.exists() and not path.is_file():
        raise ConfigError(f"--out {path}: expected a file, received a device or the like")
    if path.exists():
        try:
            read_codes(path)
        except ConfigError as error:
            raise ConfigError(f"{error}. It is never overwritten; choose another --out") from error


class ResultFile:
    """Writes the CSV of one run.

    Args:
        path: Where the finished file will stand.
        codes: Codes of the modes, in the order of the probabilities.
        identity: Which run this is.
        names: The frames of this run, in order.
        record: What is noted of the run; by default nothing but its identity.
        resume: Whether to keep the rows of an unfinished run.
        overwrite: Whether a finished file may be replaced by other results.
        still_bad: Tells, by name and error, whether a frame that could not be classified would fail again; if not,
            its row is not kept.

    Attributes:
        kept: How many of the first names have their row already.
        record: What is noted of the run.

    Raises:
        ConfigError: Another run writes the same file, or what is there is of another kind.
        OutputError: The file cannot be written.
    """

    def __init__(
        self,
        path: Path,
        codes: Sequence[str],
        identity: RunIdentity,
        names: Sequence[str],
        *,
        record: Record | None = None,
        resume: bool = True,
        overwrite: bool = False,
        still_bad: Callable[[str, str], bool] = lambda name, error: True,
    ) -> None:
        check_target(path)
        self.path = path
        self.partial = path.with_name(path.name + ".partial")
        self._partial_identity = path.with_name(path.name + ".partial.json")
        self._identity_file = record_file(path)
        self._codes = tuple(codes)
        self._identity = identity
        self.record = record or Record(identity)
        self._names = names
        self._still_bad = still_bad
        self._synced = time.monotonic()
        self._file = self._open_alone()
        try:
            self.kept = self._begin(resume=resume, overwrite=overwrite)
        except OSError as error:
            self._file.close()
            raise self._output_error(error) from error
        except ConfigError:
            if not self._size():
                self.partial.unlink(missing_ok=True)
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def keep(self, rows: int) -> None:
        """Keeps only the first rows of an earlier run, where something that belongs to the others is lost."""
        self.kept = self._keep_rows(self._names[:rows])

    def write(self, predictions: Sequence[Prediction], times: Sequence[str]) -> None:
        """Appends rows.

        Args:
            predictions: Of consecutive frames.
            times: Their times, ISO 8601, or empty strings.

        Raises:
            OutputError: The disk is full, or the file cannot be written for another reason.
        """
        self.write_rows(self._rows(predictions, times))

    def write_rows(self, rows: Iterable[Sequence[str]]) -> None:
        """Appends rows that are texts already, of consecutive frames.

        Raises:
            OutputError: As `write`.
        """
        text = io.StringIO()
        plain = csv.writer(text, lineterminator="\n")
        # Python 3.11 and 3.12 leave a carriage return unquoted when rows do not end in one.
        quoted = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
        for row in rows:
            (quoted if "\r" in row[0] or "\r" in row[-1] else plain).writerow(row)
        try:
            self._append(text.getvalue().encode("utf-8", "surrogateescape"))
            if time.monotonic() - self._synced > SYNC_SECONDS:
                os.fsync(self._file.fileno())
                self._synced = time.monotonic()
        except OSError as error:
            raise self._output_error(error) from error

    def finish(self) -> None:
        """Makes the rows the result file: all at once, and safe against a power failure.

        Raises:
            OutputError: The file cannot be written.
        """
        try:
            os.fsync(self._file.fileno())
            self.partial.replace(self.path)
            self._partial_identity.replace(self._identity_file)
            durable.sync(self.path.parent)
        except OSError as error:
            raise self._output_error(error) from error

    def _open_alone(self) -> BinaryIO:
        """Opens the partial file and locks it against other runs."""
        while True:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                # Unbuffered: what is left in a buffer on a full disk would fail once more when the file is closed.
                file = self.partial.open("ab", buffering=0)
            except OSError as error:
                raise OutputError(f"{self.partial}: cannot be written: {error.strerror or error}") from error
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # The run that held the lock may have renamed the file meanwhile: then it is its finished result.
                if os.path.samestat(os.fstat(file.fileno()), self.partial.stat()):
                    return file
            except FileNotFoundError:
                pass
            except OSError as error:
                file.close()
                raise ConfigError(
                    f"{self.path}: another run is writing this file; wait for it, or choose another --out"
                ) from error
            file.close()

    def _begin(self, *, resume: bool, overwrite: bool) -> int:
        finished = self.path.exists() and not overwrite
        if finished:
            if not resume:
                raise ConfigError(
                    f"{self.path} is there already; --overwrite replaces it when the new one is complete"
                )
            advice = "Give --overwrite to replace it when the new one is complete, or another --out to keep it."
            self._require_identity(self.path, self._identity_file, advice)
            self._require_frames()
        if self._size() and resume:
            advice = "Give --no-resume to drop it and start afresh, or another --out to keep it."
            self._require_identity(self.partial, self._partial_identity, advice)
            return self._keep_rows(self._names)
        self._file.truncate(0)
        write_record(self._partial_identity, self.record)
        if not finished:
            self._append((",".join(self._identity.columns) + "\n").encode())
            return 0
        with self.path.open("rb") as earlier:
            shutil.copyfileobj(earlier, self._file)
        return self._keep_rows(self._names)

    def _require_identity(self, rows: Path, identity_file: Path, advice: str) -> None:
        try:
            before = read_record(identity_file).identity
        except ConfigError as error:
            raise ConfigError(f"{rows} is there already, but {error}. {advice}") from error
        if differences := self._identity.differences(before):
            raise ConfigError(f"{rows} is of another run:\n" + "\n".join(differences) + f"\n{advice}")

    def _require_frames(self) -> None:
        present = set(self._names)
        _, rows = read_results(self.path)
        gone = [row.file for row in rows if row.file not in present]
        if gone:
            raise ConfigError(
                f"{self.path} has {len(gone):,} rows of frames that are no longer in the folder, the first of "
                f"{gone[0]}. Give --overwrite to drop them, or another --out to keep them."
            )

    def _keep_rows(self, names: Sequence[str]) -> int:
        """Counts the rows that can be kept, and cuts off the rest."""
        kept = 0
        with self.partial.open("rb") as lines:
            if lines.readline(1 << 16) != (",".join(self._identity.columns) + "\n").encode():
                raise ConfigError(
                    f"{self.partial} does not begin with the columns of this run. Give --no-resume to drop it."
                )
            end = lines.tell()
            # Rows are read as whole lines: a name with a line break in it ends what is kept, and costs only time.
            while kept < len(names):
                line = lines.readline()
                if not line.endswith(b"\n"):
                    break
                try:
                    row = parse_row(next(csv.reader([line.decode("utf-8", "surrogateescape")])), self._codes)
                except (ValueError, StopIteration, csv.Error):
                    break
                if row.file != names[kept] or row.model_version != self._identity.version:
                    break
                if row.error and not self._still_bad(row.file, row.error):
                    break
                kept += 1
                end = lines.tell()
        self._file.truncate(end)
        return kept

    def _size(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    def _append(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]

    def _output_error(self, error: OSError) -> OutputError:
        return OutputError(
            f"{self.partial}: cannot be written: {error.strerror or error}. Complete rows are kept: make room, then "
            "run the same command again to continue."
        )

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

"""`client merge`: the results of all shards of a folder become one result file, as if one run had written it."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from client.errors import ConfigError
from client.results.file import ResultFile
from client.results.formats import check_formats, write_formats
from client.results.rows import parse_row, read_codes, read_results
from client.results.runs import Record, RunIdentity, read_record, record_file
from client.shard import Shard, whole
from client.tally import Timeline
from radar.archive import natural_order
from radar.seasons import Gap

_ROWS = 2000  # written at a time


@dataclass(slots=True)
class Merged:
    """What a merge did.

    Attributes:
        shards: How many.
        frames: In all.
        failed: Of them, those that could not be classified.
        gaps: Missing frames, if the cadence is known.
        files: What was written.
    """

    shards: int
    frames: int = 0
    failed: int = 0
    gaps: list[Gap] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)


def merge(
    parts: Sequence[Path], out: Path | None = None, *, formats: Sequence[str] = (), overwrite: bool = False
) -> Merged:
    """Puts the results of all shards together, in the order of one run.

    Heat maps stay in the files of the shards.

    Args:
        parts: The result file of every shard.
        out: The result file; None names it like theirs, without the number of the shard.
        formats: To be written beside it.
        overwrite: Whether results of another run may be replaced. Those of the same run always are.

    Returns:
        Counts, gaps, and the files written.

    Raises:
        ConfigError: Shards are missing, or of different runs; or results of another run stand in the way.
        OutputError: The result cannot be written.
    """
    check_formats(formats)
    records = {path: _read(path) for path in parts}
    owners = _owners(_shards(records))
    record = _whole(records[parts[0]])
    target = out or whole(parts[0])
    if target.exists() and not overwrite:
        _require_same(target, record.identity)
    codes = read_codes(parts[0])
    merged, timeline = Merged(len(parts)), Timeline(expected=False)
    names = natural_order(list(owners))
    with ResultFile(target, codes, record.identity, names, record=record, resume=False, overwrite=True) as results:
        streams = {path: _fields(path) for path in parts}
        rows = (next(streams[owners[name]]) for name in names)
        while block := list(itertools.islice(rows, _ROWS)):
            for fields in block:
                row = parse_row(fields, codes)
                merged.failed += bool(row.error)
                timeline.add(row.file, row.time_utc)
            results.write_rows(block)
            merged.frames += len(block)
        results.finish()
    minutes = record.cadence_minutes
    merged.gaps = timeline.gaps(None if minutes is None else timedelta(minutes=minutes))
    merged.files = [target, *write_formats(target, formats)]
    return merged


def _read(path: Path) -> Record:
    partial = path.with_name(path.name + ".partial")
    if not path.exists() and partial.exists():
        raise ConfigError(
            f"{path} is not finished: {partial.name} is still there. Run its shard again to complete it"
        )
    read_codes(path)
    try:
        record = read_record(record_file(path))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    if not record.identity.shard:
        raise ConfigError(f"{path} is no shard: expected results of `client classify --shard I/N`")
    return record


def _shards(records: Mapping[Path, Record]) -> dict[Path, Shard]:
    """Checks that the files are all shards of one run."""
    (first, reference), *others = records.items()
    for path, record in others:
        if differences := _whole(record).identity.differences(_whole(reference).identity):
            raise ConfigError(f"{path} is of another run than {first}:\n" + "\n".join(differences))
    shards = {path: Shard.parse(record.identity.shard) for path, record in records.items()}
    counts = sorted({shard.count for shard in shards.values()})
    if len(counts) > 1:
        raise ConfigError(f"Expected the shards of one split, received parts of {', '.join(map(str, counts))} shards")
    found = [shard.index for shard in shards.values()]
    if twice := [path for path, shard in shards.items() if found.count(shard.index) > 1]:
        raise ConfigError(f"{twice[0]} and {twice[1]} are the same shard, {shards[twice[0]]}")
    if missing := sorted(set(range(counts[0])) - set(found)):
        names = ", ".join(f"{index}/{counts[0]}" for index in missing[:10])
        raise ConfigError(f"{len(missing)} of {counts[0]} shards are missing: {names}")
    return shards


def _owners(shards: Mapping[Path, Shard]) -> dict[str, Path]:
    """Tells in which file each frame is."""
    owners = {}
    for path, shard in shards.items():
        for row in read_results(path)[1]:
            if not shard.takes(row.file):
                raise ConfigError(f"{path} holds {row.file}, which does not belong to shard {shard}")
            owners[row.file] = path
    return owners


def _whole(record: Record) -> Record:
    return replace(record, identity=replace(record.identity, shard="", heat_maps=""))


def _require_same(target: Path, identity: RunIdentity) -> None:
    advice = "Give --overwrite to replace it, or another --out to keep it."
    try:
        before = read_record(record_file(target)).identity
    except ConfigError as error:
        raise ConfigError(f"{target} is there already, but {error}. {advice}") from error
    if differences := identity.differences(before):
        raise ConfigError(f"{target} is of another run:\n" + "\n".join(differences) + f"\n{advice}")


def _fields(path: Path) -> Iterator[list[str]]:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file)
        next(reader)
        yield from reader

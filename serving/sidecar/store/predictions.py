"""Recording predictions: thousands at once, as a whole or not at all, and any number of times."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    bindparam,
    case,
    func,
    literal,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from serving.protocol.records import PredictionRecord
from serving.sidecar.errors import Conflict
from serving.sidecar.store.seasons import ensure_seasons, find_season, insert
from serving.sidecar.store.tables import FAILED, NO_TIME, frames, predictions, series

Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of records.

    Attributes:
        new: Frames that this model version had not been asked about.
        replaced: Earlier predictions that a higher revision took the place of.
        unchanged: Records that were there already, or older than what is there.
    """

    new: int
    replaced: int
    unchanged: int


def record(connection: Connection, records: Sequence[PredictionRecord]) -> Recorded:
    """Stores predictions in the transaction of a connection.

    Of several records of one frame the highest revision counts.

    Args:
        connection: To write to.
        records: Any number, of any seasons and versions.

    Raises:
        Conflict: A record has other modes than its series.
    """
    groups: dict[Key, dict[str, PredictionRecord]] = {}
    for one in records:
        group = groups.setdefault((one.season, one.model, one.model_version), {})
        before = group.get(one.frame)
        if before is None or one.revision > before.revision:
            group[one.frame] = one
    season_ids = ensure_seasons(connection, (season for season, _, _ in groups))
    new = replaced = 0
    for key in sorted(groups):
        of_group = list(groups[key].values())
        made, changed = _record_group(connection, season_ids[key[0]], key, of_group)
        new, replaced = new + made, replaced + changed
    return Recorded(new, replaced, len(records) - new - replaced)


def find_frame_ids(connection: Connection, season: str, names: Sequence[str]) -> dict[str, int]:
    """Gives the ids of frames of a season by name; those that are not there are left out."""
    season_id = find_season(connection, season).id
    return _frame_ids(connection, season_id, names)


def _record_group(
    connection: Connection, season_id: int, key: Key, records: Sequence[PredictionRecord]
) -> tuple[int, int]:
    series_id, codes = _ensure_series(connection, season_id, key, records)
    ids, made = _ensure_frames(connection, season_id, records)
    before = _revisions(connection, series_id, ids.values())
    fresh = [one for one in records if one.revision > before.get(ids[one.frame], 0)]
    if not fresh:
        return 0, 0
    _correct_frames(connection, ids, [one for one in fresh if one.frame not in made])
    now = int(time.time())
    rows = [_row(series_id, ids[one.frame], codes, one, now) for one in fresh]
    statement = insert(connection, predictions)
    known_by = ["series_id", "frame_id"]
    later = {name: statement.excluded[name] for name in rows[0] if name not in known_by}
    connection.execute(statement.on_conflict_do_update(index_elements=known_by, set_=later), rows)
    new = sum(ids[one.frame] not in before for one in fresh)
    own = series.c
    values: dict[str, Any] = {"changes": own.changes + 1, "frames": own.frames + new}
    if times := [row["time"] for row in rows if row["time"] != NO_TIME]:
        values["first"] = case((own.first <= min(times), own.first), else_=min(times))
        values["last"] = case((own.last >= max(times), own.last), else_=max(times))
    if new < len(fresh):  # the time that was corrected may have been the first or the last
        told = predictions.c.time
        ends = select(func.min(told), func.max(told)).where(predictions.c.series_id == series_id, told > NO_TIME)
        values["first"], values["last"] = connection.execute(ends).one()
    connection.execute(update(series).where(own.id == series_id).values(values))
    return new, len(fresh) - new


def _ensure_series(
    connection: Connection, season_id: int, key: Key, records: Sequence[PredictionRecord]
) -> tuple[int, tuple[str, ...]]:
    season, model, version = key
    here = {"season_id": season_id, "model": model, "version": version}
    connection.execute(insert(connection, series).on_conflict_do_nothing(), {**here, "codes": []})
    statement = select(series.c.id, series.c.codes).filter_by(**here)
    series_id, stored = connection.execute(statement).one()
    first = next((tuple(one.probabilities) for one in records if one.probabilities), ())
    codes = tuple(stored) or first
    for one in records:
        if one.probabilities and set(one.probabilities) != set(codes):
            raise Conflict(
                f"{season}/{one.frame}: expected probabilities of {', '.join(codes)}, as the other frames of {model} "
                f"version {version} have them; received {', '.join(one.probabilities)}"
            )
    if codes and not stored:
        connection.execute(update(series).where(series.c.id == series_id).values(codes=list(codes)))
    return series_id, codes


def _ensure_frames(
    connection: Connection, season_id: int, records: Sequence[PredictionRecord]
) -> tuple[dict[str, int], set[str]]:
    """Gives the ids of frames by name, and which of them are new."""
    known = _frame_ids(connection, season_id, [one.frame for one in records])
    absent = [one for one in records if one.frame not in known]
    if not absent:
        return known, set()
    rows = [{"season_id": season_id, "name": one.frame, **_said_of_frame(one)} for one in absent]
    connection.execute(insert(connection, frames), rows)
    names = [one.frame for one in absent]
    return known | _frame_ids(connection, season_id, names), set(names)


def _correct_frames(connection: Connection, ids: dict[str, int], records: Sequence[PredictionRecord]) -> None:
    """Takes over what records say of frames that are there already: the newest content counts."""
    for told in ({"time", "sha256"}, {"time"}, {"sha256"}):
        rows = [
            {"frame": ids[one.frame], **{f"new_{name}": value for name, value in _said_of_frame(one).items()}}
            for one in records
            if {name for name, value in _said_of_frame(one).items() if value} == told
        ]
        if rows:
            values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in told}
            connection.execute(update(frames).where(frames.c.id == bindparam("frame")).values(values), rows)


def _said_of_frame(one: PredictionRecord) -> dict[str, Any]:
    return {"time": None if one.time is None else _seconds(one.time), "sha256": one.sha256}


def _frame_ids(connection: Connection, season_id: int, names: Sequence[str]) -> dict[str, int]:
    statement = select(frames.c.name, frames.c.id).where(frames.c.season_id == season_id)
    return dict(connection.execute(statement.where(_among(connection, frames.c.name, names))).all())


def _among(connection: Connection, column: Column[str], values: Sequence[str]) -> ColumnElement[bool]:
    """Tells whether a column has one of thousands of values: one parameter, where IN would have one each."""
    if connection.dialect.name == "sqlite":
        return column.in_(select(literal_column("value")).select_from(func.json_each(json.dumps(values))))
    # Unnested it is joined; as an array it would be searched from its beginning for every row.
    return column.in_(select(func.unnest(literal(values, ARRAY(column.type)))))


def _revisions(connection: Connection, series_id: int, frame_ids: Collection[int]) -> dict[int, int]:
    """Gives the revisions that are there of frames, and of some between them."""
    own = predictions.c
    statement = select(own.frame_id, own.revision).where(own.series_id == series_id)
    between = own.frame_id.between(min(frame_ids), max(frame_ids))
    return dict(connection.execute(statement.where(between)).all())


def _row(series_id: int, frame_id: int, codes: tuple[str, ...], one: PredictionRecord, now: int) -> dict[str, Any]:
    table = np.array([one.probabilities[code] for code in codes] if one.probabilities else [], "<f4")
    return {
        "series_id": series_id,
        "frame_id": frame_id,
        "revision": one.revision,
        "time": NO_TIME if one.time is None else _seconds(one.time),
        "mode": int(table.argmax()) if len(table) else FAILED,
        "confidence": float(table.max()) if len(table) else -1.0,
        "accepted": one.accepted and bool(len(table)),
        "probabilities": table.tobytes(),
        "error": one.error,
        "recorded": now,
    }


def _seconds(moment: datetime) -> int:
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return int(moment.timestamp())

"""Seasons, and series: a season by one model version."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, select, update
from sqlalchemy.dialects import postgresql, sqlite

from serving.sidecar.errors import NotFound
from serving.sidecar.store.tables import seasons, series


@dataclass(frozen=True, slots=True)
class Season:
    """One winter of frames.

    Attributes:
        id: In the database.
        name: Of its folder.
        start: Seconds since 1970, UTC; None if nobody said.
        cadence: Between frames; None if nobody said.
        time_rule: How the frames' names tell their times, as in `season.toml`; or empty.
        changes: Goes up with each change of its reviews.
    """

    id: int
    name: str
    start: int | None
    cadence: timedelta | None
    time_rule: str
    changes: int


@dataclass(frozen=True, slots=True)
class Series:
    """A season by one model version.

    Attributes:
        id: In the database.
        season: Name of the season.
        model: Name of the servable.
        version: Its version.
        codes: Codes of the modes, in the order of probabilities; empty as long as no frame was classified.
        changes: Goes up with each change of its predictions.
        frames: How many there are.
        first: Time of the first one, seconds since 1970, UTC; None if no time is known.
        last: Of the last one.
    """

    id: int
    season: str
    model: str
    version: int
    codes: tuple[str, ...]
    changes: int
    frames: int = 0
    first: int | None = None
    last: int | None = None


def insert(connection: Connection, table: Any) -> Any:
    """Gives an insert statement that knows ON CONFLICT, which both databases write alike."""
    return (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)


def list_seasons(connection: Connection) -> list[Season]:
    """Lists the seasons by name, the newest name first."""
    return [_season(row) for row in connection.execute(select(seasons).order_by(seasons.c.name.desc()))]


def find_season(connection: Connection, name: str) -> Season:
    """Finds a season by name.

    Raises:
        NotFound: There is none.
    """
    row = connection.execute(select(seasons).where(seasons.c.name == name)).one_or_none()
    if row is None:
        known = ", ".join(connection.scalars(select(seasons.c.name).order_by(seasons.c.name.desc()).limit(10)))
        raise NotFound(f"There is no season {name!r}. Expected one of: {known or '(none is recorded yet)'}")
    return _season(row)


def ensure_seasons(connection: Connection, names: Iterable[str]) -> dict[str, int]:
    """Makes seasons that are not there, and holds all of them against other writers until the transaction ends.

    Returns:
        Ids by name.
    """
    wanted = sorted(set(names))
    statement = insert(connection, seasons).on_conflict_do_nothing()
    connection.execute(statement, [{"name": name} for name in wanted])
    # In one order for everybody: writers that meet in two seasons must not wait for each other in a circle.
    rows = connection.execute(
        select(seasons.c.name, seasons.c.id)
        .where(seasons.c.name.in_(wanted))
        .order_by(seasons.c.name)
        .with_for_update()
    )
    return dict(rows.all())


def describe_season(
    connection: Connection,
    name: str,
    *,
    start: int | None = None,
    cadence: timedelta | None = None,
    time_rule: str = "",
) -> Season:
    """Makes a season or says more of it; what is not given stays as it is."""
    ids = ensure_seasons(connection, [name])
    said: dict[str, Any] = {
        "start": start,
        "cadence_seconds": None if cadence is None else round(cadence.total_seconds()),
        "time_rule": time_rule or None,
    }
    said = {key: value for key, value in said.items() if value is not None}
    if said:
        said["changes"] = seasons.c.changes + 1
        connection.execute(update(seasons).where(seasons.c.id == ids[name]).values(said))
    return find_season(connection, name)


def list_series(connection: Connection, season: str | None = None) -> list[Series]:
    """Lists the series of a season, or of all: by season, then the newest version first."""
    statement = (
        select(series, seasons.c.name)
        .join(seasons)
        .order_by(seasons.c.name.desc(), series.c.version.desc(), series.c.model)
    )
    if season is not None:
        statement = statement.where(seasons.c.name == season)
    return [_series(row) for row in connection.execute(statement)]


def find_series(connection: Connection, season: str, version: int | None = None, model: str | None = None) -> Series:
    """Finds the series of a season.

    Args:
        connection: To read from.
        season: Name of the season.
        version: Of the model; None takes the newest.
        model: Name of the servable; None takes any.

    Raises:
        NotFound: There is none.
    """
    known = [one for one in list_series(connection, season) if model in (None, one.model)]
    if not known:
        find_season(connection, season)
        raise NotFound(
            f"No predictions are recorded of season {season!r}" + (f" by model {model!r}" if model else "")
        )
    chosen = [one for one in known if version in (None, one.version)]
    if not chosen:
        versions = ", ".join(str(one.version) for one in known)
        raise NotFound(f"Season {season!r} has no predictions of version {version}. Expected one of: {versions}")
    return chosen[0]


def _season(row: Row[Any]) -> Season:
    cadence = None if row.cadence_seconds is None else timedelta(seconds=row.cadence_seconds)
    return Season(row.id, row.name, row.start, cadence, row.time_rule, row.changes)


def _series(row: Row[Any]) -> Series:
    return as_series(row, row.name)


def as_series(row: Row[Any], season: str) -> Series:
    """Makes a series of a row of the table `series`."""
    return Series(
        id=row.id,
        season=season,
        model=row.model,
        version=row.version,
        codes=tuple(row.codes),
        changes=row.changes,
        frames=row.frames,
        first=row.first,
        last=row.last,
    )

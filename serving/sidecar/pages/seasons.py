"""`/seasons`: what is there."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from serving.sidecar.pages.charts import stack
from serving.sidecar.pages.modes import faces_of
from serving.sidecar.pages.rendering import PageRoute, render, words_of
from serving.sidecar.services import Parts
from serving.sidecar.store.cards import find_card
from serving.sidecar.store.database import Database
from serving.sidecar.store.overview import Overview, count_modes
from serving.sidecar.store.review_progress import count_reviewed
from serving.sidecar.store.seasons import Series, list_seasons, list_series

router = APIRouter(route_class=PageRoute)


class _Overviews:
    """Remembers what series hold until they change: counting thirty winters takes a second or two."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Database, dict[int, tuple[int, Overview]]] = WeakKeyDictionary()

    def of(self, database: Database, connection: Connection, series: Series) -> Overview:
        """Counts a series, or remembers."""
        known = self._known.setdefault(database, {})
        changes, overview = known.get(series.id, (-1, None))
        if overview is None or changes != series.changes:
            overview = count_modes(connection, series)
            known[series.id] = series.changes, overview
        return overview


_overviews = _Overviews()


@router.get("/seasons")
def show_seasons(request: Request, parts: Parts) -> Response:
    """Lists the seasons, each with its newest model version."""
    words = words_of(request)
    rows = []
    with parts.database.reading() as connection:
        reviewed = count_reviewed(connection)
        by_season: dict[str, list[Series]] = {}
        for series in list_series(connection):
            by_season.setdefault(series.season, []).append(series)
        for season in list_seasons(connection):
            versions = by_season.get(season.name, [])
            if not versions:
                continue
            overview = _overviews.of(parts.database, connection, versions[0])
            card = find_card(connection, versions[0].model, versions[0].version)
            shares = [count / max(overview.classified, 1) for count in overview.counts]
            rows.append(
                {
                    "name": season.name,
                    "overview": overview,
                    "versions": [series.version for series in versions],
                    "faces": list(faces_of(versions[0].codes, card, words.language).values()),
                    "bar": stack(shares, 100),
                    "reviewed": reviewed.get(season.id, 0),
                }
            )
    return render(request, "seasons.html", seasons=rows)

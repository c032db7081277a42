"""`/compare`: winters side by side."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from radar.season_statistics import SeasonStatistics
from radar.winters import compare_winters
from serving.sidecar.api.models import Text
from serving.sidecar.pages import charts
from serving.sidecar.pages.language import Words
from serving.sidecar.pages.modes import faces_of
from serving.sidecar.pages.rendering import PageRoute, render, words_of
from serving.sidecar.pages.times import describe_hours
from serving.sidecar.pages.winters import count_winter
from serving.sidecar.services import Parts
from serving.sidecar.statistics import Labels
from serving.sidecar.store.cards import find_card
from serving.sidecar.store.overview import newest_time
from serving.sidecar.store.seasons import find_series, list_series

router = APIRouter(route_class=PageRoute)

MOST = 12
AT_FIRST = 4  # winters shown where nobody chose
MONTHS = ("07", "08", "09", "10", "11", "12", "01", "02", "03", "04", "05", "06")


@router.get("/compare")
def show_winters(
    request: Request,
    parts: Parts,
    season: Annotated[list[Text] | None, Query(max_length=MOST)] = None,
    labels: Labels = "model",
) -> Response:
    """Sets winters side by side, each by its newest model version."""
    words = words_of(request)
    with parts.database.reading() as connection:
        known = list(dict.fromkeys(one.season for one in list_series(connection) if one.codes))
        chosen = list(dict.fromkeys(season or [])) or known[:AT_FIRST]
        found = [find_series(connection, name) for name in chosen]
        untimed = [one.season for one in found if not one.codes or newest_time(connection, one) is None]
        found = [one for one in found if one.season not in untimed]
        # Winters by models of other modes cannot stand in one table.
        others = [one.season for one in found if one.codes != found[0].codes]
        found = [one for one in found if one.season not in others]
        counted = [count_winter(parts, connection, one, labels).statistics for one in found]
        card = find_card(connection, found[0].model, found[0].version) if found else None
    empty = [one.name for one in counted if not one.total.classified[0]]
    counted = [one for one in counted if one.name not in empty]
    faces = list(faces_of(found[0].codes, card, words.language).values()) if counted else []
    winters = compare_winters(counted) if counted else []
    rows = [
        {
            "series": one,
            "statistics": winter.season,
            "bar": charts.stack(winter.season.total.shares[0].tolist(), 100),
            "shares": winter.shares,
            "months": _months(winter.season),
            "events": _events(winter.season, words),
        }
        for one, winter in zip([one for one in found if one.season not in empty], winters, strict=True)
    ]
    return render(
        request,
        "compare.html",
        known=known,
        chosen=chosen,
        rows=rows,
        faces=faces,
        labels=labels,
        untimed=[*untimed, *empty],
        others=others,
        months=_span(counted),
    )


def _months(statistics: SeasonStatistics) -> dict[str, Any]:
    """Gives the stack of each calendar month: ``12`` of the winter 2015/16 is December 2015."""
    return {
        key[-2:]: {"slices": charts.stack(shares, 100), "frames": int(frames), "key": key}
        for key, shares, frames in zip(
            statistics.month.keys, statistics.month.shares.tolist(), statistics.month.classified, strict=True
        )
    }


def _span(counted: list[SeasonStatistics]) -> list[str]:
    """Gives the calendar months that any of the winters has, from July on."""
    months = [one.month for one in counted]
    there = {key[-2:] for month in months for key, n in zip(month.keys, month.classified, strict=True) if n}
    places = [place for place, month in enumerate(MONTHS) if month in there]
    return list(MONTHS[places[0] : places[-1] + 1]) if places else []


def _events(statistics: SeasonStatistics, words: Words) -> list[dict[str, Any]]:
    return [
        {"count": one.events, "median": describe_hours(words, one.quantiles[2]) if one.events else "–"}
        for one in statistics.durations
    ]

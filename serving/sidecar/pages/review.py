"""`/review`: doubtful frames one after the other, a key a mode.

Plain forms: keys only press the buttons, so that the queue works without a script as well.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal
from urllib.parse import quote, unquote

from fastapi import APIRouter, Body, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from sqlalchemy import Connection

from serving.sidecar.api import reviews
from serving.sidecar.api.models import Text, Version
from serving.sidecar.errors import BadRequest
from serving.sidecar.pages.forms import FORM, read_form
from serving.sidecar.pages.modes import faces_of
from serving.sidecar.pages.parts import pictures_of
from serving.sidecar.pages.rendering import YEAR_SECONDS, PageRoute, link, render, words_of
from serving.sidecar.services import Parts
from serving.sidecar.store.cards import find_card
from serving.sidecar.store.frames import Order, Page, Prediction, Wanted, count_wanted, find_page, predictions_of
from serving.sidecar.store.review_progress import count_reviewed, current_review, newest_review
from serving.sidecar.store.seasons import Series, find_season, find_series, list_series

router = APIRouter(route_class=PageRoute)

Queue = Literal["doubtful", "rejected", "differ"]
QUEUES: Final[tuple[Queue, ...]] = ("doubtful", "rejected", "differ")
REVIEWER: Final = "snowmode-reviewer"
LONGEST_NAME = 100

After = Annotated[str | None, Query(max_length=1000)]


@router.get("/review")
def show_queue(
    request: Request,
    parts: Parts,
    season: Text | None = None,
    queue: Queue = "doubtful",
    version: Version = None,
    after: After = None,
    frame: Annotated[int | None, Query(ge=1, lt=2**62)] = None,
) -> Response:
    """Shows the next frame of a queue, or a frame asked for.

    Queues: ``doubtful``, the least confident first; ``rejected``, those the model was not sure enough of, in the
    order of time; ``differ``, those that the version before gives another mode, the least confident first.
    """
    words = words_of(request)
    reviewer = unquote(request.cookies.get(REVIEWER, ""))[:LONGEST_NAME]
    with parts.database.reading() as connection:
        names = [one.season for one in list_series(connection)]
        if not names:
            return render(request, "review.html", series=None)
        names = list(dict.fromkeys(names))
        series = find_series(connection, season or names[0], version)
        versions = list_series(connection, series.season)
        other = next((one for one in versions if one.version < series.version), None)
        stored = find_season(connection, series.season)
        wanted = _wanted(queue, other)
        waiting = 0 if wanted is None else count_wanted(connection, series, wanted)
        page = Page([], None) if wanted is None else _next(connection, series, queue, wanted, after)
        shown = _asked_for(connection, series, frame) if frame else next(iter(page.predictions), None)
        ahead = page.predictions[1:] if not frame else page.predictions[:1]
        others = [] if shown is None else predictions_of(connection, shown.frame_id)
        review = None if shown is None else current_review(connection, shown.frame_id)
        last = newest_review(connection, stored, reviewer) if reviewer else None
        reviewed = count_reviewed(connection).get(stored.id, 0)
        card = find_card(connection, series.model, series.version)
    here = {"season": series.season, "queue": queue, "version": version}
    return render(
        request,
        "review.html",
        series=series,
        seasons=names,
        version=version,
        queue=queue,
        queues=QUEUES,
        other=other,
        faces=faces_of(series.codes, card, words.language),
        shown=shown,
        others=[one for one in others if one.version != series.version],
        review=review,
        ahead=ahead,
        waiting=waiting,
        reviewed=reviewed,
        last=last,
        reviewer=reviewer,
        after=after,
        skip=link("/review", **here, after=after if frame else page.after) if page.after or frame else None,
        begin=link("/review", **here),
        here=here,
        pictures=None if shown is None else pictures_of(parts, shown, words),
    )


def _next(connection: Connection, series: Series, queue: Queue, wanted: Wanted, after: str | None) -> Page:
    """Gives the frame whose turn it is with its place in the queue, and the one after it."""
    order: Order = "time" if queue == "rejected" else "confidence"
    page = find_page(connection, series, wanted, order=order, after=after, limit=1)
    if page.after is None:
        return page
    following = find_page(connection, series, wanted, order=order, after=page.after, limit=1)
    return Page([*page.predictions, *following.predictions], page.after)


def _wanted(queue: Queue, other: Series | None) -> Wanted | None:
    if queue == "differ":
        return None if other is None else Wanted(reviewed=False, failed=False, differs_from=other)
    return Wanted(reviewed=False, failed=False, accepted=False if queue == "rejected" else None)


def _asked_for(connection: Connection, series: Series, frame_id: int) -> Prediction:
    said = predictions_of(connection, frame_id)
    return next((one for one in said if one.version == series.version and one.season == series.season), said[0])


@router.post("/review")
def save_review(request: Request, parts: Parts, body: Annotated[bytes, Body(media_type=FORM)]) -> Response:
    """Takes what a person saw, and goes on to the next frame."""
    form = read_form(body)
    said = _said(form)
    reviews.add_review(parts, said)
    answer = RedirectResponse(_back(form), 303)
    keep_reviewer(answer, said.reviewer)
    return answer


@router.post("/review/undo")
def undo_review(request: Request, parts: Parts, body: Annotated[bytes, Body(media_type=FORM)]) -> Response:
    """Takes a review back, and shows its frame again."""
    form = read_form(body)
    if not (form.get("review") or "").isdecimal() or len(form["review"]) > 18:
        raise BadRequest(f"review: expected the id of a review, received {form.get('review', '')[:100]!r}")
    review = reviews.withdraw_review(parts, int(form["review"]))
    return RedirectResponse(_back(form, frame=review.frame_id), 303)


def keep_reviewer(answer: Response, reviewer: str) -> None:
    """Has the browser remember who reviews."""
    answer.set_cookie(REVIEWER, quote(reviewer), max_age=YEAR_SECONDS, samesite="strict", httponly=True)


def _said(form: dict[str, str]) -> reviews.ReviewSaid:
    try:
        return reviews.ReviewSaid(
            frame_id=int(form.get("frame", "")),
            mode=form.get("mode", ""),
            reviewer=form.get("reviewer", "").strip(),
            note=form.get("note", "").strip(),
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise BadRequest(f"{first['loc'][0]}: {first['msg']}; received {str(first.get('input'))[:100]!r}") from error
    except ValueError as error:
        raise BadRequest(f"frame: expected the id of a frame, received {form.get('frame', '')[:100]!r}") from error


def _back(form: dict[str, str], frame: int | None = None) -> str:
    """Gives the address of the queue that a form was sent from."""
    here = {name: form.get(name) for name in ("season", "queue", "version", "after")}
    return link("/review", **here, frame=frame)

"""Pages out of templates; and errors as pages, so that a person in a browser reads a sentence and not JSON."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from importlib import resources
from typing import Any, Final
from urllib.parse import quote, urlencode

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined

from radar.errors import SnowmodeError
from radar.jma import is_composite
from serving.protocol.errors import ServingError
from serving.sidecar.errors import SidecarError, Unavailable
from serving.sidecar.operations.access import may_write, must_sign_in
from serving.sidecar.pages import charts
from serving.sidecar.pages.language import COOKIE, LANGUAGES, QUERY, Words, language_of
from serving.sidecar.pages.times import Clock
from serving.sidecar.problems import RETRY_SECONDS
from serving.sidecar.services import Services, services_of

NAVIGATION: Final = {"now": "/", "seasons": "/seasons", "review": "/review", "compare": "/compare"}
YEAR_SECONDS: Final = 365 * 86_400

HEADERS: Final = {"Vary": "Cookie, Accept-Language"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Access:
    """What whoever looks at a page may do.

    Attributes:
        may_write: Whether to show buttons that change something.
        sign_in: Whether signing in would make it so.
        sign_out: Whether there is anything to sign out of.
        read_only: Whether nobody may write.
        here: Address of the page, to come back to.
    """

    may_write: bool
    sign_in: bool
    sign_out: bool
    read_only: bool
    here: str

    @classmethod
    def of(cls, request: Request) -> Access:
        """Tells it of a request."""
        settings = services_of(request).settings
        query = request.url.query
        here = request.url.path + (f"?{query}" if query else "")
        allowed = may_write(request)
        return cls(allowed, must_sign_in(request), allowed and bool(settings.tokens), settings.read_only, here)


def render(
    request: Request, template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **values: Any
) -> Response:
    """Answers with a page.

    Args:
        request: What is answered.
        template: File in `templates/`.
        status: Of the answer.
        headers: Of the answer, besides those of every page.
        **values: What the template asks for.
    """
    parts = services_of(request)
    language = language_of(request)
    words = Words(language)
    page = _environment().get_template(template)
    text = page.render(
        t=words,
        clock=Clock.of(parts.settings.zone),
        languages=LANGUAGES,
        other_language=lambda code: "?" + urlencode([*_query(request), (QUERY, code)]),
        navigation=NAVIGATION,
        access=Access.of(request),
        has_archive=parts.settings.archive is not None,
        **values,
    )
    answer = HTMLResponse(text, status, {**HEADERS, "Content-Language": language, **(headers or {})})
    if request.query_params.get(QUERY) in LANGUAGES:
        answer.set_cookie(COOKIE, language, max_age=YEAR_SECONDS, samesite="lax", httponly=True)
    return answer


def words_of(request: Request) -> Words:
    """Gives the texts in the language of a request."""
    return Words(language_of(request))


def clock_of(parts: Services) -> Clock:
    """Gives the clock of the settings' zone."""
    return Clock.of(parts.settings.zone)


def link(path: str, **query: object) -> str:
    """Writes an address with its query; what is None or empty is left out."""
    said = {name: str(value) for name, value in query.items() if value not in (None, "")}
    return f"{path}?{urlencode(said)}" if said else path


def season_link(season: str, **query: object) -> str:
    """Writes the address of a season's page."""
    return link(f"/seasons/{quote(season, safe='')}", **query)


@cache
def fingerprint(name: str) -> str:
    """Gives a few letters that change with the content of a file of `static/`."""
    data = (resources.files("serving.sidecar.pages") / "static" / name).read_bytes()
    return hashlib.sha256(data).hexdigest()[:12]


class PageRoute(APIRoute):
    """A route whose errors are answered as pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wraps the handler of the route."""
        handle = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handle(request)
            except (SnowmodeError, RequestValidationError) as error:
                return _problem(request, error)

        return answered


def show_problem(request: Request, status: int, detail: str, *, part: str = "") -> Response:
    """Answers with a page that says what went wrong.

    Args:
        request: What is answered.
        status: Of the answer.
        detail: What was expected, what was received and what to do.
        part: Which part is away, if one is.
    """
    words = words_of(request)
    title = words(f"problem.{status}") if f"problem.{status}" in words.texts else HTTPStatus(status).phrase
    return render(
        request,
        "problem.html",
        status=status,
        headers={"Retry-After": str(RETRY_SECONDS)} if status == HTTPStatus.SERVICE_UNAVAILABLE else {},
        title=title,
        detail=detail,
        part=words(f"part.{part.replace(' ', '_')}") if part else "",
    )


def _problem(request: Request, error: Exception) -> Response:
    if isinstance(error, Unavailable | ServingError):
        part = error.part if isinstance(error, Unavailable) else "model server"
        _log.warning("%s: %s", part, error)
        return show_problem(request, 503, str(error), part=part)
    if isinstance(error, RequestValidationError):
        said = [f"{one['loc'][-1]}: {one['msg']}, received {str(one.get('input'))[:200]!r}" for one in error.errors()]
        return show_problem(request, 422, "; ".join(said[:5]))
    return show_problem(request, error.status if isinstance(error, SidecarError) else 422, str(error))


def _query(request: Request) -> list[tuple[str, str]]:
    return [(name, value) for name, value in request.query_params.multi_items() if name != QUERY]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("serving.sidecar.pages", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        link=link,
        season_link=season_link,
        static=lambda name: link(f"/static/{name}", v=fingerprint(name)),
        percent=charts.percent,
        is_composite=is_composite,
        round=round,
        max=max,
        enumerate=enumerate,
        zip=zip,
    )
    return environment

"""All pages together."""

from __future__ import annotations

import inspect

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exception_handlers import http_exception_handler
from starlette.exceptions import HTTPException

from serving.sidecar.pages import compare, files, frame, heat_maps, now, review, season, seasons, sign_in
from serving.sidecar.pages.rendering import show_problem, words_of

router = APIRouter(include_in_schema=False)
for page in (now, seasons, season, heat_maps, frame, review, compare, sign_in, files):
    router.include_router(page.router)


def install(app: FastAPI) -> None:
    """Adds the pages to an application, and has an address that nobody knows answered as a page, not as JSON.

    Args:
        app: Whose errors are problems already, see `serving.sidecar.problems.install`.
    """
    app.include_router(router)
    as_problem = app.exception_handlers.get(HTTPException, http_exception_handler)

    async def answer(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException) and error.status_code == 404 and _is_for_a_person(request):
            words = words_of(request)
            return show_problem(request, 404, words("problem.nothing_here", path=request.url.path[:200]))
        given = as_problem(request, error)
        return await given if inspect.isawaitable(given) else given

    app.add_exception_handler(HTTPException, answer)


def _is_for_a_person(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/v1/")

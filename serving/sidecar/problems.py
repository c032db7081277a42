"""Errors as answers: RFC 9457 problem details, so that a machine reads the status and a person the reason."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from radar.errors import SnowmodeError
from serving.protocol.errors import RequestRefused, ServingError
from serving.sidecar.errors import SidecarError, Unavailable

CONTENT_TYPE = "application/problem+json"
RETRY_SECONDS = 5

_log = logging.getLogger(__name__)


class Problem(BaseModel):
    """What went wrong with a request."""

    status: int = Field(examples=[404])
    title: str = Field(examples=["Not Found"])
    detail: str = Field(examples=["There is no season 'hse20152061'. Expected one of: hse20152016"])
    part: str | None = Field(
        default=None, description="What is away, of `database`, `model server`, `archive`.", examples=[None]
    )


def install(app: FastAPI) -> None:
    """Makes an application answer its errors as problems."""
    app.add_exception_handler(SidecarError, _own)
    app.add_exception_handler(ServingError, _model_server)
    app.add_exception_handler(SnowmodeError, _bad_input)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


def answer(
    status: int, detail: str, *, part: str | None = None, headers: dict[str, str] | None = None
) -> JSONResponse:
    """Makes an answer that tells a problem."""
    problem = Problem(status=status, title=HTTPStatus(status).phrase, detail=detail, part=part)
    more = {"Retry-After": str(RETRY_SECONDS)} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    content = problem.model_dump(exclude_none=True)
    return JSONResponse(content, status, {**more, **(headers or {})}, CONTENT_TYPE)


def describe(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describes for OpenAPI which problems a call may answer."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        status: {"description": HTTPStatus(status).phrase, "model": Problem, "content": {CONTENT_TYPE: schema}}
        for status in sorted({422, *statuses})
    }


async def _own(_: Request, error: Exception) -> JSONResponse:
    status = error.status if isinstance(error, SidecarError) else 500
    if isinstance(error, Unavailable):
        _log.warning("%s: %s", error.part, error)
        return answer(status, f"{error.part}: {error}", part=error.part)
    return answer(status, str(error))


async def _model_server(_: Request, error: Exception) -> JSONResponse:
    if isinstance(error, RequestRefused):
        return answer(422, f"model server: {error}")
    _log.warning("model server: %s", error)
    return answer(503, f"model server: {error}", part="model server")


async def _bad_input(_: Request, error: Exception) -> JSONResponse:
    return answer(422, str(error))


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    return answer(422, "; ".join(_said(one) for one in problems[:5]))


def _said(one: Any) -> str:
    where = ".".join(map(str, one["loc"]))
    if one["type"] in ("missing", "json_invalid"):  # what was received is not in it then
        return f"{where}: {one['msg']}"
    return f"{where}: {one['msg']}, received {str(one.get('input'))[:200]!r}"


async def _http(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    return answer(error.status_code, str(error.detail), headers=dict(error.headers or {}))

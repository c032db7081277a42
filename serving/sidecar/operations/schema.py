"""The OpenAPI schema: what FastAPI finds, and who may do what."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from serving.sidecar.operations.access import COOKIE, READING_POSTS, SAFE_METHODS
from serving.sidecar.problems import CONTENT_TYPE, Problem

TAGS: Final = (
    ("predictions", "Record what a model says of frames."),
    ("frames", "Find frames, and all that is known of one."),
    ("seasons", "Winters, and the model versions that classified them."),
    ("reviews", "What people say of frames, in and out."),
    ("statistics", "A winter counted: shares, events, transitions, drift; winters compared."),
    ("explanations", "Where in a picture the evidence lies. A heat map is not a reason."),
    ("jobs", "Long work: started, followed, cancelled, resumed."),
    ("operation", "For Kubernetes and Prometheus."),
)

_SCHEMES: dict[str, Any] = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token of `--token` or `--token-file`. Reading needs none; nor does writing, without any.",
    },
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "Of a browser that has signed in at `/sign-in`.",
    },
}
_LIMITS = {
    "408": "The body did not come in time",
    "429": "Too many costly requests, or tries with a wrong token; see Retry-After",
}


def install(app: FastAPI, *, tokens: bool) -> None:
    """Lets an application describe itself.

    Args:
        app: The application.
        tokens: Whether writing needs a token.
    """

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _describe(app, tokens)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's manual has it


def _describe(app: FastAPI, tokens: bool) -> dict[str, Any]:
    schema = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    components = schema.setdefault("components", {})
    components["securitySchemes"] = _SCHEMES
    schemas = components.setdefault("schemas", {})
    schemas.setdefault("Problem", Problem.model_json_schema())
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's, which are not answered here
        schemas.pop(name, None)
    used = set()
    for path, calls in schema["paths"].items():
        for method, call in calls.items():
            used.update(call.get("tags", ()))
            _correct_problems(call)
            _add_limits(call)
            if method.upper() not in SAFE_METHODS and path not in READING_POSTS:
                call["security"] = [{"token": []}, {"cookie": []}] if tokens else [{}, {"token": []}, {"cookie": []}]
                _add(call, "403", "Read-only, or sent by a page of another site")
                _add(call, "401", "Writing needs a token")
    schema["tags"] = [{"name": name, "description": text} for name, text in TAGS if name in used]
    return schema


def _correct_problems(call: dict[str, Any]) -> None:
    """Says of problems that they are nothing but that; FastAPI adds that they are JSON, and an error of its own."""
    if "422" in call["responses"]:
        text = call["responses"].pop("422")["description"]
        _add(call, "422", text)
    for answer in call["responses"].values():
        if CONTENT_TYPE in answer.get("content", {}):
            answer["content"] = {CONTENT_TYPE: answer["content"][CONTENT_TYPE]}


def _add_limits(call: dict[str, Any]) -> None:
    _add(call, "429", _LIMITS["429"])
    if "requestBody" in call:
        _add(call, "400", "The body cannot be read as its media type")
        _add(call, "408", _LIMITS["408"])
        _add(call, "413", "The body is too large")
        _add(call, "415", "Another media type is expected")


def _add(call: dict[str, Any], status: str, text: str) -> None:
    content = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    call["responses"].setdefault(status, {"description": text, "content": content})

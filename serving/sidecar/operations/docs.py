"""`/docs`: the calls, for people. Made of the OpenAPI schema, without scripts or anything from elsewhere."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from typing import Any
from urllib.parse import urlencode

import jinja2
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from markupsafe import Markup

router = APIRouter(include_in_schema=False)

_FILES = resources.files("serving.sidecar.operations")
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a call, or a field of its answer."""

    name: str
    place: str
    kind: str
    text: str
    is_required: bool


@dataclass(frozen=True, slots=True)
class Call:
    """A call, as the page shows it."""

    method: str
    path: str
    anchor: str
    title: str
    text: str
    writes: bool
    parameters: tuple[Parameter, ...]
    body: str
    media_types: tuple[str, ...]
    answers: tuple[tuple[str, str, str], ...]
    example: str


@router.get("/docs")
def show(request: Request) -> HTMLResponse:
    """Shows the calls."""
    schema = request.app.openapi()
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["code"] = _with_code
    template = environment.from_string((_FILES / "docs.html").read_text(encoding="utf-8"))
    base = str(request.base_url).rstrip("/")
    text = template.render(
        info=schema["info"],
        groups=[(tag, _calls_of(tag["name"], schema, base)) for tag in schema["tags"]],
        schemas=[(name, _fields(one, schema)) for name, one in sorted(schema["components"]["schemas"].items())],
    )
    return HTMLResponse(text)


@router.get("/docs.css")
def style() -> Response:
    """Gives the page its looks."""
    return Response((_FILES / "docs.css").read_bytes(), media_type="text/css")


def _with_code(text: str) -> Markup:
    """Writes what stands between backticks as code."""
    parts = enumerate(text.replace("``", "`").split("`"))
    return Markup("").join(Markup("<code>{}</code>").format(part) if n % 2 else part for n, part in parts)


def _calls_of(tag: str, schema: dict[str, Any], base: str) -> list[Call]:
    return [
        _call(method, path, one, base)
        for path, methods in schema["paths"].items()
        for method, one in methods.items()
        if tag in one.get("tags", ())
    ]


def _call(method: str, path: str, one: dict[str, Any], base: str) -> Call:
    content = one.get("requestBody", {}).get("content", {})
    parameters = tuple(
        Parameter(
            name=parameter["name"],
            place=parameter["in"],
            kind=_kind(parameter.get("schema", {})),
            text=parameter.get("description", ""),
            is_required=parameter.get("required", False),
        )
        for parameter in one.get("parameters", ())
    )
    answers = tuple(
        (status, answer["description"], ", ".join(answer.get("content", {})))
        for status, answer in sorted(one["responses"].items())
    )
    return Call(
        method=method.upper(),
        path=path,
        anchor=one["operationId"],
        title=one.get("summary", ""),
        text=one.get("description", ""),
        writes="security" in one,
        parameters=parameters,
        body=_example_of(content),
        media_types=tuple(content),
        answers=answers,
        example=_curl(method.upper(), path, one, content, base),
    )


def _curl(method: str, path: str, one: dict[str, Any], content: dict[str, Any], base: str) -> str:
    required = [p for p in one.get("parameters", ()) if p.get("required") and p["in"] == "query"]
    query = urlencode({p["name"]: _value(p) for p in required})
    for parameter in one.get("parameters", ()):
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", str(_value(parameter)))
    words = ["curl" if method == "GET" else f"curl -X {method}"]
    if "security" in one:
        words.append('-H "Authorization: Bearer $SNOWMODE_TOKEN"')
    if content:
        words.append(f"-H 'Content-Type: {next(iter(content))}' --data-binary @FILE")
    words.append(f"'{base}{path}{'?' + query if query else ''}'")
    return " \\\n  ".join(words) if len(words) > 2 else " ".join(words)


def _value(parameter: dict[str, Any]) -> Any:
    schema = parameter.get("schema", {})
    for place in (parameter, schema):
        if "example" in place:
            return place["example"]
        if examples := place.get("examples"):
            return examples[0] if isinstance(examples, list) else next(iter(examples.values()))["value"]
    if "default" in schema:
        return schema["default"]
    return 1 if schema.get("type") == "integer" else parameter["name"].upper()


def _example_of(content: dict[str, Any]) -> str:
    for media_type, one in content.items():
        schema = one.get("schema", {})
        example = one.get("example", schema.get("example"))
        if example is None and (examples := schema.get("examples")):
            example = examples[0]
        if example is not None:
            return str(example) if media_type != _JSON else json.dumps(example, indent=2, ensure_ascii=False)
    return ""


def _fields(one: dict[str, Any], schema: dict[str, Any]) -> list[Parameter]:
    required = set(one.get("required", ()))
    return [
        Parameter(name, "", _kind(field), field.get("description", ""), name in required)
        for name, field in one.get("properties", {}).items()
    ]


def _kind(schema: dict[str, Any]) -> str:
    """Names a type as a person would: ``integer``, ``list of text``, ``Problem or nothing``."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if parts := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(_kind(part) for part in parts))
    if values := schema.get("enum"):
        return " | ".join(map(str, values))
    if "const" in schema:
        return str(schema["const"])
    kind = {"string": "text", "null": "nothing", "number": "number"}.get(
        schema.get("type", ""), schema.get("type", "")
    )
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if kind == "text" and schema.get("format") == "date-time":
        return "time"
    low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum")
    if low is not None and high is not None and abs(high) < 10**12:
        return f"{kind} {low:g} to {high:g}"
    return str(kind) or "anything"

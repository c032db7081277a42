"""`/static/...`: style sheet, scripts and icon. Their addresses carry a hash, so that browsers keep them."""

from __future__ import annotations

from importlib import resources

from fastapi import APIRouter, Request, Response

from serving.sidecar.errors import NotFound
from serving.sidecar.pages.rendering import YEAR_SECONDS, PageRoute, fingerprint

router = APIRouter(route_class=PageRoute)

_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@router.get("/static/{name}")
def send_file(request: Request, name: str) -> Response:
    """Sends one of the files of the pages."""
    folder = resources.files("serving.sidecar.pages") / "static"
    known = {file.name: file for file in folder.iterdir()}
    if name not in known:
        raise NotFound(f"There is no file {name!r} of the pages. Expected one of: {', '.join(sorted(known))}")
    current = request.query_params.get("v") == fingerprint(name)
    keep = f"public, max-age={YEAR_SECONDS}, immutable" if current else "no-cache"
    kind = _TYPES[name[name.rindex(".") :]]
    return Response(known[name].read_bytes(), media_type=f"{kind}; charset=utf-8", headers={"Cache-Control": keep})


@router.get("/favicon.ico")
def send_icon(request: Request) -> Response:
    """Sends the icon to browsers that ask without having read the page."""
    return send_file(request, "icon.svg")

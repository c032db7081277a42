"""Every request: its id, its line in the log, its numbers, and an answer when something unforeseen happens."""

from __future__ import annotations

import logging
import re
import secrets
import time
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.sidecar import problems
from serving.sidecar.operations.logs import FIELDS, request_id
from serving.sidecar.operations.metrics import Metrics

HEADER: Final = "X-Request-ID"

QUIET: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds; logged with `--log-level debug` alone, unless they fail."""

_SANE = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_HUNG_UP = 499  # as nginx calls it

_log = logging.getLogger("serving.sidecar.requests")


class Requests:
    """Stands before everything else.

    Args:
        app: What is asked next.
        metrics: Where requests are counted.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands a request on, whatever becomes of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        one = given if _SANE.fullmatch(given) else secrets.token_hex(8)
        token = request_id.set(one)
        status = 0

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = one
            await send(message)

        begin = time.perf_counter()
        try:
            with self._metrics.running():
                try:
                    await self._app(scope, receive, note)
                except Exception:
                    _log.exception("unforeseen: %s %s", scope["method"], scope["path"])
                    if status:
                        raise  # the answer has begun and cannot be taken back: the connection is cut
                    await _apologise(one)(scope, receive, note)
        finally:
            seconds = time.perf_counter() - begin
            route = getattr(scope.get("route"), "path", None) or "(none)"
            self._metrics.answered(scope["method"], route, status or _HUNG_UP, seconds)
            _write(scope, route, status or _HUNG_UP, seconds)
            request_id.reset(token)


def _apologise(one: str) -> ASGIApp:
    return problems.answer(500, f"Something unforeseen happened. The log says what, at request_id {one}")


def _write(scope: Scope, route: str, status: int, seconds: float) -> None:
    quiet = route in QUIET and status < 400
    level = logging.DEBUG if quiet else logging.WARNING if status >= 500 else logging.INFO
    fields = {
        "method": scope["method"],
        "path": scope["path"],
        "route": route,
        "status": status,
        "seconds": round(seconds, 4),
        "address": (scope.get("client") or ("",))[0],
    }
    _log.log(level, "%s %a %d %.3f s", scope["method"], scope["path"], status, seconds, extra={FIELDS: fields})

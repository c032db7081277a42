"""What may be sent: how much, how slowly, and of which media type."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.sidecar import problems
from serving.sidecar.operations.access import SIGN_IN, SIGN_OUT
from serving.sidecar.settings import MEBIBYTE, Settings

FORM: Final = "application/x-www-form-urlencoded"
"""What pages send."""

BODY_SECONDS: Final = 60.0
"""In which a body must be there."""

_FORM_BYTES = 64 * 1024
_DRAINED_BYTES, _DRAIN_SECONDS = 128 * MEBIBYTE, 10.0


class Bodies:
    """Stops a body that is too large while it comes, and one that never ends.

    A call's media types are those it declares in the OpenAPI schema; what is not in the schema is a page's form.

    Args:
        app: What is asked next.
        settings: The limits.
        seconds: In which a body must be there.
    """

    def __init__(self, app: ASGIApp, settings: Settings, seconds: float = BODY_SECONDS) -> None:
        self._app, self._settings, self._seconds = app, settings, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets a request through with a body that is watched."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        limit = self._limit(scope["path"], media_type)
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > limit:
            await problems.answer(413, _too_large(limit, length))(scope, receive, send)
            return
        body = _Body(scope, receive, media_type, limit, self._seconds)
        await self._app(scope, body.receive, body.watch(send))

    def _limit(self, path: str, media_type: str) -> int:
        if path in (SIGN_IN, SIGN_OUT) or media_type == FORM:
            return min(_FORM_BYTES, self._settings.max_body_bytes)
        is_picture = media_type.startswith("image/")
        return self._settings.max_upload_bytes if is_picture else self._settings.max_body_bytes


class Drain:
    """Takes in the rest of a body before an answer that was made without it.

    Most clients send all of it before they read: without this they would hear of a connection that was reset, and not
    what they did wrong. What comes is thrown away, and only so much of it is waited for.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands the request on."""
        # Who asks before sending (Expect) will not send.
        expects = Headers(scope=scope).get("expect", "") if scope["type"] == "http" else ""
        whole = scope["type"] != "http" or scope["method"] in ("GET", "HEAD") or expects.lower() == "100-continue"

        async def note() -> Message:
            nonlocal whole
            message = await receive()
            whole = whole or not message.get("more_body", False)
            return message

        async def drain() -> None:
            left = _DRAINED_BYTES
            while not whole and left > 0:
                left -= len((await note()).get("body", b""))

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start" and not whole:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(drain(), _DRAIN_SECONDS)
            await send(message)

        await self._app(scope, note, answer)


class _Body:
    """A body on its way."""

    def __init__(self, scope: Scope, receive: Receive, media_type: str, limit: int, seconds: float) -> None:
        self._scope, self._receive, self._media_type, self._limit = scope, receive, media_type, limit
        self._deadline = asyncio.get_running_loop().time() + seconds
        self._seconds = seconds
        self._received, self._whole, self._answered, self._begun = 0, False, False, False

    def watch(self, send: Send) -> Send:
        """Notes when the answer begins: from then on nobody reads the body."""

        async def watched(message: Message) -> None:
            self._answered = True
            await send(message)

        return watched

    async def receive(self) -> Message:
        """Gives the next part. FastAPI lets an `HTTPException` of its own pass while it reads, and nothing else."""
        if self._whole or self._answered:
            return await self._receive()
        if not self._begun:
            self._begun = True
            self._check_media_type()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(408, f"The body was not there within {self._seconds:g} s") from None
        self._received += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        if self._received > self._limit:
            raise HTTPException(413, _too_large(self._limit, "more"))
        return message

    def _check_media_type(self) -> None:
        # The route is known here, and in no middleware before: it puts itself into the scope.
        expected = _declared(self._scope)
        if expected and self._media_type not in expected:
            raise HTTPException(
                415,
                f"Content-Type: expected {' or '.join(expected)}, received {self._media_type or 'none'}",
                {"Accept": ", ".join(expected)},
            )


def _declared(scope: Scope) -> tuple[str, ...]:
    route = scope.get("route")
    schema: dict[str, Any] = scope["app"].openapi()
    call = schema["paths"].get(getattr(route, "path_format", ""), {}).get(scope["method"].lower())
    if call is None:
        return (FORM,)
    return tuple(call.get("requestBody", {}).get("content", ()))


def _too_large(limit: int, received: str) -> str:
    return f"Body: expected at most {limit:,} bytes, received {received}"

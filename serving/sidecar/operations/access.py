"""Who may write: whoever sends a token, or has signed in with one from a page of this sidecar.

Programs send ``Authorization: Bearer TOKEN``. A browser gets a cookie for a token (`operations.sign_in`), which says
when it ends and is signed with the token: nothing is stored, every sidecar with that token takes it, and without the
token it is worth nothing. A browser also sends what other sites make it send; it says so in `Sec-Fetch-Site` or
`Origin`, and nothing is taken from there, with tokens or without.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote, urlsplit

from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.sidecar import problems
from serving.sidecar.settings import Settings

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

READING_POSTS: Final = frozenset({"/v1/heat-maps"})
"""Calls that send something and change nothing."""

SIGN_IN: Final = "/sign-in"
SIGN_OUT: Final = "/sign-out"
COOKIE: Final = "snowmode-signed-in"
COOKIE_SECONDS: Final = 14 * 24 * 3600

_PURPOSE = b"snowmode: signed in until "


def may_write(request: Request) -> bool:
    """Tells whether whoever asks may write; for pages, which show buttons or do not."""
    settings = _settings(request)
    return not settings.read_only and (not settings.tokens or _signed_in(request, settings))


def must_sign_in(request: Request) -> bool:
    """Tells whether whoever asks could write after signing in."""
    settings = _settings(request)
    return not settings.read_only and bool(settings.tokens) and not _signed_in(request, settings)


def make_cookie(settings: Settings, token: str, *, now: float | None = None) -> str | None:
    """Makes the value of the cookie for a token; None if there is no such token."""
    if not _is_one_of(token, settings.tokens):
        return None
    until = int((time.time() if now is None else now) + COOKIE_SECONDS)
    return f"{until}.{_sign(token, until)}"


def is_cookie(settings: Settings, value: str, *, now: float | None = None) -> bool:
    """Tells whether a cookie was made here, of a token that still counts, and has not ended."""
    until, _, signature = value.partition(".")
    if not (until.isascii() and until.isdecimal() and len(until) <= 12):
        return False
    right = [
        hmac.compare_digest(
            _sign(token.get_secret_value(), int(until)), signature.encode("ascii", "replace").decode()
        )
        for token in settings.tokens
    ]
    return any(right) and int(until) > (time.time() if now is None else now)


def knows_bearer(settings: Settings, scope: Scope) -> bool | None:
    """Tells whether the token of a request is one of ours; None where it has none, or needs none."""
    given = _bearer(Headers(scope=scope))
    if not given or not settings.tokens or scope["method"] in SAFE_METHODS or scope["path"] in READING_POSTS:
        return None
    return _is_one_of(given, settings.tokens)


class Access:
    """Lets requests through that change nothing, and those of who may write.

    Args:
        app: What is asked next.
        settings: Tokens, and whether anybody may write.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers 401 or 403, or lets the request through."""
        refusal = self._refuse(HTTPConnection(scope)) if scope["type"] == "http" else None
        await (self._app if refusal is None else refusal)(scope, receive, send)

    def _refuse(self, request: HTTPConnection) -> Response | None:
        method, path = request.scope["method"], request.scope["path"]
        if method in SAFE_METHODS:
            return None
        given = _bearer(request.headers)
        if given is None and _comes_from_elsewhere(request.headers):
            return problems.answer(403, "The request comes from a page of another site; nothing is taken from there")
        if path in (SIGN_IN, SIGN_OUT) or path in READING_POSTS:
            return None
        if self._settings.read_only:
            return problems.answer(403, "This sidecar is read-only; nothing was changed")
        if not self._settings.tokens:
            return None
        if given is None and _signed_in(request, self._settings):
            return None
        if given is not None and _is_one_of(given, self._settings.tokens):
            return None
        if given is None and not path.startswith("/v1/") and "text/html" in request.headers.get("accept", ""):
            return RedirectResponse(f"{SIGN_IN}?next={quote(_page_of(request.headers), safe='/')}", status_code=303)
        received = "none" if given is None else "one it does not know"
        return problems.answer(
            401,
            f"Writing needs a token of this sidecar, received {received}. Send it as: Authorization: Bearer TOKEN "
            "(`client watch` takes it from SNOWMODE_TOKEN), or sign in at /sign-in",
            headers={"WWW-Authenticate": 'Bearer realm="snowmode"'},
        )


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.services.settings
    return settings


def _signed_in(request: HTTPConnection, settings: Settings) -> bool:
    return is_cookie(settings, request.cookies.get(COOKIE, ""))


def _sign(token: str, until: int) -> str:
    return hmac.new(token.encode(), _PURPOSE + str(until).encode(), hashlib.sha256).hexdigest()


def _is_one_of(given: str, tokens: Iterable[SecretStr]) -> bool:
    """Compares with all tokens, in a time that does not tell how much of one was right."""
    wanted = hashlib.sha256(given.encode(errors="surrogateescape")).digest()
    right = [
        hmac.compare_digest(wanted, hashlib.sha256(token.get_secret_value().encode()).digest()) for token in tokens
    ]
    return any(right)


def _bearer(headers: Headers) -> str | None:
    """Gives the token that was sent, empty for another kind of authorisation; None if there is none."""
    sent = headers.get("authorization")
    if sent is None:
        return None
    scheme, _, token = sent.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _comes_from_elsewhere(headers: Mapping[str, str]) -> bool:
    """Tells whether a browser was made to send this by another site; programs say neither."""
    if (fetched := headers.get("sec-fetch-site")) is not None:
        return fetched not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host", "")


def _page_of(headers: Mapping[str, str]) -> str:
    try:
        path = urlsplit(headers.get("referer", "")).path
    except ValueError:
        path = ""
    return path if path.startswith("/") and not path.startswith("//") else "/"

"""`POST /sign-in` and `POST /sign-out`: forms of pages, which bring a browser the right to write and take it back."""

from __future__ import annotations

from urllib.parse import parse_qs, quote

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse

from serving.sidecar.operations.access import COOKIE, COOKIE_SECONDS, SIGN_IN, SIGN_OUT, make_cookie
from serving.sidecar.services import Parts

router = APIRouter(include_in_schema=False)


@router.post(SIGN_IN)
async def sign_in(request: Request, parts: Parts) -> RedirectResponse:
    """Takes the fields `token` and `next`; goes to `next`, or back to the form with ``wrong=1``."""
    fields = parse_qs((await request.body()).decode("utf-8", "replace"))
    then = _inside(fields.get("next", ["/"])[-1])
    value = make_cookie(parts.settings, fields.get("token", [""])[-1].strip())
    if value is None:
        return RedirectResponse(f"{SIGN_IN}?wrong=1&next={quote(then, safe='/')}", status_code=303)
    answer = RedirectResponse(then, status_code=303)
    answer.set_cookie(
        COOKIE,
        value,
        max_age=COOKIE_SECONDS,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return answer


@router.post(SIGN_OUT)
async def sign_out() -> RedirectResponse:
    """Takes the right back."""
    answer = RedirectResponse("/", status_code=303)
    answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return answer


def _inside(address: str) -> str:
    """Keeps to this site: a form must not send anybody elsewhere."""
    fit = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if fit and "\\" not in address else "/"

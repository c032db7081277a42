"""Answers that a browser need not fetch again: a tag that changes with the content."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Request, Response

_POLICY = "private, max-age=60"  # a frame may be replaced by a corrected one at any time, but seldom is


def tagged(request: Request, tag: str, media_type: str, make: Callable[[], bytes]) -> Response:
    """Answers with content, or that the content is what the asker has already.

    Args:
        request: Whose If-None-Match counts.
        tag: Of the content, without quotes.
        media_type: Of the content.
        make: Makes the content; not called where nobody needs it.
    """
    headers = {"ETag": f'"{tag}"', "Cache-Control": _POLICY}
    known = {part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(",")}
    if headers["ETag"] in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(make(), media_type=media_type, headers=headers)

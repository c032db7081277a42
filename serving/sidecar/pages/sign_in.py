"""`/sign-in`: the form with which a browser gets to write; `operations.sign_in` takes it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from serving.sidecar.pages.rendering import PageRoute, render

router = APIRouter(route_class=PageRoute)


@router.get("/sign-in")
def show_sign_in(
    request: Request, wrong: bool = False, next: Annotated[str, Query(max_length=2000)] = "/"
) -> Response:
    """Shows the form."""
    return render(request, "sign_in.html", wrong=wrong, next=next)

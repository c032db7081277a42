"""Heat maps of a winter on its page."""

from __future__ import annotations

from fastapi import APIRouter

from serving.sidecar.pages.rendering import PageRoute

router = APIRouter(route_class=PageRoute)

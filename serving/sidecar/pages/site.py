"""All pages together."""

from __future__ import annotations

from fastapi import APIRouter

from serving.sidecar.pages import compare, files, frame, heat_maps, now, review, season, seasons, sign_in

router = APIRouter(include_in_schema=False)
for page in (now, seasons, season, heat_maps, frame, review, compare, sign_in, files):
    router.include_router(page.router)

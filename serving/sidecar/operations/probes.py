"""`/healthz`, `/readyz` and `/metrics`: for Kubernetes, Prometheus and who is called at night."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field

from serving.sidecar.services import Parts

router = APIRouter(tags=["operation"])


class Alive(BaseModel):
    """The process answers."""

    alive: bool = True


class PartState(BaseModel):
    """Whether a part answers."""

    ready: bool
    reason: str | None = Field(default=None, description="Why it does not.")


class Readiness(BaseModel):
    """Whether everything answers."""

    ready: bool
    parts: dict[str, PartState] = Field(
        description="`database`, `model server`, and `archive` if there is one.",
        examples=[{"database": {"ready": True}, "model server": {"ready": True}, "archive": {"ready": True}}],
    )


@router.get("/healthz")
async def alive() -> Alive:
    """Tells that the process answers; for a liveness probe. Asks nothing else."""
    return Alive()


@router.get(
    "/readyz",
    response_model=Readiness,
    response_model_exclude_none=True,
    responses={503: {"model": Readiness, "description": "A part is away; what needs it answers 503 as well."}},
)
def ready(parts: Parts) -> Response:
    """Tells whether database, model server and archive answer, within 2 s; for a readiness probe."""
    found = parts.health.check_parts()
    states: dict[str, PartState] = {part: PartState(ready=why is None, reason=why) for part, why in found.items()}
    answer = Readiness(ready=all(state.ready for state in states.values()), parts=states)
    return JSONResponse(answer.model_dump(exclude_none=True), 200 if answer.ready else 503)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Text format."}},
)
def metrics(parts: Parts) -> Response:
    """Numbers for Prometheus."""
    return Response(parts.metrics.write(), media_type=CONTENT_TYPE_LATEST)

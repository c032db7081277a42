"""`PUT /v1/models/...`: the card of a version that no model server need host, from who classified with it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from serving.protocol.contract import ModelCard
from serving.sidecar.api.models import Text
from serving.sidecar.errors import Conflict
from serving.sidecar.problems import describe
from serving.sidecar.services import Parts
from serving.sidecar.store.cards import find_card, put_card

router = APIRouter(tags=["explanations"])


@router.put(
    "/v1/models/{model}/{version}", status_code=204, response_class=Response, responses=describe(401, 403, 409, 503)
)
def put_model(
    parts: Parts,
    model: Annotated[Text, Path(description="Name of the servable.", examples=["snowmode"])],
    version: Annotated[int, Path(ge=0, le=2**62, examples=[202611211200])],
    card: ModelCard,
) -> None:
    """Keeps the card of a model version: names, colours and scores for pages and statistics."""
    with parts.database.writing() as connection:
        stored = find_card(connection, model, version)
        if stored is not None and stored != card:
            raise Conflict(
                f"Another card is kept of {model} version {version}, created {stored.created}; a version never "
                f"changes. Received: a card created {card.created}"
            )
        put_card(connection, model, version, card)

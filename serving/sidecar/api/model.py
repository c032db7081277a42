"""`/v1/model`: what the model server hosts, and what is known of the versions it hosted before."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from serving.protocol.contract import ModelCard
from serving.sidecar.api.models import Version
from serving.sidecar.problems import describe
from serving.sidecar.services import Parts
from serving.sidecar.store.cards import list_cards

router = APIRouter(tags=["explanations"])


class Model(BaseModel):
    """A model version and its card."""

    model_config = ConfigDict(protected_namespaces=())

    model: str = Field(description="Name of the servable.", examples=["snowmode"])
    version: int = Field(examples=[202611211200])
    card: ModelCard = Field(description="What it says of itself.")


class Models(BaseModel):
    """Model versions, the newest first."""

    models: list[Model]


@router.get("/v1/model", responses=describe(404, 503))
def get_model(parts: Parts, version: Version = None) -> Model:
    """Asks the model server for the card of the version it hosts."""
    served = parts.model_server.served(version)
    return Model(model=parts.settings.model, version=served.version, card=served.card)


@router.get("/v1/models", responses=describe(503))
def list_models(parts: Parts) -> Models:
    """Lists the versions whose cards are known, hosted or not; no model server is needed."""
    with parts.database.reading() as connection:
        found = list_cards(connection)
    return Models(models=[Model(model=model, version=version, card=card) for model, version, card in found])

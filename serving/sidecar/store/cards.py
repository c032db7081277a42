"""Cards of model versions, kept for times when no server can be asked: their colours, names and scores."""

from __future__ import annotations

import logging

from pydantic import ValidationError
from sqlalchemy import Connection, select

from serving.protocol.contract import ModelCard
from serving.sidecar.store.seasons import insert
from serving.sidecar.store.tables import cards

_log = logging.getLogger(__name__)


def put_card(connection: Connection, model: str, version: int, card: ModelCard) -> None:
    """Keeps the card of a servable's version; a version never changes, so one that is there already stays."""
    row = {"model": model, "version": version, "card": card.model_dump(mode="json")}
    connection.execute(insert(connection, cards).on_conflict_do_nothing(), row)


def find_card(connection: Connection, model: str, version: int) -> ModelCard | None:
    """Gives the card of a version, or None if nobody has seen it."""
    statement = select(cards.c.card).where(cards.c.model == model, cards.c.version == version)
    return _card(connection.scalar(statement), model, version)


def newest_card(connection: Connection, model: str) -> tuple[int, ModelCard] | None:
    """Gives the newest version that is known, and its card; or None."""
    statement = select(cards.c.version, cards.c.card).where(cards.c.model == model)
    row = connection.execute(statement.order_by(cards.c.version.desc()).limit(1)).one_or_none()
    card = None if row is None else _card(row.card, model, row.version)
    return None if row is None or card is None else (row.version, card)


def list_cards(connection: Connection) -> list[tuple[str, int, ModelCard]]:
    """Gives every model, version and card that is known, the newest version first."""
    rows = connection.execute(select(cards).order_by(cards.c.version.desc(), cards.c.model)).all()
    found = [(row.model, row.version, _card(row.card, row.model, row.version)) for row in rows]
    return [(model, version, card) for model, version, card in found if card is not None]


def _card(stored: object, model: str, version: int) -> ModelCard | None:
    if stored is None:
        return None
    try:
        return ModelCard.model_validate(stored)
    except ValidationError as error:  # written by another release
        _log.warning("the stored card of %s version %s cannot be used: %s", model, version, error)
        return None

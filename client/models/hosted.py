"""What a server hosts: models, their versions, and what each version says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from serving.protocol.connection import Connection, Timeouts
from serving.protocol.contract import ModelCard
from serving.protocol.errors import ContractError, RequestRefused, ServerError, ServerUnavailable, ServingError
from serving.protocol.inventory import AVAILABLE, Inventory, VersionState
from serving.protocol.tls import Tls

USUAL_LABELS = ("stable", "canary")

_TIMEOUTS = Timeouts(describe=10.0)


@dataclass(frozen=True, slots=True)
class HostedVersion:
    """One version of a model.

    Attributes:
        state: What the server says of it.
        answers: Whether it answers requests that name no version.
        labels: Labels known to stand for it.
        card: What it says of itself; None if it does not.
        problem: Why there is no card, or empty.
    """

    state: VersionState
    answers: bool
    labels: tuple[str, ...] = ()
    card: ModelCard | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class HostedModel:
    """A model by its name.

    Attributes:
        name: As asked for.
        versions: Newest first; none if the server does not host it.
        problem: Why there are none, or empty.
        unknown_labels: Labels the user asked for that stand for no version.
    """

    name: str
    versions: tuple[HostedVersion, ...] = ()
    problem: str = ""
    unknown_labels: tuple[str, ...] = field(default=())


def look(
    target: str, names: Sequence[str], *, labels: Sequence[str] = (), tls: Tls | None = None
) -> list[HostedModel]:
    """Looks at models of a server.

    Args:
        target: The server.
        names: Models to look for: a model server tells of those it is asked for, and lists none.
        labels: Version labels to look for beside the usual ones; the server lists none either.
        tls: See `serving.protocol.channel.open_channel`.

    Raises:
        ServerUnavailable: No server answers.
        ServerError: It answers, but not as a model server does.
    """
    with Inventory(target, tls=tls) as inventory:
        return [_look_at(inventory, target, name, labels, tls) for name in names]


def _look_at(inventory: Inventory, target: str, name: str, labels: Sequence[str], tls: Tls | None) -> HostedModel:
    try:
        states = inventory.versions(name)
    except ServerUnavailable:
        raise
    except ServerError as error:
        if error.code not in {"NOT_FOUND", "INVALID_ARGUMENT"}:
            raise
        return HostedModel(name, problem="the server hosts no model of this name; name another with --model")
    answering = _answering(inventory, name)
    found = {label: _version_of(target, name, label, tls) for label in dict.fromkeys((*USUAL_LABELS, *labels))}
    versions = []
    for state in states:
        card, problem = None, state.error
        if state.state == AVAILABLE:
            card, problem = _card(target, name, state.version, tls)
        versions.append(
            HostedVersion(
                state,
                answers=state.version == answering,
                labels=tuple(label for label, version in found.items() if version == state.version),
                card=card,
                problem=problem,
            )
        )
    unknown = tuple(label for label in labels if found[label] is None)
    return HostedModel(name, tuple(versions), unknown_labels=unknown)


def _answering(inventory: Inventory, name: str) -> int | None:
    try:
        return inventory.signatures(name)[0]
    except ServerUnavailable:
        raise
    except ServerError:
        return None  # no version is available


def _version_of(target: str, name: str, label: str, tls: Tls | None) -> int | None:
    with Connection(target, model=name, label=label, timeouts=_TIMEOUTS, tls=tls) as connection:
        try:
            return connection.describe().version
        except (RequestRefused, ContractError):
            return None
        except ServerUnavailable:
            raise
        except ServerError:
            return None


def _card(target: str, name: str, version: int, tls: Tls | None) -> tuple[ModelCard | None, str]:
    with Connection(target, model=name, version=version, timeouts=_TIMEOUTS, tls=tls) as connection:
        try:
            return connection.describe().card, ""
        except ServerUnavailable:
            raise
        except ServingError as error:
            return None, str(error)


def as_dict(models: Sequence[HostedModel], server: str) -> dict[str, object]:
    """Gives everything as JSON types."""
    return {
        "server": server,
        "models": [
            {
                "name": model.name,
                "problem": model.problem,
                "unknown_labels": list(model.unknown_labels),
                "versions": [
                    {
                        "version": entry.state.version,
                        "state": entry.state.state,
                        "answers": entry.answers,
                        "labels": list(entry.labels),
                        "problem": entry.problem,
                        "card": None if entry.card is None else entry.card.model_dump(mode="json"),
                    }
                    for entry in model.versions
                ],
            }
            for model in models
        ],
    }

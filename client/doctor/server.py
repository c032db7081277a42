"""The server itself: health, versions, contract, a whole batch."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from client.doctor.finding import Finding, failure, ok, warning
from client.doctor.network import Place
from serving.protocol import contract
from serving.protocol.connection import Connection, ServedModel
from serving.protocol.errors import ContractError, RequestRefused, ServerError, ServerUnavailable, ServingError
from serving.protocol.inventory import AVAILABLE, END, Inventory
from serving.protocol.pipeline import BATCH_BYTES, MAX_BATCH
from serving.protocol.tensors import type_name
from serving.protocol.tls import Tls

_HEALTH_FLAG = "Give it --enable_grpc_healthcheck_service=true, so that probes and load balancers can ask."


def check_health(inventory: Inventory) -> Finding:
    """Asks grpc.health.v1, which also shows whether the port speaks gRPC at all."""
    try:
        health = inventory.health()
    except ServerUnavailable as error:
        return failure(
            "health",
            f"it takes connections, but no calls ({error.code})",
            "Is it the gRPC port (8500), not the REST port (8501)? Are both sides for or against TLS? A server that "
            "is still loading answers later.",
        )
    except ServerError as error:
        return failure("health", str(error), "Is it a model server?")
    if health == "UNIMPLEMENTED":
        return ok("health", "the server speaks gRPC; its health service is off", _HEALTH_FLAG)
    if health != "SERVING":
        return failure(
            "health", f"the server says {health}", "It is starting or stopping, or has no model; see its log."
        )
    return ok("health", "SERVING")


def check_versions(inventory: Inventory, model: str) -> Finding:
    """Looks at the states of all versions of the model."""
    try:
        states = inventory.versions(model)
    except ServerUnavailable as error:
        return failure("versions", f"no answer ({error.code})", "See above.")
    except ServerError as error:
        if error.code == "NOT_FOUND":
            return failure("versions", f"the server hosts no model {model!r}", "Which does it host? See --model.")
        return failure("versions", str(error), "Is it a model server, TensorFlow Serving or `serving model-server`?")
    text = ", ".join(f"{entry.version} {entry.state}" for entry in states)
    broken = [f"{entry.version}: {entry.error}" for entry in states if entry.state == END and entry.error]
    if not any(entry.state == AVAILABLE for entry in states):
        return failure("versions", "; ".join([text, *broken]), "No version is available: see the server's log.")
    if broken:
        return warning("versions", "; ".join([text, *broken]), "Publish that version again, or remove it.")
    return ok("versions", text)


def check_same(places: Sequence[Place], model: str, tls: Tls | None, *, name: str = "") -> Finding:
    """Asks each of several servers which versions it has: a run keeps to one, and calls go to all of them in turn.

    Args:
        places: Their addresses.
        model: Name of the model.
        tls: Certificates.
        name: Their common name, which their certificates are for; empty: each has its own.
    """
    by_versions: dict[str, list[str]] = {}
    for place in places:
        try:
            with Inventory(place.target, tls=tls, timeout=5.0, name=name) as inventory:
                available = [str(each.version) for each in inventory.versions(model) if each.state == AVAILABLE]
            text = ", ".join(available) or "no version"
        except ServerError as error:
            text = f"no answer ({error.code})"
        by_versions.setdefault(text, []).append(place.target)
    if len(by_versions) == 1:
        return ok("same", f"all {len(places)} servers answer with {next(iter(by_versions))}")
    return warning(
        "same",
        "; ".join(f"{', '.join(targets)}: {text}" for text, targets in by_versions.items()),
        "During a roll-out that is so for a minute, and costs no frame. Otherwise look at those that differ: do they "
        "see the models' folder, and its models.config?",
    )


def check_card(inventory: Inventory, connection: Connection) -> tuple[Finding, ServedModel | None]:
    """Asks the model to describe itself, and compares its signatures with the contract.

    Returns:
        The finding, and what the model says; None if the client cannot use it.
    """
    try:
        served = connection.describe()
        _, signatures = inventory.signatures(connection.model)
    except ContractError as error:
        return failure("model", str(error), "Train and publish it with this release, or update the client."), None
    except ServingError as error:
        return failure("model", str(error), "See above."), None
    troubles = []
    size = (-1, served.card.input.height, served.card.input.width, 3)
    for name in (contract.CLASSIFY, contract.EXPLAIN, contract.EMBED):
        if name not in signatures:
            troubles.append(f"no signature {name}")
            continue
        dtype, shape = signatures[name].inputs.get(contract.IMAGES, (0, ()))
        if (type_name(dtype), shape) != ("uint8", size):
            troubles.append(f"{name} takes {type_name(dtype)} {list(shape)}, its card says uint8 {list(size)}")
        if missing := set(contract.OUTPUTS[name]) - set(signatures[name].outputs):
            troubles.append(f"{name} does not give {', '.join(sorted(missing))}")
    text = f"version {served.version}, recipe {served.card.recipe}, contract {served.card.contract_version}"
    if troubles:
        return failure("model", f"{text}; but {'; '.join(troubles)}", "Publish it again: `training run`."), None
    return ok("model", f"{text}, modes {' '.join(served.card.codes)}"), served


def check_batch(connection: Connection, card: contract.ModelCard) -> Finding:
    """Sends one batch as large as `client classify` sends them."""
    count = max(1, min(MAX_BATCH, BATCH_BYTES // card.frame_bytes))
    shape = (count, card.input.height, card.input.width, 3)
    images = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    text = f"{count} frames, {images.nbytes / 1e6:.1f} MB"
    began = time.perf_counter()
    try:
        answer = connection.call(contract.CLASSIFY, images, outputs=(contract.PROBABILITIES,))
    except RequestRefused as error:
        return warning(
            "batch",
            f"{text}: refused ({error})",
            "`classify` cuts refused batches in two; raise max_batch_size in the server's batching parameters.",
        )
    except ServerUnavailable as error:
        return failure(
            "batch",
            f"{text}: {error}",
            "RESOURCE_EXHAUSTED: a proxy or the server limits message sizes, grpc.max_receive_message_length. "
            "DEADLINE_EXCEEDED: it is too slow or busy.",
        )
    except ServingError as error:
        return failure("batch", f"{text}: {error}", "See the server's log.")
    seconds = time.perf_counter() - began
    probabilities = answer[contract.PROBABILITIES]
    if probabilities.shape != (count, len(card.codes)) or not np.allclose(probabilities.sum(axis=1), 1, atol=1e-3):
        return failure(
            "batch",
            f"{text}: the answer has shape {probabilities.shape}, or its rows do not add up to 1",
            f"Expected {(count, len(card.codes))} probabilities. Run `training gate` on the model.",
        )
    return ok("batch", f"{text}, answered in {1000 * seconds:.0f} ms")

"""Reads whose request it is; see `serving.protocol.priority`."""

import grpc

from serving.model_server.errors import ServableError
from serving.protocol.priority import HEADER, Priority


def priority_of(value: str | bytes | None) -> Priority:
    """Reads the header's value; None if the request has none.

    Raises:
        ServableError: INVALID_ARGUMENT for a value that is neither.
    """
    if value is None:
        return Priority.LIVE
    text = value.decode(errors="replace") if isinstance(value, bytes) else value
    try:
        return Priority(text)
    except ValueError:
        raise ServableError(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"The metadata header {HEADER} is {text!r}; expected live or bulk (no header means live)",
        ) from None

"""Whose requests go first: the metadata header `snowmode-priority`, with the values `live` and `bulk`.

No header means live. Only who knows of other people's requests steps back: TensorFlow Serving's own clients never
send the header, and must not end up behind a batch job. TensorFlow Serving ignores it, so anyone may send it.
"""

from enum import StrEnum
from typing import Final

HEADER: Final = "snowmode-priority"


class Priority(StrEnum):
    """Live requests go ahead of bulk ones."""

    LIVE = "live"
    BULK = "bulk"

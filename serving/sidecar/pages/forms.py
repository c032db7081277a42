"""Forms that pages send: `application/x-www-form-urlencoded`, a few short fields."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs

from serving.sidecar.errors import BadRequest

FORM: Final = "application/x-www-form-urlencoded"
MOST_FIELDS: Final = 20


def read_form(body: bytes) -> dict[str, str]:
    """Reads a form; of several fields of one name the last counts.

    Raises:
        BadRequest: It is none, or much larger than any form of these pages.
    """
    try:
        fields = parse_qs(body.decode("utf-8"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError as error:  # not UTF-8, or too many fields
        expected = f"a form of at most {MOST_FIELDS} fields in UTF-8"
        raise BadRequest(f"Expected {expected}, received {body[:200]!r}") from error
    return {name: values[-1] for name, values in fields.items()}

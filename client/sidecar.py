"""The way to a sidecar: records of predictions, and what is known of their season and model."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from client.errors import ConfigError
from client.results.rows import Row
from serving.protocol.channel import shorten
from serving.protocol.contract import ModelCard
from serving.protocol.records import CONTENT_TYPE, MAX_ERROR, PATH, PredictionRecord

BATCH = 1000
"""Records in one request."""

NO_TOKEN = "; it may want a token: SNOWMODE_TOKEN"
"""What to say beside a `Denied` to whoever gave none."""

_TIMEOUT = 30.0
_DENIED = {401, 403, 404, 405}
_BAD_RECORD = {400, 409, 413, 422}  # answers that blame what was sent, not who sent it or where to


class Refused(Exception):  # noqa: N818
    """The sidecar does not want one of these records."""


class Denied(OSError):  # noqa: N818
    """Another try will not help: no right to write, or no sidecar there."""


@dataclass(frozen=True, slots=True)
class Sidecar:
    """Where records go.

    Attributes:
        url: Such as ``http://localhost:8080``.
        season: Name of the season.
        model: Name of the servable.
        token: Bearer token, or empty.
    """

    url: str
    season: str
    model: str
    token: str = ""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: a POST would become a GET, whose answer says nothing of the records."""

    def redirect_request(self, *_: Any) -> None:
        return None


class SidecarConnection:
    """Sends to a sidecar.

    Args:
        sidecar: Where to.
    """

    def __init__(self, sidecar: Sidecar) -> None:
        self._sidecar = sidecar
        # A proxy for web pages is no way to a sidecar, least of all to one on this machine.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)

    def send(self, records: Sequence[PredictionRecord]) -> dict[str, int]:
        """Sends records, at most `BATCH` of them; they are taken as a whole.

        Returns:
            What the sidecar says of them, such as how many were new.

        Raises:
            Refused: One of them is bad.
            OSError: The sidecar is away, or does not take them for another reason.
        """
        lines = "\n".join(record.model_dump_json(exclude_none=True) for record in records)
        answer = self._ask("POST", PATH, (lines + "\n").encode(), CONTENT_TYPE)
        try:
            return dict(json.loads(answer))
        except (ValueError, TypeError) as error:
            raise OSError(f"expected the answer of a sidecar, received {answer[:100]!r}") from error

    def describe_season(self, said: Mapping[str, Any]) -> None:
        """Says more of the season; raises like `send`."""
        path = f"/v1/seasons/{urllib.parse.quote(self._sidecar.season, safe='')}"
        self._ask("PUT", path, json.dumps(dict(said)).encode(), "application/json")

    def describe_model(self, version: int, card: ModelCard) -> None:
        """Gives the card of a version, for times when no model server can be asked; raises like `send`."""
        path = f"/v1/models/{urllib.parse.quote(self._sidecar.model, safe='')}/{version}"
        self._ask("PUT", path, card.model_dump_json().encode(), "application/json")

    def _ask(self, method: str, path: str, body: bytes, kind: str) -> bytes:
        headers = {"Content-Type": kind}
        if self._sidecar.token:
            headers["Authorization"] = f"Bearer {self._sidecar.token}"
        request = urllib.request.Request(self._sidecar.url + path, body, headers, method=method)
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as answer:
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as error:
            with error:
                text = f"{error.code} {error.reason}: {_detail(error.read(4000))}"
            if error.code in _BAD_RECORD:
                raise Refused(text) from error
            raise (Denied if error.code in _DENIED else OSError)(text) from error


def check_url(url: str) -> str:
    """Checks the address of a sidecar.

    Raises:
        ConfigError: It is none.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        fit = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number
        fit = False
    # HTTP has no room for other characters, and would say so with the first request only.
    if not fit or parts.query or parts.fragment or not _is_printable_ascii(url) or " " in url:
        raise ConfigError(
            "--sidecar: expected an address such as http://localhost:8080, in ASCII and without blanks, "
            f"received {url!r}"
        )
    return url.rstrip("/")


def check_token(token: str) -> str:
    """Checks a bearer token, and takes off what a file has around it, such as the end of its line.

    Raises:
        ConfigError: No header can hold it. The text does not give it away.
    """
    token = token.strip()
    if not _is_printable_ascii(token):
        raise ConfigError(
            "SNOWMODE_TOKEN: expected a token of printable ASCII characters on one line, received others among its "
            f"{len(token)} (it is not shown). Set it to the token alone"
        )
    return token


def _is_printable_ascii(text: str) -> bool:
    return text.isascii() and text.isprintable()


def as_record(
    row: Row, codes: Sequence[str], sidecar: Sidecar, *, revision: int = 1, sha256: str = ""
) -> PredictionRecord:
    """Makes a record of a row.

    Args:
        row: As in a result file.
        codes: Of the modes, in the order of the row's probabilities.
        sidecar: Whose season and model it is.
        revision: Of the frame's content.
        sha256: Of the frame's file, or empty.

    Raises:
        ValidationError: A record cannot hold it.
    """
    return PredictionRecord.model_validate(
        {
            "season": sidecar.season,
            "frame": row.file,
            "time": row.time_utc or None,
            "model": sidecar.model,
            "model_version": row.model_version,
            "revision": revision,
            "sha256": sha256,
            # A softmax in float32 may give a hair more than 1.
            "probabilities": {code: min(p, 1.0) for code, p in zip(codes, row.probabilities, strict=False)},
            "accepted": row.accepted,
            "error": row.error[:MAX_ERROR],
        }
    )


def _detail(body: bytes) -> str:
    """Gives what a problem (RFC 9457) says, or what else the answer holds."""
    try:
        return shorten(str(json.loads(body)["detail"]), 1000)
    except (ValueError, KeyError, TypeError):
        return shorten(body[:1000].decode(errors="replace"))

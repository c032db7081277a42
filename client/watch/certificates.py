"""How long the certificates of the others are good for: looked at now and then, for the metrics.

A certificate that ends takes the forecast with it, at an hour nobody chose. What counts is the one a server shows,
not the one that lies renewed beside it.
"""

from __future__ import annotations

import http.client
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from client.doctor.network import place_of

LOOK_SECONDS = 3600.0
PATIENCE = 10.0

_EXPIRED = 10  # OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED

_log = logging.getLogger(__name__)

Look = Callable[[], float | None]
"""Gives when the certificate of a part ends, Unix seconds; None if it is not known."""


def at_server(address: str, context: ssl.SSLContext) -> Look | None:
    """Makes the look at a model server's certificate; None for a target without host and port."""
    place = place_of(address)
    if place is None:
        return None
    context.set_alpn_protocols(["h2"])  # or the server complains in its log

    def look() -> float | None:
        return _expiry(place.host, place.port, context)

    return look


def at_url(url: str) -> Look | None:
    """Makes the look at the certificate behind a URL; None if it is not of HTTPS."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        return None
    host, port = parts.hostname, parts.port or http.client.HTTPS_PORT

    def look() -> float | None:
        return _expiry(host, port, ssl.create_default_context())

    return look


class Certificates:
    """Looks at certificates once an hour, in a thread of its own.

    Args:
        looks: By part.
        tell: Gets the part and when its certificate ends.
        pause: Seconds between two looks.
    """

    def __init__(
        self, looks: Mapping[str, Look | None], tell: Callable[[str, float], None], *, pause: float = LOOK_SECONDS
    ) -> None:
        self._looks = {part: look for part, look in looks.items() if look is not None}
        self._tell, self._pause = tell, pause
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="certificates", daemon=True)

    def start(self) -> None:
        """Begins to look, if there is anything to look at."""
        if self._looks:
            self._thread.start()

    def stop(self) -> None:
        """Ends; a look that hangs is left alone."""
        self._stopped.set()

    def _run(self) -> None:
        while True:
            for part, look in self._looks.items():
                try:
                    expiry = look()
                except (OSError, UnicodeError) as error:  # away, or no TLS: the watch says so itself
                    _log.debug("certificate of the %s: %s", part, error)
                else:
                    if expiry is not None:
                        self._tell(part, expiry)
            if self._stopped.wait(self._pause):
                return


def _expiry(host: str, port: int, context: ssl.SSLContext) -> float | None:
    try:
        with (
            socket.create_connection((host, port), timeout=PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            shown = secure.getpeercert()
            return float(ssl.cert_time_to_seconds(str(shown["notAfter"]))) if shown else None
    except ssl.SSLCertVerificationError as error:
        # Python does not hand out a certificate it refuses. That it has ended is known, only not since when.
        if error.verify_code == _EXPIRED:
            return time.time()
        raise

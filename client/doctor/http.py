"""The sidecar, and the clock of another machine."""

from __future__ import annotations

import email.utils
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Sequence

from client.doctor.finding import Finding, failure, ok, skipped, warning

_SECONDS = 5.0
_CLOCK_TOLERANCE = 5.0
_LENGTH = 65_536


def _get(url: str) -> tuple[int, str, bytes]:
    """Gives status, Date header and the beginning of an answer; raises OSError if there is none."""
    # As with gRPC: a proxy for web pages is no way there.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        try:
            answer = opener.open(url, timeout=_SECONDS)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return answer.status, answer.headers.get("Date", ""), answer.read(_LENGTH)
    except http.client.HTTPException as error:
        raise OSError(f"the answer is no HTTP ({error!r})") from error


def check_sidecar(url: str) -> list[Finding]:
    """Asks the sidecar whether it lives and whether it is ready to work."""
    found = []
    for path, what, advice in (
        ("/healthz", "lives", "Is that the sidecar's address?"),
        ("/readyz", "is ready", "What it names is away or wrong; its log says more. `client watch` keeps records."),
    ):
        try:
            status, _, body = _get(url.rstrip("/") + path)
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            found.append(failure("sidecar", f"{url} does not answer ({reason})", "Is it running? See --sidecar."))
            break
        if status != 200:
            found.append(failure("sidecar", f"{url}{path} says {status}{_parts_away(body)}", advice))
        else:
            found.append(ok("sidecar", f"{url} {what}"))
    return found


def _parts_away(body: bytes) -> str:
    """Tells which parts are not ready, and why, as /readyz does; nothing if it does not."""
    try:
        parts = json.loads(body)["parts"]
        away = [f"{name}: {part.get('reason') or 'not ready'}" for name, part in parts.items() if not part["ready"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    return f" ({'; '.join(away)})" if away else ""


def check_clock(urls: Sequence[str]) -> Finding:
    """Compares this machine's clock with the first of these servers that tells the time.

    Args:
        urls: Of servers; most answer with a Date header whatever the status.
    """
    for url in urls:
        before = time.time()
        try:
            _, date, _ = _get(url)
        except (OSError, ValueError):
            continue
        try:
            theirs = email.utils.parsedate_to_datetime(date).timestamp()
        except ValueError:
            continue
        # The header has whole seconds, cut off.
        offset = (before + time.time()) / 2 - (theirs + 0.5)
        text = f"this machine is {abs(offset):.0f} s {'ahead of' if offset > 0 else 'behind'} {url}"
        if abs(offset) > _CLOCK_TOLERANCE:
            return warning(
                "clock", text, "Set both by NTP: ages of frames, certificates and gaps depend on them (timedatectl)."
            )
        return ok("clock", f"agrees with {url} within {_CLOCK_TOLERANCE:g} s")
    return skipped("clock", "nobody to compare with: neither a sidecar nor a REST port (8501) tells the time")

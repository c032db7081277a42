"""How often one address may ask for what is costly: a bucket of tokens for each, which fills again steadily."""

from __future__ import annotations

import ipaddress
import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from serving.sidecar import problems
from serving.sidecar.operations.access import SIGN_IN, knows_bearer
from serving.sidecar.settings import Settings

COSTLY: Final = re.compile(
    r"/v1/heat-maps|/v1/frames/[^/]+/heat-maps|/v1/statistics.*|/v1/comparison.*"
    r"|/v1/seasons/[^/]+/(heat-maps|ribbon|statistics|drift).*|/v1/jobs|/seasons/.+|/compare"
)
"""Paths that are counted."""

TRIES_PER_MINUTE: Final = 20
"""To sign in, and with a token that is none, taken together."""

_MOST_ADDRESSES = 10_000


class Bucket:
    """Buckets by address; those that nobody used longest are forgotten.

    Args:
        per_minute: Requests an address may make in a minute, all at once if it likes.
        clock: Monotonic seconds.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._size, self._clock = float(per_minute), clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str) -> float:
        """Takes one.

        Returns:
            0 if there was one, otherwise seconds until there is.
        """
        left = self._now_left(address)
        wait = self._wait(left)
        self._left.pop(address, None)
        self._left[address] = (left - 1 if not wait else left, self._clock())
        if len(self._left) > _MOST_ADDRESSES:
            self._left.popitem(last=False)
        return wait

    def look(self, address: str) -> float:
        """Tells what `take` would give, and takes none."""
        return self._wait(self._now_left(address))

    def _now_left(self, address: str) -> float:
        now = self._clock()
        left, at = self._left.get(address, (self._size, now))
        return min(self._size, left + (now - at) * self._size / 60)

    def _wait(self, left: float) -> float:
        return 0.0 if left >= 1 else (1 - left) * 60 / self._size


class RateLimit:
    """Answers 429 to an address that asks for too much.

    Args:
        app: What is asked next.
        settings: The limit, and the tokens.
        clock: Monotonic seconds.
    """

    def __init__(self, app: ASGIApp, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._app, self._settings = app, settings
        per_minute = settings.requests_per_minute
        self._costly = Bucket(per_minute, clock) if per_minute else None
        self._tries = Bucket(TRIES_PER_MINUTE, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets a request through, or answers for it."""
        wait, of = self._wait(scope) if scope["type"] == "http" else (0.0, "")
        if not wait:
            await self._app(scope, receive, send)
            return
        seconds = math.ceil(wait)
        answer = problems.answer(
            429,
            f"Too many {of} from this address; ask again in {seconds} s",
            headers={"Retry-After": str(seconds)},
        )
        await answer(scope, receive, send)

    def _wait(self, scope: Scope) -> tuple[float, str]:
        """Tells how long to wait, and because of what."""
        address, tries = _address(scope), "tries with a token that is none"
        if scope["path"] == SIGN_IN and scope["method"] == "POST":
            return self._tries.take(address), tries
        knows = knows_bearer(self._settings, scope)
        # A right one has to wait, too: who guesses must not learn that it is.
        wait = 0.0 if knows is None else self._tries.look(address) if knows else self._tries.take(address)
        if not wait and self._costly is not None and COSTLY.fullmatch(scope["path"]):
            return self._costly.take(address), "costly requests"
        return wait, tries


def _address(scope: Scope) -> str:
    """Gives who asks; of IPv6 the network, for everybody has as many addresses in it as he likes."""
    host = str((scope.get("client") or ("",))[0])
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return host

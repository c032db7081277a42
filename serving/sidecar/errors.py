"""What can go wrong in the sidecar.

SnowmodeError
└── SidecarError            anything about the sidecar; carries the HTTP status its callers get
    ├── SettingsError       wrong settings; nothing is started
    ├── NotFound            there is no such season, frame, review or job
    ├── BadRequest          what was asked or sent makes no sense; nothing of it was done
    ├── Conflict            it contradicts what is stored
    ├── Forbidden           read-only, or no right to write
    ├── TooLarge            what was sent has more bytes or pixels than are taken
    ├── NotInstalled        it needs a library that is not here
    └── Unavailable         database, model server or archive are away; worth another try
"""

from __future__ import annotations

from typing import ClassVar, Literal

from radar.errors import SnowmodeError

Part = Literal["database", "model server", "archive"]


class SidecarError(SnowmodeError):
    """Anything about the sidecar.

    Attributes:
        status: HTTP status of an answer that says so.
    """

    status: ClassVar[int] = 500


class SettingsError(SidecarError):
    """Wrong settings."""


class NotFound(SidecarError):  # noqa: N818  (these read better than NotFoundError)
    """There is no such season, frame, review or job."""

    status = 404


class BadRequest(SidecarError):  # noqa: N818
    """What was asked or sent makes no sense."""

    status = 422


class Conflict(SidecarError):  # noqa: N818
    """It contradicts what is stored."""

    status = 409


class TooLarge(SidecarError):  # noqa: N818
    """What was sent has more bytes or pixels than are taken."""

    status = 413


class Forbidden(SidecarError):  # noqa: N818
    """Read-only, or no right to write."""

    status = 403


class NotInstalled(SidecarError):  # noqa: N818
    """It needs a library that is not here."""

    status = 501


class Unavailable(SidecarError):  # noqa: N818
    """A part that the sidecar needs is away.

    Attributes:
        part: Which one.
    """

    status = 503

    def __init__(self, part: Part, message: str) -> None:
        super().__init__(message)
        self.part = part

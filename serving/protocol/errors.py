"""What can go wrong between the two ends of the model server.

SnowmodeError
├── Interrupted                  a run was asked to stop; it can be resumed
└── ServingError                 anything about the model server
    ├── ServerError              no answer, or an answer that says no; carries the gRPC code
    │   ├── ServerUnavailable    worth another try later: down, overloaded, too slow
    │   ├── VersionMissing       the version asked for is not there; of several servers another one may have it
    │   └── RequestRefused       this request is bad; another one may be fine
    ├── ContractError            the server answers, but its model does not keep the model contract
    └── EmbeddedServerError      the embedded server could not be started
"""

from __future__ import annotations

from radar.errors import SnowmodeError


class Interrupted(SnowmodeError):  # noqa: N818  (nothing failed: somebody asked for it)
    """A run was asked to stop; it can be resumed."""


class ServingError(SnowmodeError):
    """Anything about the model server."""


class ServerError(ServingError):
    """The server gave no answer, or said no.

    Attributes:
        code: Name of the gRPC status code, for example ``"UNAVAILABLE"``.
        target: Where the server was looked for.
    """

    def __init__(self, message: str, *, code: str, target: str) -> None:
        super().__init__(message)
        self.code = code
        self.target = target


class ServerUnavailable(ServerError):  # noqa: N818  (reads better than ServerUnavailableError)
    """Worth another try later: the server is down, overloaded or too slow."""


class VersionMissing(ServerError):  # noqa: N818
    """The version asked for is not there; of several servers another one may have it, now or soon."""


class RequestRefused(ServerError):  # noqa: N818
    """This request is bad; another one may be fine."""


class ContractError(ServingError):
    """The server answers, but its model does not keep the model contract."""


class EmbeddedServerError(ServingError):
    """The embedded server could not be started."""

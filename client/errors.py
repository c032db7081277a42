"""What can go wrong in the client.

SnowmodeError
└── ClientError
    ├── ConfigError     wrong settings; nothing was started
    ├── OutputError     results cannot be written; what was written before stays and is resumed from
    └── Interrupted     the user asked to stop; resumable
"""

from radar.errors import SnowmodeError


class ClientError(SnowmodeError):
    """Anything that goes wrong in the client itself."""


class ConfigError(ClientError):
    """Settings that cannot work; nothing was started."""


class OutputError(ClientError):
    """Results cannot be written; what was written before stays and is resumed from."""


class Interrupted(ClientError):  # noqa: N818
    """The user asked to stop; the run can be resumed."""

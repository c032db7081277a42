"""What can go wrong in the client.

SnowmodeError
├── Interrupted         the user asked to stop; resumable (of `serving.protocol.errors`)
└── ClientError
    ├── ConfigError     wrong settings; nothing was started
    └── OutputError     results cannot be written; what was written before stays and is resumed from
"""

from radar.errors import SnowmodeError
from serving.protocol.errors import Interrupted

__all__ = ["ClientError", "ConfigError", "Interrupted", "OutputError"]


class ClientError(SnowmodeError):
    """Anything that goes wrong in the client itself."""


class ConfigError(ClientError):
    """Settings that cannot work; nothing was started."""


class OutputError(ClientError):
    """Results cannot be written; what was written before stays and is resumed from."""

"""What can go wrong in the embedded model server.

SnowmodeError
├── ConfigurationError   flags that cannot work; said before any work starts
├── StartError           the first version could not be served
└── ServableError        one call to a model failed; carries the gRPC code to answer
"""

import grpc

from radar.errors import SnowmodeError


class ConfigurationError(SnowmodeError):
    """The flags cannot work, whatever the models are."""


class StartError(SnowmodeError):
    """The first version of the model could not be served."""


class ServableError(SnowmodeError):
    """A model could not be loaded or run.

    Attributes:
        code: the gRPC status TensorFlow Serving would answer.
        message: what it would say.
    """

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def status_code(number: int) -> grpc.StatusCode:
    """Gives the gRPC status of a TensorFlow error code; they are the same numbers."""
    return next((code for code in grpc.StatusCode if code.value[0] == number), grpc.StatusCode.UNKNOWN)

"""Reads the configuration files of TensorFlow Serving: protobuf messages written as text."""

from pathlib import Path
from typing import Any

from google.protobuf import text_format

from serving.model_server.errors import ConfigurationError


def read_text_proto(flag: str, path: Path, message_type: Any) -> Any:
    """Reads one message.

    Args:
        flag: what named the file, for the error text: `--ssl_config_file`.
        path: the file.
        message_type: the class from `serving.protocol.wire`.

    Raises:
        ConfigurationError: if the file cannot be read, or is not such a message; a field nobody knows is an error.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{flag}={path}: expected a file that can be read ({error.strerror}). Give the path of an existing one"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{flag}={path}: expected UTF-8 text; byte {error.start} is not") from error
    try:
        return text_format.Parse(text, message_type())
    except text_format.ParseError as error:
        name = message_type.DESCRIPTOR.name
        raise ConfigurationError(
            f"{flag}={path}: expected a {name} as TensorFlow Serving reads it (protobuf text); line:column {error}"
        ) from error

"""`--grpc_channel_arguments`: options handed to gRPC as they are, `name=value,name=value`."""

from serving.model_server.errors import ConfigurationError


def read_channel_arguments(text: str) -> dict[str, int | str]:
    """Reads the flag; values that are integers become integers, as TensorFlow Serving does it.

    Raises:
        ConfigurationError: if a part is not `name=value`.
    """
    arguments: dict[str, int | str] = {}
    for part in filter(None, text.split(",")):
        name, separator, value = part.partition("=")
        if not (separator and name and value):
            raise ConfigurationError(
                f"--grpc_channel_arguments={text}: expected name=value,name=value, got {part!r} among them"
            )
        try:
            arguments[name] = int(value)
        except ValueError:
            arguments[name] = value
    return arguments

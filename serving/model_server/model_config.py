"""What a ModelServerConfig asks for, checked in TensorFlow Serving's order and words."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from serving.model_server.config_files import read_text_proto
from serving.model_server.errors import ConfigurationError, ServableError
from serving.model_server.policies import Latest, Policy, read_policy
from serving.protocol import wire

PLATFORM = "tensorflow"


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model to serve: where its versions are, which of them to load, what their labels are."""

    name: str
    base_path: Path
    policy: Policy = field(default_factory=Latest)
    labels: Mapping[str, int] = field(default_factory=dict)


def single_model(name: str, base_path: Path) -> wire.ModelServerConfig:
    """Makes the config that `--model_name` and `--model_base_path` stand for."""
    config = wire.ModelServerConfig()
    config.model_config_list.config.add(name=name, base_path=str(base_path), model_platform=PLATFORM)
    return config


def read_models_file(path: Path) -> wire.ModelServerConfig:
    """Reads `--model_config_file`.

    Raises:
        ConfigurationError: if it cannot be read, or lists no models: somebody has emptied it, or is writing it just
            now.
    """
    config: wire.ModelServerConfig = read_text_proto("--model_config_file", path, wire.ModelServerConfig)
    kind = config.WhichOneof("config")
    if kind != "model_config_list":
        raise ConfigurationError(
            f"--model_config_file={path}: expected a model_config_list, got {kind or 'nothing at all'}. To serve no "
            "model, write model_config_list {}"
        )
    return config


def read_entries(config: wire.ModelServerConfig, known: Collection[str] = ()) -> dict[str, ModelEntry]:
    """Reads a config.

    Args:
        config: the message.
        known: names of the models served now.

    Returns:
        The models by name, in the order of the config.

    Raises:
        ServableError: INVALID_ARGUMENT, with TensorFlow Serving's words where it has some.
    """
    if config.WhichOneof("config") != "model_config_list":
        raise _invalid(
            "ServerModelConfig type not supported by HandleReloadConfigRequest. "
            "Only ModelConfigList is currently supported"
        )
    protos = list(config.model_config_list.config)
    names: set[str] = set()
    for proto in protos:
        if not proto.name:
            raise _invalid(f"Expected every model to have a name; got none beside base_path()={proto.base_path}")
        if proto.name in names:
            raise _invalid(f"Illegal to list model {proto.name} multiple times in config list")
        names.add(proto.name)
    paths = {proto.name: _base_path(proto) for proto in protos}
    for proto in protos:
        _check_platform(proto, known)
    return {
        proto.name: ModelEntry(proto.name, paths[proto.name], read_policy(proto), dict(proto.version_labels))
        for proto in protos
    }


def _base_path(proto: wire.ModelConfig) -> Path:
    scheme, separator, rest = proto.base_path.partition("://")
    if not separator:
        path = Path(proto.base_path)
        if not path.is_absolute():
            raise _invalid(
                f"Expected model {proto.name} to have an absolute path or URI; got base_path()={proto.base_path}"
            )
        return path
    if scheme != "file" or not rest.startswith("/"):
        raise _invalid(
            f"Expected model {proto.name} to have a base path on this machine; got base_path()={proto.base_path}. "
            "This server reads folders only; mount or copy the models"
        )
    return Path(rest)


def _check_platform(proto: wire.ModelConfig, known: Collection[str]) -> None:
    old_way = proto.model_type != wire.ModelType.MODEL_TYPE_UNSPECIFIED
    if old_way and proto.model_platform:
        raise _invalid(
            "Illegal setting both ModelServerConfig::model_type (deprecated) and ModelServerConfig::model_platform."
        )
    if old_way and proto.model_type != wire.ModelType.TENSORFLOW:
        raise _invalid(f"ModelServerConfig::model_type choice {proto.model_type} not supported.")
    if not old_way and not proto.model_platform:
        raise _invalid(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
            f"ModelServerConfig::model_platform, model name is {proto.name}"
        )
    if old_way or proto.model_platform == PLATFORM:
        return
    if proto.name in known:
        raise _invalid(
            f"Illegal to change a model's platform. For model {proto.name} platform was {PLATFORM} and new platform "
            f"requested is {proto.model_platform}"
        )
    raise _invalid(f"Model {proto.name} requests unsupported platform {proto.model_platform}")


def _invalid(message: str) -> ServableError:
    return ServableError(grpc.StatusCode.INVALID_ARGUMENT, message)

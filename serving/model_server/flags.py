"""What a model server can be told, by TensorFlow Serving's own flag names where it has one."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serving.model_server.batching_parameters import BatchingOptions
from serving.model_server.channel_arguments import read_channel_arguments
from serving.model_server.config_files import read_text_proto
from serving.model_server.errors import ConfigurationError, ServableError
from serving.model_server.labels import check_labels
from serving.model_server.model_config import ModelEntry, read_entries, read_models_file, single_model
from serving.model_server.tls import check_tls
from serving.protocol import wire

_CPUS = os.cpu_count() or 1
_POOL_WITHOUT_FILE = "model_server_batch_threads"  # TensorFlow Serving's; the default of a file is another


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """The flags of `serving model-server`, checked, and the files they name, read.

    Attributes:
        model_server_config: the models to serve at the start.
        batching: of `--batching_parameters_file`; the defaults without.
        monitoring_config: of `--monitoring_config_file`; empty without.
        ssl_config: of `--ssl_config_file`; None without.
        channel_arguments: of `--grpc_channel_arguments`.

    Raises:
        ConfigurationError: if two flags contradict each other, a file cannot be read or written, or what is in it
            cannot work.
    """

    model_base_path: Path | None = None
    model_name: str = "snowmode"
    model_config_file: Path | None = None
    model_config_file_poll_wait_seconds: int = 0
    allow_version_labels_for_unavailable_models: bool = False
    host: str = "0.0.0.0"
    port: int = 8500
    port_file: Path | None = None
    grpc_socket_path: str = ""
    grpc_max_threads: int = 4 * _CPUS
    grpc_channel_arguments: str = ""
    ssl_config_file: Path | None = None
    enable_grpc_healthcheck_service: bool = True
    rest_api_port: int = 0
    rest_api_num_threads: int = 4 * _CPUS
    rest_api_timeout_in_ms: int = 30_000
    monitoring_config_file: Path | None = None
    enable_batching: bool = False
    batching_parameters_file: Path | None = None
    enable_per_model_batching_parameters: bool = False
    enable_serialization_as_tensor_content: bool = True
    file_system_poll_wait_seconds: int = 1
    max_num_load_retries: int = 5
    load_retry_interval_micros: int = 1_000_000
    enable_model_warmup: bool = True
    num_request_iterations_for_warmup: int = 1
    tensorflow_session_parallelism: int = 0
    tensorflow_intra_op_parallelism: int = 0
    tensorflow_inter_op_parallelism: int = 0
    exit_with_parent: bool = False

    model_server_config: wire.ModelServerConfig = field(init=False)
    batching: BatchingOptions = field(init=False)
    monitoring_config: wire.MonitoringConfig = field(init=False)
    ssl_config: wire.SSLConfig | None = field(init=False)
    channel_arguments: Mapping[str, int | str] = field(init=False)

    def __post_init__(self) -> None:
        self._check_contradictions()
        self._read_files()
        self._check_models()
        if self.port_file is not None:
            _check_port_file(self.port_file)

    @property
    def intra_op_threads(self) -> int:
        """Threads inside one operation; 0 lets TensorFlow choose."""
        return self.tensorflow_intra_op_parallelism or self.tensorflow_session_parallelism

    @property
    def inter_op_threads(self) -> int:
        """Operations at a time; 0 lets TensorFlow choose."""
        return self.tensorflow_inter_op_parallelism or self.tensorflow_session_parallelism

    def _check_contradictions(self) -> None:
        if self.tensorflow_session_parallelism and (
            self.tensorflow_intra_op_parallelism or self.tensorflow_inter_op_parallelism
        ):
            raise ConfigurationError(
                "--tensorflow_session_parallelism sets both kinds of threads; give it, or "
                "--tensorflow_intra_op_parallelism and --tensorflow_inter_op_parallelism, not all"
            )
        if not self.enable_batching:
            for flag in ("batching_parameters_file", "enable_per_model_batching_parameters"):
                if getattr(self, flag):
                    raise ConfigurationError(
                        f"--{flag} says how to batch, but --enable_batching is not given; give both"
                    )
        if self.rest_api_port and self.rest_api_port == self.port:
            raise ConfigurationError(
                f"--rest_api_port={self.rest_api_port} is the port of gRPC too; expected another one, such as 8501"
            )
        if self.model_config_file_poll_wait_seconds and self.model_config_file is None:
            raise ConfigurationError(
                "--model_config_file_poll_wait_seconds says how often to read --model_config_file; give both"
            )

    def _read_files(self) -> None:
        read = {
            "model_server_config": self._model_server_config(),
            "batching": self._batching(),
            "monitoring_config": _read("monitoring_config_file", self, wire.MonitoringConfig),
            "ssl_config": _read("ssl_config_file", self, wire.SSLConfig) if self.ssl_config_file else None,
            "channel_arguments": read_channel_arguments(self.grpc_channel_arguments),
        }
        for name, value in read.items():
            object.__setattr__(self, name, value)
        if self.ssl_config is not None and self.ssl_config_file is not None:
            check_tls(self.ssl_config, self.ssl_config_file)

    def _batching(self) -> BatchingOptions:
        parameters = _read("batching_parameters_file", self, wire.BatchingParameters)
        if self.batching_parameters_file is None:
            parameters.thread_pool_name.value = _POOL_WITHOUT_FILE
        try:
            return BatchingOptions.from_proto(parameters)
        except ConfigurationError as error:
            raise ConfigurationError(
                f"--batching_parameters_file={self.batching_parameters_file}: {error}"
            ) from error

    def _model_server_config(self) -> wire.ModelServerConfig:
        if self.model_config_file is not None:
            return read_models_file(self.model_config_file)
        if self.model_base_path is None:
            raise ConfigurationError(
                "No model to serve: expected --model_base_path (a folder with one folder per version), or "
                "--model_config_file for several models"
            )
        return single_model(self.model_name, self.model_base_path.absolute())

    def _check_models(self) -> None:
        source = (
            "--model_base_path" if self.model_config_file is None else f"--model_config_file={self.model_config_file}"
        )
        try:
            entries = read_entries(self.model_server_config).values()
        except ServableError as error:
            raise ConfigurationError(f"{source}: {error.message}") from error
        self._check_labels(source, entries)
        for entry in entries:
            if (entry.base_path / "saved_model.pb").is_file():
                raise ConfigurationError(_leaf_given(source, entry.base_path))

    def _check_labels(self, source: str, entries: Iterable[ModelEntry]) -> None:
        try:
            check_labels(
                entries, {}, lambda *_: False, allow_unavailable=self.allow_version_labels_for_unavailable_models
            )
        except ServableError as error:
            raise ConfigurationError(
                f"{source}: {error.code.name}: {error.message}. At the start no version is; as in TensorFlow "
                "Serving, labels there need --allow_version_labels_for_unavailable_models=true"
            ) from error


def _read(flag: str, settings: Settings, message_type: Any) -> Any:
    path = getattr(settings, flag)
    return message_type() if path is None else read_text_proto(f"--{flag}", path, message_type)


def _check_port_file(path: Path) -> None:
    if not path.parent.is_dir():
        reason = "the folder does not exist; make it first"
    elif path.is_dir():
        reason = "that is a folder; give the name of a file in it"
    elif not os.access(path.parent, os.W_OK | os.X_OK):
        reason = "the folder cannot be written to; choose another"
    else:
        return
    raise ConfigurationError(f"--port_file={path}: expected a file that can be written, but {reason}")


def _leaf_given(source: str, path: Path) -> str:
    if path.name.isdecimal():
        return f"{source}: {path} is one version of a model; give the folder above: {path.parent}"
    return (
        f"{source}: {path} is a model itself, not a folder of versions. Did you forget to name your leaf "
        f"directory as a number? Put it at {path}/1 and give {path}"
    )

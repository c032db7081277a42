"""What a model server can be told, by TensorFlow Serving's own flag names where it has one."""

import os
from dataclasses import dataclass
from pathlib import Path

from serving.model_server.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """The flags of `serving model-server`, checked.

    Raises:
        ConfigurationError: if two of them contradict each other, the base path cannot be one, or the port file
            cannot be written.
    """

    model_base_path: Path
    model_name: str = "snowmode"
    host: str = "0.0.0.0"
    port: int = 8500
    port_file: Path | None = None
    grpc_socket_path: str = ""
    grpc_max_threads: int = 4 * (os.cpu_count() or 1)
    file_system_poll_wait_seconds: int = 1
    max_num_load_retries: int = 5
    load_retry_interval_micros: int = 1_000_000
    enable_model_warmup: bool = True
    tensorflow_session_parallelism: int = 0
    tensorflow_intra_op_parallelism: int = 0
    tensorflow_inter_op_parallelism: int = 0
    exit_with_parent: bool = False

    def __post_init__(self) -> None:
        if self.tensorflow_session_parallelism and (
            self.tensorflow_intra_op_parallelism or self.tensorflow_inter_op_parallelism
        ):
            raise ConfigurationError(
                "--tensorflow_session_parallelism sets both kinds of threads; give it, or "
                "--tensorflow_intra_op_parallelism and --tensorflow_inter_op_parallelism, not all"
            )
        if (self.model_base_path / "saved_model.pb").is_file():
            raise ConfigurationError(_leaf_given(self.model_base_path))
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


def _leaf_given(path: Path) -> str:
    full = path.absolute()
    if full.name.isdecimal():
        return f"--model_base_path={path} is one version of a model; give the folder above: {full.parent}"
    return (
        f"--model_base_path={path} is a model itself, not a folder of versions. Did you forget to name your leaf "
        f"directory as a number? Put it at {full}/1 and give {full}"
    )

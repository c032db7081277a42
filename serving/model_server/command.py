"""The command `serving model-server`, also `python -m serving.model_server`."""

import inspect
import logging
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from serving.model_server.command_line import UnknownFlag, read_command_line
from serving.model_server.ignored_flags import IGNORED

_IGNORED = "serving.model_server.ignored"
_NOT_NEGATIVE = 0


class Switch(StrEnum):
    """A flag written `=true` or `=false`, as TensorFlow Serving's are."""

    TRUE = "true"
    FALSE = "false"


class ModelServerCommand(TyperCommand):
    """Parses the command line as tensorflow_model_server does; see `command_line`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Sets aside what has no effect here, and leaves the rest to typer."""
        flags = [option.removeprefix("--") for parameter in self.params for option in parameter.opts]
        try:
            line = read_command_line(args, flags, _SWITCHES)
        except UnknownFlag as error:
            ctx.fail(str(error))
        ctx.meta[_IGNORED] = line.ignored
        return super().parse_args(ctx, [argument for argument in line.arguments if argument not in _NO_FILES])


def _option(name: str, metavar: str, text: str, **more: Any) -> Any:
    return typer.Option(f"--{name}", metavar=metavar, help=text, **more)


def _count(name: str, text: str, **more: Any) -> Any:
    return _option(name, "N", text, **{"min": _NOT_NEGATIVE, **more})


def _switch(name: str, text: str) -> Any:
    return _option(name, "[true|false]", text)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"snowmode {version('snowmode')}, in place of TensorFlow ModelServer 2.20.0")
        raise typer.Exit


def model_server(
    ctx: typer.Context,
    model_base_path: Annotated[
        Path | None, _option("model_base_path", "PATH", "Folder with one folder per version, named by a number.")
    ] = None,
    model_name: Annotated[
        str, _option("model_name", "NAME", 'Name clients ask for. (TensorFlow Serving: "default".)')
    ] = "snowmode",
    model_config_file: Annotated[
        Path | None,
        _option(
            "model_config_file", "PATH", "Several models: a ModelServerConfig as text, instead of the two above."
        ),
    ] = None,
    model_config_file_poll_wait_seconds: Annotated[
        int, _count("model_config_file_poll_wait_seconds", "Seconds between looks at that file; 0 reads it once.")
    ] = 0,
    allow_version_labels_for_unavailable_models: Annotated[
        Switch,
        _switch(
            "allow_version_labels_for_unavailable_models", "Take new labels for versions that are not loaded yet."
        ),
    ] = Switch.FALSE,
    port: Annotated[int, _count("port", "gRPC port; 0 picks a free one.", max=65535)] = 8500,
    host: Annotated[str, _option("host", "HOST", "Address to listen on.")] = "0.0.0.0",
    port_file: Annotated[
        Path | None, _option("port_file", "PATH", "File to write the port to once the models answer.")
    ] = None,
    grpc_socket_path: Annotated[str, _option("grpc_socket_path", "PATH", "UNIX socket to listen on as well.")] = "",
    grpc_max_threads: Annotated[
        int, _count("grpc_max_threads", "Calls answered at a time.", min=1, show_default="4 x CPUs")
    ] = 4 * (os.cpu_count() or 1),
    grpc_channel_arguments: Annotated[
        str, _option("grpc_channel_arguments", "TEXT", "Options for gRPC: name=value,name=value.")
    ] = "",
    ssl_config_file: Annotated[
        Path | None, _option("ssl_config_file", "PATH", "TLS: an SSLConfig as text, with PEM contents.")
    ] = None,
    enable_grpc_healthcheck_service: Annotated[
        Switch,
        _switch("enable_grpc_healthcheck_service", "Answer grpc.health.v1. (TensorFlow Serving: false.)"),
    ] = Switch.TRUE,
    rest_api_port: Annotated[int, _count("rest_api_port", "HTTP port; 0 opens none.", max=65535)] = 0,
    rest_api_num_threads: Annotated[
        int, _count("rest_api_num_threads", "HTTP requests answered at a time.", min=1, show_default="4 x CPUs")
    ] = 4 * (os.cpu_count() or 1),
    rest_api_timeout_in_ms: Annotated[
        int, _count("rest_api_timeout_in_ms", "Milliseconds an HTTP request may take.", min=1)
    ] = 30_000,
    monitoring_config_file: Annotated[
        Path | None, _option("monitoring_config_file", "PATH", "Metrics: a MonitoringConfig as text.")
    ] = None,
    enable_batching: Annotated[Switch, _switch("enable_batching", "Run requests of several callers together.")] = (
        Switch.FALSE
    ),
    batching_parameters_file: Annotated[
        Path | None, _option("batching_parameters_file", "PATH", "How to: BatchingParameters as text.")
    ] = None,
    enable_per_model_batching_parameters: Annotated[
        Switch,
        _switch("enable_per_model_batching_parameters", "How to, by batching_params.pbtxt in each version's folder."),
    ] = Switch.FALSE,
    enable_serialization_as_tensor_content: Annotated[
        Switch,
        _switch(
            "enable_serialization_as_tensor_content",
            "Answer numbers in tensor_content, which is fast to read. (TensorFlow Serving: false.)",
        ),
    ] = Switch.TRUE,
    file_system_poll_wait_seconds: Annotated[
        int, _count("file_system_poll_wait_seconds", "Seconds between looks for new versions; 0 looks once.")
    ] = 1,
    max_num_load_retries: Annotated[int, _count("max_num_load_retries", "Tries after the first that failed.")] = 5,
    load_retry_interval_micros: Annotated[
        int,
        _count("load_retry_interval_micros", "Microseconds between tries. (TensorFlow Serving: a minute.)"),
    ] = 1_000_000,
    enable_model_warmup: Annotated[
        Switch, _switch("enable_model_warmup", "Replay the requests a model carries before it is served.")
    ] = Switch.TRUE,
    num_request_iterations_for_warmup: Annotated[
        int, _count("num_request_iterations_for_warmup", "How often to replay each.", min=1)
    ] = 1,
    tensorflow_session_parallelism: Annotated[
        int, _count("tensorflow_session_parallelism", "Threads of both kinds below; 0 lets TensorFlow choose.")
    ] = 0,
    tensorflow_intra_op_parallelism: Annotated[
        int, _count("tensorflow_intra_op_parallelism", "Threads inside one operation.")
    ] = 0,
    tensorflow_inter_op_parallelism: Annotated[
        int, _count("tensorflow_inter_op_parallelism", "Operations at a time.")
    ] = 0,
    exit_with_parent: Annotated[
        Switch, _switch("exit_with_parent", "Stop when the process that started this one ends.")
    ] = Switch.FALSE,
    version: Annotated[
        bool, typer.Option("--version", help="Say the version, and end.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Serve models over gRPC as TensorFlow Serving does: same services, flags, version folders and answers.

    A switch may stand alone, for true. Flags of tensorflow_model_server that are not listed have no effect here; they
    are named in a warning.
    """
    given = dict(locals())  # and not ctx.params, which typer leaves as text in some releases
    from serving.model_server.errors import ConfigurationError
    from serving.model_server.flags import Settings
    from serving.model_server.server import run

    logging.basicConfig(format="%(asctime)s %(levelname).1s %(message)s", level=logging.INFO)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    log = logging.getLogger(__name__)
    for name in ctx.meta.get(_IGNORED, ()):
        log.warning("--%s has no effect here: %s", name, IGNORED[name])
    flags: dict[str, Any] = {
        name: value is Switch.TRUE if isinstance(value, Switch) else value
        for name, value in given.items()
        if name not in ("ctx", "version")
    }
    try:
        settings = Settings(**flags)
    except ConfigurationError as error:
        log.error("%s", error)
        raise typer.Exit(2) from error
    raise typer.Exit(run(settings, announce=typer.echo))


_DEFAULTS = {name: parameter.default for name, parameter in inspect.signature(model_server).parameters.items()}
_SWITCHES = frozenset(name for name, default in _DEFAULTS.items() if isinstance(default, Switch))
# To tensorflow_model_server an empty path is none; to Path it would be the folder one happens to be in.
_NO_FILES = frozenset(f"--{name}=" for name, default in _DEFAULTS.items() if default is None)

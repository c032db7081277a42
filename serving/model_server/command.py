"""The command `serving model-server`, also `python -m serving.model_server`."""

import logging
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Switch(StrEnum):
    """A flag written `=true` or `=false`, as TensorFlow Serving's are."""

    TRUE = "true"
    FALSE = "false"


_NOT_NEGATIVE = 0


def model_server(
    model_base_path: Annotated[
        Path,
        typer.Option(
            "--model_base_path", metavar="PATH", help="Folder with one folder per version, named by a number."
        ),
    ],
    model_name: Annotated[
        str,
        typer.Option("--model_name", metavar="NAME", help='Name clients ask for. (TensorFlow Serving: "default".)'),
    ] = "snowmode",
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="gRPC port; 0 picks a free one.")
    ] = 8500,
    host: Annotated[str, typer.Option("--host", metavar="HOST", help="Address to listen on.")] = "0.0.0.0",
    port_file: Annotated[
        Path | None,
        typer.Option("--port_file", metavar="PATH", help="File to write the port to once the model answers."),
    ] = None,
    grpc_socket_path: Annotated[
        str, typer.Option("--grpc_socket_path", metavar="PATH", help="UNIX socket to listen on as well.")
    ] = "",
    grpc_max_threads: Annotated[
        int,
        typer.Option(
            "--grpc_max_threads", metavar="N", min=1, help="Calls answered at a time.", show_default="4 x CPUs"
        ),
    ] = 4 * (os.cpu_count() or 1),
    file_system_poll_wait_seconds: Annotated[
        int,
        typer.Option(
            "--file_system_poll_wait_seconds",
            metavar="N",
            min=_NOT_NEGATIVE,
            help="Seconds between looks for new versions; 0 looks once.",
        ),
    ] = 1,
    max_num_load_retries: Annotated[
        int,
        typer.Option(
            "--max_num_load_retries", metavar="N", min=_NOT_NEGATIVE, help="Tries after the first that failed."
        ),
    ] = 5,
    load_retry_interval_micros: Annotated[
        int,
        typer.Option(
            "--load_retry_interval_micros",
            metavar="N",
            min=_NOT_NEGATIVE,
            help="Microseconds between tries. (TensorFlow Serving: a minute.)",
        ),
    ] = 1_000_000,
    enable_model_warmup: Annotated[
        Switch,
        typer.Option("--enable_model_warmup", help="Replay the requests a model carries before it is served."),
    ] = Switch.TRUE,
    tensorflow_session_parallelism: Annotated[
        int,
        typer.Option(
            "--tensorflow_session_parallelism",
            metavar="N",
            min=_NOT_NEGATIVE,
            help="Threads of both kinds below; 0 lets TensorFlow choose.",
        ),
    ] = 0,
    tensorflow_intra_op_parallelism: Annotated[
        int,
        typer.Option(
            "--tensorflow_intra_op_parallelism", metavar="N", min=_NOT_NEGATIVE, help="Threads inside one operation."
        ),
    ] = 0,
    tensorflow_inter_op_parallelism: Annotated[
        int,
        typer.Option(
            "--tensorflow_inter_op_parallelism", metavar="N", min=_NOT_NEGATIVE, help="Operations at a time."
        ),
    ] = 0,
    exit_with_parent: Annotated[
        bool, typer.Option("--exit_with_parent", help="Stop when the process that started this one ends.")
    ] = False,
) -> None:
    """Serve a model over gRPC as TensorFlow Serving does: same services, flags, version folders and answers."""
    from serving.model_server.errors import ConfigurationError
    from serving.model_server.flags import Settings
    from serving.model_server.server import run

    logging.basicConfig(format="%(asctime)s %(levelname).1s %(message)s", level=logging.INFO)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    try:
        settings = Settings(
            model_base_path=model_base_path,
            model_name=model_name,
            port=port,
            host=host,
            port_file=port_file,
            grpc_socket_path=grpc_socket_path,
            grpc_max_threads=grpc_max_threads,
            file_system_poll_wait_seconds=file_system_poll_wait_seconds,
            max_num_load_retries=max_num_load_retries,
            load_retry_interval_micros=load_retry_interval_micros,
            enable_model_warmup=enable_model_warmup is Switch.TRUE,
            tensorflow_session_parallelism=tensorflow_session_parallelism,
            tensorflow_intra_op_parallelism=tensorflow_intra_op_parallelism,
            tensorflow_inter_op_parallelism=tensorflow_inter_op_parallelism,
            exit_with_parent=exit_with_parent,
        )
    except ConfigurationError as error:
        logging.getLogger(__name__).error("%s", error)
        raise typer.Exit(2) from error
    raise typer.Exit(run(settings, announce=typer.echo))

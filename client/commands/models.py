"""`client models`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from client.commands.options import Server, TlsCa, TlsCert, TlsKey, fail


def models(
    server: Server = None,
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="Model to look for; may be given several times, because a model server has no list of its models.",
            show_default="snowmode",
        ),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            metavar="LABEL",
            help="Version label to look for beside stable and canary; may be given several times.",
            show_default=False,
        ),
    ] = None,
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with the whole model cards.")] = False,
) -> None:
    """Show what the server hosts: versions, which one answers, their scores.

    Versions that could not be loaded are listed with the reason.

    Examples:
    client models
    client models --server gpu:8500 --model snowmode --model snowmode-next
    client models --server embedded:models --json
    """
    from client.config.settings import find_server, find_tls
    from client.models.hosted import as_dict, look
    from client.models.text import print_models
    from radar.errors import SnowmodeError
    from serving.protocol.embedded import server_at

    wanted = names or ["snowmode"]
    try:
        address, _ = find_server(server)
        tls = find_tls(tls_ca, tls_cert, tls_key, address)
        with server_at(address, model=wanted[0]) as target:
            found = look(target, wanted, labels=labels or (), tls=tls)
    except SnowmodeError as error:
        fail(error)
    if as_json:
        print(json.dumps(as_dict(found, address), ensure_ascii=False, indent=1))  # noqa: T201
    else:
        print_models(found, address)
    if not any(entry.state.state == "AVAILABLE" for model in found for entry in model.versions):
        raise typer.Exit(3)

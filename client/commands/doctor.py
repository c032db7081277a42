"""`client doctor`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from client.commands.options import Model, Server, TlsCa, TlsCert, TlsKey, fail


def doctor(
    context: typer.Context,
    server: Server = None,
    model: Model = "snowmode",
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    sidecar: Annotated[
        str | None,
        typer.Option(
            envvar="SNOWMODE_SIDECAR", metavar="URL", help="Check the sidecar there too.", show_default="none"
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Check this folder of frames too.", show_default=False),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where results would go.", show_default="here")
    ] = Path(),
    rest_port: Annotated[
        int,
        typer.Option(
            min=1, max=65535, metavar="N", help="REST port of the server, asked only for the time of its clock."
        ),
    ] = 8501,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find out why it does not work, and what to do.

    Checks one by one: this installation, folders and disk; config file; name
    and addresses of the server, port, TLS; health, versions, the model and its
    contract, a whole batch; the sidecar; the clock. Changes nothing. Exits
    with 1 if any check fails.

    Examples:
    client doctor
    client doctor --server dns:///snowmode.radar.svc.cluster.local:8500
    client doctor --server gpu:8500 --tls-ca ca.pem --folder hse20152016/
    client doctor --sidecar http://localhost:8080 --json
    """
    from rich.console import Console

    from client.config.file import defaults_from
    from client.config.settings import config_file
    from client.doctor.finding import State, failure, ok
    from client.doctor.run import Request, examine
    from client.doctor.text import print_finding, print_verdict
    from client.errors import ConfigError
    from client.sidecar import check_url

    file = config_file()
    found = []
    console = Console(quiet=as_json)
    try:
        sidecar = None if sidecar is None else check_url(sidecar)
    except ConfigError as error:
        fail(error)
    try:
        if context.parent is not None:
            defaults_from(file, context.parent)
    except ConfigError as error:
        found.append(failure("config", str(error), "Correct it; no other command starts before."))
    else:
        found.append(ok("config", f"{file}" + ("" if file.is_file() else " is not there, and need not be")))
    print_finding(console, found[0])
    request = Request(server, model, tls_ca, tls_cert, tls_key, sidecar, folder, out, rest_port)
    for finding in examine(request):
        found.append(finding)
        print_finding(console, finding)
    print_verdict(console, found)
    if as_json:
        content = [
            {"check": each.check, "state": str(each.state), "text": each.text, "advice": each.advice}
            for each in found
        ]
        print(json.dumps(content, ensure_ascii=False, indent=1))  # noqa: T201
    if any(each.state is State.FAIL for each in found):
        raise typer.Exit(1)

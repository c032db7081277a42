"""`client describe`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from client.commands.options import Model, Server, TlsCa, TlsCert, TlsKey, fail


def describe(
    server: Server = None,
    model: Model = "snowmode",
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole model card as JSON.")] = False,
) -> None:
    """Show what the model on the server says of itself."""
    from client.config.settings import find_server, find_tls
    from client.display.card import print_card
    from radar.errors import SnowmodeError
    from serving.protocol.connection import Connection
    from serving.protocol.embedded import server_at

    try:
        address, _ = find_server(server)
        tls = find_tls(tls_ca, tls_cert, tls_key, address)
        with (
            server_at(address, model=model) as target,
            Connection(target, model=model, tls=tls) as connection,
        ):
            served = connection.describe()
    except SnowmodeError as error:
        fail(error)
    if as_json:
        card = {"version": served.version, **served.card.model_dump(mode="json")}
        print(json.dumps(card, ensure_ascii=False, indent=1))  # noqa: T201
    else:
        print_card(served)

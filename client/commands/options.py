"""Options that several commands share, and how a command fails."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from radar.seasons import TimeRule

Server = Annotated[
    str | None,
    typer.Option(
        envvar="SNOWMODE_SERVER",
        metavar="HOST:PORT",
        help="Model server; of several, which share the calls, a name with all their addresses, dns:///NAME:PORT, or "
        "the addresses, IP:PORT,IP:PORT; or embedded:MODELS to start one for this run from a folder of published "
        "models. Otherwise the config file's, otherwise localhost:8500.",
        show_default=False,
    ),
]
Model = Annotated[str, typer.Option(metavar="NAME", help="Name of the model on the server.")]
TlsCa = Annotated[
    Path | None,
    typer.Option(
        "--tls-ca",
        envvar="SNOWMODE_TLS_CA",
        metavar="FILE",
        help="Speak TLS with the server, which one of the certificates in this PEM file must vouch for.",
        show_default="plain text",
    ),
]
TlsCert = Annotated[
    Path | None,
    typer.Option(
        "--tls-cert",
        envvar="SNOWMODE_TLS_CERT",
        metavar="FILE",
        help="Certificate of this client, for a server that asks for one (client_verify).",
        show_default="none",
    ),
]
TlsKey = Annotated[
    Path | None,
    typer.Option(
        "--tls-key",
        envvar="SNOWMODE_TLS_KEY",
        metavar="FILE",
        help="Private key of that certificate, without a passphrase.",
        show_default="none",
    ),
]


TIMES, RUN = "Times of frames", "The run"

Recursive = Annotated[bool, typer.Option("--recursive", "-r", help="Look into subfolders too.", rich_help_panel=RUN)]
DryRun = Annotated[
    bool, typer.Option("--dry-run", "-n", help="Say what would be done, and leave.", rich_help_panel=RUN)
]
Patience = Annotated[
    float,
    typer.Option(
        min=0,
        metavar="SECONDS",
        help="How long to wait for a server that goes away meanwhile.",
        rich_help_panel=RUN,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Decode threads.", show_default="one a core", rich_help_panel=RUN),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show nothing but errors.", rich_help_panel=RUN)]

Pattern = Annotated[
    str | None,
    typer.Option(
        metavar="RULE",
        help="How a name tells the time: %Y%m%d%H%M.png, or pr2hse{index}.png with the two options below. "
        "Otherwise season.toml in the folder; otherwise frames have no time.",
        rich_help_panel=TIMES,
    ),
]
SeasonStart = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%dT%H:%MZ", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M", "%Y-%m-%d"],
        metavar="TIME",
        help="Time of index 0, UTC: 2015-11-01T00:00Z.",
        rich_help_panel=TIMES,
    ),
]
Cadence = Annotated[
    float | None,
    typer.Option(metavar="MINUTES", help="Minutes between frames; tells which are missing.", rich_help_panel=TIMES),
]
Zone = Annotated[
    str,
    typer.Option(
        metavar="ZONE", help="Time zone of dates in names: UTC, JST or one like Asia/Tokyo.", rich_help_panel=TIMES
    ),
]


def time_rule(pattern: str | None, start: datetime | None, cadence: float | None, zone: str) -> TimeRule | None:
    """Makes the time rule of the four options above, None if none was given.

    Raises:
        ConfigError: They do not belong together.
        SeasonError: They make no rule.
    """
    from client.errors import ConfigError
    from radar.seasons import TimeRule

    if pattern is not None:
        if start is not None and "{index" not in pattern:
            raise ConfigError(f"--season-start belongs to a pattern with {{index}}, received --pattern {pattern!r}")
        start = None if start is None else start.replace(tzinfo=UTC)
        return TimeRule(pattern, start=start, cadence_minutes=cadence, zone=zone)
    if start is not None or cadence is not None or zone != "UTC":
        raise ConfigError(
            "--season-start, --cadence and --zone need --pattern, which says where the time stands in a name"
        )
    return None


def fail(error: Exception) -> NoReturn:
    """Shows an error as its text alone, and leaves with the code that belongs to its kind."""
    from client.errors import Interrupted, OutputError
    from serving.protocol.errors import ServerUnavailable, ServingError

    codes: dict[type[Exception], int] = {ServingError: 3, OutputError: 4, Interrupted: 130}
    code = next((code for kind, code in codes.items() if isinstance(error, kind)), 2)
    label = "" if isinstance(error, Interrupted) else "Error: "
    if isinstance(error, ServerUnavailable):
        error.add_note("Find out why: client doctor, with the same --server")
    print(f"{label}{error}", *getattr(error, "__notes__", ()), sep="\n", file=sys.stderr)  # noqa: T201
    raise typer.Exit(code)

"""The command `serving sidecar`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

PARTS, PAGES, WRITING, LIMITS, OPERATION = (
    "What it stands beside",
    "What it shows",
    "Who may write",
    "Limits",
    "Operation",
)
MEBIBYTE = 2**20


class SidecarCommand(TyperCommand):
    """Groups the options in panels; the model server beside it lists its own, which are too long for that."""

    def __init__(self, *words: Any, **more: Any) -> None:
        super().__init__(*words, **{**more, "rich_markup_mode": "markdown"})


def _option(variable: str, metavar: str, text: str, panel: str, **more: Any) -> Any:
    names = [f"SNOWMODE_SIDECAR_{variable}", *more.pop("also", ())]
    return typer.Option(
        *more.pop("names", ()), envvar=names, metavar=metavar, help=text, rich_help_panel=panel, **more
    )


def sidecar(
    server: Annotated[
        str,
        _option(
            "SERVER",
            "HOST:PORT",
            "Model server, which draws heat maps; several as dns:///NAME:PORT or IP:PORT,IP:PORT; or embedded:MODELS "
            "to start one beside it from a folder of published models.",
            PARTS,
            also=["SNOWMODE_SERVER"],
        ),
    ] = "localhost:8500",
    database: Annotated[
        str,
        _option(
            "DATABASE",
            "URL",
            "What is recorded: sqlite:///FILE, which is made where it is not there, or "
            "postgresql://USER:PASSWORD@HOST/NAME.",
            PARTS,
        ),
    ] = "sqlite:///snowmode.sqlite",
    archive: Annotated[
        Path | None,
        _option(
            "ARCHIVE",
            "FOLDER",
            "Frames, a folder a season in it. Only read. Without it no pictures are shown.",
            PARTS,
            show_default="none",
        ),
    ] = None,
    model: Annotated[str, _option("MODEL", "NAME", "Name of the model on the server.", PARTS)] = "snowmode",
    version_label: Annotated[
        str,
        _option(
            "VERSION_LABEL",
            "LABEL",
            "Explain with the version of this label, such as stable.",
            PARTS,
            show_default="the newest version",
        ),
    ] = "",
    tls_ca: Annotated[
        Path | None,
        _option(
            "TLS_CA",
            "FILE",
            "Speak TLS with the model server, which one of the certificates in this PEM file must vouch for.",
            PARTS,
            also=["SNOWMODE_TLS_CA"],
            show_default="plain text",
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None,
        _option(
            "TLS_CERT",
            "FILE",
            "Certificate of this sidecar, for a model server that asks for one (client_verify).",
            PARTS,
            also=["SNOWMODE_TLS_CERT"],
            show_default="none",
        ),
    ] = None,
    tls_key: Annotated[
        Path | None,
        _option(
            "TLS_KEY",
            "FILE",
            "Private key of that certificate, without a passphrase.",
            PARTS,
            also=["SNOWMODE_TLS_KEY"],
            show_default="none",
        ),
    ] = None,
    window: Annotated[
        str,
        _option(
            "WINDOW",
            "W,E,S,N",
            "Part of JMA composites in the archive, as client watch was told: degrees, hokushinetsu or japan.",
            PARTS,
        ),
    ] = "hokushinetsu",
    zone: Annotated[
        str,
        _option("ZONE", "ZONE", "Whose months, days and hours are counted: UTC, JST or one like Asia/Tokyo.", PAGES),
    ] = "JST",
    longest_gap: Annotated[
        float,
        _option(
            "LONGEST_GAP",
            "MINUTES",
            "Frames further apart belong to different events.",
            PAGES,
            min=0.1,
            max=1440,
        ),
    ] = 30.0,
    token: Annotated[
        list[str] | None,
        _option(
            "TOKENS",
            "TOKEN",
            "Who sends it, as a bearer token or signing in, may write. Any number of them; several in the "
            "variable stand apart by spaces. Arguments can be seen by everybody on a machine: better the variable "
            "or the file.",
            WRITING,
            show_default="none: everybody who reaches the port may write",
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        _option("TOKEN_FILE", "FILE", "More of them, one a line; # begins a comment.", WRITING, show_default="none"),
    ] = None,
    read_only: Annotated[
        bool,
        _option(
            "READ_ONLY", "", "Nobody may write; for a copy that is shown to many.", WRITING, names=["--read-only"]
        ),
    ] = False,
    max_body: Annotated[
        int, _option("MAX_BODY", "MIB", "Largest body of records or a table that is taken.", LIMITS, min=1)
    ] = 16,
    max_upload: Annotated[int, _option("MAX_UPLOAD", "MIB", "Largest picture that is taken.", LIMITS, min=1)] = 16,
    max_pixels: Annotated[
        int, _option("MAX_PIXELS", "N", "Pixels a picture may have, sent or in the archive.", LIMITS, min=1)
    ] = 32_000_000,
    requests_per_minute: Annotated[
        int,
        _option(
            "REQUESTS_PER_MINUTE",
            "N",
            "Costly calls (heat maps, statistics, jobs) that one address may make; 0: any number.",
            LIMITS,
            min=0,
        ),
    ] = 600,
    host: Annotated[
        str, _option("HOST", "ADDRESS", "Where to listen; 0.0.0.0 for every network of this machine.", OPERATION)
    ] = "127.0.0.1",
    port: Annotated[
        int, _option("PORT", "N", "Port of pages and calls; 0 picks a free one.", OPERATION, min=0, max=65535)
    ] = 8080,
    port_file: Annotated[
        Path | None,
        _option("PORT_FILE", "FILE", "Write the port there once it answers.", OPERATION, show_default="none"),
    ] = None,
    proxy: Annotated[
        list[str] | None,
        _option(
            "PROXIES",
            "ADDRESS",
            "Proxy, or network of them, whose word is taken for who asks (X-Forwarded-For) and by what scheme.",
            OPERATION,
            show_default="none",
        ),
    ] = None,
    job_threads: Annotated[
        int,
        _option(
            "JOB_THREADS", "N", "Jobs, such as a season's heat maps, at work together.", OPERATION, min=1, max=16
        ),
    ] = 1,
    stop_within: Annotated[
        float,
        _option("STOP_WITHIN", "SECONDS", "When stopped, how long requests may take to finish.", OPERATION, min=0),
    ] = 20.0,
    log: Annotated[
        str,
        _option(
            "LOG",
            "[text|json]",
            "Form of the log on standard error.",
            OPERATION,
            show_default="text on a terminal, otherwise json",
        ),
    ] = "",
    log_level: Annotated[
        str, _option("LOG_LEVEL", "[debug|info|warning|error]", "What is logged.", OPERATION)
    ] = "info",
) -> None:
    """Show a winter: decisions explained, counted, questioned and corrected.

    Pages for people (http://localhost:8080/), calls for programs (/docs), beside a model server. `client watch
    --sidecar URL` records what it finds here. Every option can be set by its
    variable; the option goes before.

    Ctrl-C or SIGTERM ends it: requests and the day a job works on are finished, and jobs go on at the next start.
    /healthz tells whether it lives, /readyz whether database, model server and archive answer, /metrics numbers for
    Prometheus.

    Exit codes: 0 stopped; 2 wrong settings, nothing was started; 3 the embedded model server did not start.

    Examples:
    serving sidecar --server embedded:models --archive frames/

    serving sidecar --server gpu:8500 --archive /srv/radar --database sqlite:////var/lib/snowmode/winter.sqlite

    SNOWMODE_SIDECAR_TOKENS=$(openssl rand -hex 32) serving sidecar --host 0.0.0.0 --archive /srv/radar
    """
    from serving.protocol.errors import EmbeddedServerError
    from serving.sidecar.errors import SettingsError
    from serving.sidecar.operations.logs import configure
    from serving.sidecar.running import Listening, run
    from serving.sidecar.settings import read_settings, read_tokens

    try:
        configure(log, log_level)
        settings = read_settings(
            server=server,
            model=model,
            version_label=version_label,
            tls_ca=tls_ca,
            tls_cert=tls_cert,
            tls_key=tls_key,
            database=database,
            archive=archive,
            window=window,
            zone=zone,
            longest_gap_minutes=longest_gap,
            tokens=read_tokens(token or [], token_file),
            read_only=read_only,
            max_body_bytes=max_body * MEBIBYTE,
            max_upload_bytes=max_upload * MEBIBYTE,
            max_pixels=max_pixels,
            requests_per_minute=requests_per_minute,
            job_threads=job_threads,
        )
        run(settings, Listening(host, port, port_file, tuple(proxy or ()), stop_within))
    except (SettingsError, EmbeddedServerError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(3 if isinstance(error, EmbeddedServerError) else 2) from error

"""`client watch`."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from client.commands.options import (
    Cadence,
    Model,
    Pattern,
    SeasonStart,
    Server,
    TlsCa,
    TlsCert,
    TlsKey,
    Zone,
    fail,
    time_rule,
)

_OWN_SERVER_SECONDS = 20.0

OUTPUT, OPERATION = "Where it goes", "Operation"


def watch(
    folder: Annotated[
        Path, typer.Argument(help="Folder that frames come into.", metavar="FOLDER", show_default=False)
    ],
    server: Server = None,
    model: Model = "snowmode",
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FOLDER",
            help="Result files, one a UTC day: 20261121.csv.",
            show_default="SEASON-watch, here",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    season: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name of the season.", show_default="the folder's", rich_help_panel=OUTPUT),
    ] = None,
    sidecar: Annotated[
        str | None,
        typer.Option(
            envvar="SNOWMODE_SIDECAR",
            metavar="URL",
            help="Record every frame there too, such as http://localhost:8080; what it misses while it is away "
            "is kept and sent later. Its bearer token is taken from SNOWMODE_TOKEN.",
            show_default="none",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What has been done; keep it, and nothing is done twice. Best on a disk of this machine.",
            show_default="OUT/state.sqlite",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    pattern: Pattern = None,
    season_start: SeasonStart = None,
    cadence: Cadence = None,
    zone: Zone = "UTC",
    window: Annotated[
        str,
        typer.Option(
            metavar="W,E,S,N",
            help="Part of JMA composites, in degrees or by name: hokushinetsu, japan. As for `client render`.",
            rich_help_panel=OPERATION,
        ),
    ] = "hokushinetsu",
    poll: Annotated[
        float,
        typer.Option(min=0.05, metavar="SECONDS", help="Time between two looks.", rich_help_panel=OPERATION),
    ] = 1.0,
    give_up: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="How long a file that does not decode may still be on its way; then it is recorded as bad.",
            rich_help_panel=OPERATION,
        ),
    ] = 60.0,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Look into subfolders too.", rich_help_panel=OPERATION)
    ] = False,
    once: Annotated[
        bool,
        typer.Option("--once", help="Do what is waiting, and leave: for cron jobs.", rich_help_panel=OPERATION),
    ] = False,
    metrics_port: Annotated[
        int,
        typer.Option(
            min=0,
            max=65535,
            metavar="N",
            help="Port of /metrics (Prometheus) and /healthz (liveness); 0: none.",
            rich_help_panel=OPERATION,
        ),
    ] = 0,
    metrics_address: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where that port is opened.", rich_help_panel=OPERATION)
    ] = "127.0.0.1",
    threads: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Decode threads.", show_default="one a core", rich_help_panel=OPERATION
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Log troubles only.", rich_help_panel=OPERATION)
    ] = False,
) -> None:
    """Classify frames as they come in.

    Looks at FOLDER every second, takes the PNGs and JMA composites that are complete, and writes one result file a
    day. A frame that comes again with another content is classified again. Server, sidecar, disk or folder may go
    away: what comes meanwhile is caught up with, and each trouble is logged once when it begins and once when it is
    over. Stop it with Ctrl-C or SIGTERM, or kill it: the next start goes on where it was.

    Exit codes with --once: 0 done; 1 done, but the sidecar refused single records; 2 wrong settings; 3 the model
    server; 4 results cannot be written, or the sidecar takes no records; 130 stopped. What the sidecar does not have
    is kept, and sent by the next run.

    Examples:
    client watch incoming/ --pattern "%Y%m%d%H%M.png" --cadence 5
    client watch jma/ --window 135,141,35,40 --cadence 10
    client watch incoming/ --once --quiet && echo done
    client watch incoming/ --sidecar http://localhost:8080 --metrics-port 9100
    """
    import math
    from contextlib import ExitStack

    from client.config.settings import find_server, find_tls
    from client.errors import ConfigError, Interrupted
    from client.sidecar import Sidecar, check_token, check_url
    from client.sources import Folder, name_of
    from client.watch.certificates import Certificates, at_server, at_url
    from client.watch.files import tidy
    from client.watch.job import WatchJob, check_folder
    from client.watch.lock import alone
    from client.watch.metrics import Metrics, serve
    from client.watch.run import Watcher
    from client.watch.spool import Spool
    from client.watch.state import WatchState
    from radar import jma
    from radar.errors import SnowmodeError
    from serving.protocol.embedded import PREFIX, server_at

    _log_plainly(logging.WARNING if quiet else logging.INFO)
    try:
        check_folder(folder)
        address, _ = find_server(server)
        name = season or name_of(folder) or "frames"
        if len(name) > 200 or not (math.isfinite(poll) and math.isfinite(give_up)):
            raise ConfigError("--season: expected at most 200 characters; --poll and --give-up: expected seconds")
        # Composites carry their time, so that the cadence alone makes sense for them.
        lone_cadence = pattern is None and season_start is None and zone == "UTC"
        given = None if lone_cadence else time_rule(pattern, season_start, cadence, zone)
        place = Folder(folder, given, cadence, recursive)
        results = out or Path(f"{name}-watch")
        file = state or results / "state.sqlite"
        job = WatchJob(
            folder=folder,
            model=model,
            out=results,
            tls=find_tls(tls_ca, tls_cert, tls_key, address),
            rule=place.rule,
            cadence=place.cadence,
            window=jma.Window.parse(window),
            poll=poll,
            give_up=give_up,
            recursive=recursive,
            once=once,
            threads=threads,
        )
        target = None
        if sidecar:
            target = Sidecar(check_url(sidecar), name, model, check_token(os.environ.get("SNOWMODE_TOKEN", "")))
        with ExitStack() as stack:
            for lock in (file.with_name(f".{file.name}.lock"), results / ".watch.lock"):
                stack.enter_context(
                    alone(lock, f"another `client watch` is at work with {lock.parent}; stop it first")
                )
            tidy(results)
            done = stack.enter_context(WatchState(file, name))
            spool = None if target is None else Spool(done, target)
            metrics = Metrics(
                job.cadence,
                None if spool is None else lambda: spool.up,
                places={"incoming": folder, "results": results, "state": file.parent},
            )
            if metrics_port:
                stack.callback(serve(metrics, metrics_address, metrics_port).shutdown)
                looks = {
                    "model server": at_server(address, job.tls.context) if job.tls and job.tls.context else None,
                    "sidecar": at_url(sidecar) if sidecar else None,
                }
                certificates = Certificates(looks, metrics.certificate)
                certificates.start()
                stack.callback(certificates.stop)
            watcher = Watcher(job, done, metrics, spool)
            _stop_by_signal(watcher.stop)
            if spool is not None:
                spool.start()
                stack.callback(spool.stop)
            # A server of our own that died is started once more.
            lost_after = _OWN_SERVER_SECONDS if address.startswith(PREFIX) and not once else math.inf
            finished = False
            while not finished:
                with server_at(address, model=model) as at:
                    finished = watcher.run(at, lost_after=lost_after)
            refused = spool.finish(lambda: watcher.stopped) if once and spool is not None else 0
            if once and watcher.stopped:
                raise Interrupted("Stopped on request; the same command goes on where it was")
    except SnowmodeError as error:
        fail(error)
    if refused:
        raise typer.Exit(1)


def _stop_by_signal(stop: Callable[[], None]) -> None:
    """Lets the first Ctrl-C or SIGTERM end the loop in peace; a second one ends it at once, which does no harm."""

    def answer(number: int, _frame: object) -> None:
        signal.signal(number, before[number])
        stop()

    before = {int(number): signal.signal(number, answer) for number in (signal.SIGINT, signal.SIGTERM)}


def _log_plainly(level: int) -> None:
    """One line an event on standard error, times in UTC."""
    formatter = logging.Formatter("%(asctime)sZ %(levelname)-7s %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logger = logging.getLogger("client")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(level)

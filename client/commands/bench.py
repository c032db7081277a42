"""`client bench`."""

from __future__ import annotations

import enum
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from client.commands.options import Model, Server, TlsCa, TlsCert, TlsKey, fail

if TYPE_CHECKING:
    from client.bench.load import Load


class Signature(enum.StrEnum):
    """Signatures of `bench`."""

    CLASSIFY = "classify"
    EXPLAIN = "explain"
    EMBED = "embed"


def bench(
    server: Server = None,
    model: Model = "snowmode",
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    concurrency: Annotated[
        str, typer.Option(metavar="N,N,...", help="Calls in flight: every one of these is measured.")
    ] = "1,2,4,8",
    batch: Annotated[
        str, typer.Option(metavar="N,N,...", help="Frames a call: every one of these is measured.")
    ] = "1,32,341",
    seconds: Annotated[
        float, typer.Option(min=0.1, max=3600, metavar="S", help="How long each is measured, after a warm-up.")
    ] = 5.0,
    signature: Annotated[
        Signature, typer.Option(help="What to ask for; explain and embed with all their outputs.")
    ] = Signature.CLASSIFY,
    frames: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Use these frames, over and over, and measure decoding as well.",
            show_default="synthetic frames",
        ),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Decode threads.", show_default="one a core")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
) -> None:
    """Measure a model server: frames a second, and how long calls take.

    Keeps so many calls in flight, with so many frames each, for a few seconds,
    and shows throughput, percentiles of the time a call takes, and errors by
    code. Any TensorFlow Serving that hosts a model of ours will do. Calls carry
    the priority of bulk work, are not sent again when they fail, and each
    warm-up is left out. Ctrl-C shows what there is so far.

    Examples:
    client bench --server gpu:8500
    client bench --concurrency 1,4,16 --batch 64 --seconds 20
    client bench --frames hse20152016/ --server embedded:models
    client bench --signature explain --batch 8,32 --json
    """
    from rich.console import Console

    from client.bench.frames import supplies
    from client.bench.load import Load, cores, sweep
    from client.bench.text import as_dict, print_head, remarks, table_of
    from client.config.settings import find_server, find_tls
    from client.errors import ConfigError, Interrupted
    from radar.errors import SnowmodeError
    from serving.protocol import contract
    from serving.protocol.connection import Connection
    from serving.protocol.embedded import server_at
    from serving.protocol.priority import Priority

    names = {"classify": contract.CLASSIFY, "explain": contract.EXPLAIN, "embed": contract.EMBED}
    rows = []
    console = Console(quiet=as_json, soft_wrap=True)
    try:
        sizes, flights = _numbers("--batch", batch), _numbers("--concurrency", concurrency)
        if threads is not None and frames is None:
            raise ConfigError("--threads is of decoding, which needs --frames")
        address, _ = find_server(server)
        tls = find_tls(tls_ca, tls_cert, tls_key, address)
        with (
            server_at(address, model=model) as target,
            Connection(target, model=model, priority=Priority.BULK, tls=tls, retry=False) as connection,
        ):
            served = connection.describe()
            supply = supplies(served.card.input.frame_rule(), sizes, folder=frames, threads=threads or cores())
            outputs = (contract.PROBABILITIES,) if signature is Signature.CLASSIFY else ()
            load = Load(connection, names[signature], outputs)
            kind = f"{len(supply.names):,} frames of {frames}" if frames else "synthetic frames"
            with _stopping(load), _progress(quiet or as_json, len(sizes) * len(flights), seconds) as step:
                print_head(console, served, address, names[signature], kind)
                for measured in sweep(load, supply.batches, flights, seconds):
                    rows.append(measured)
                    step(f"{measured.concurrency} x {measured.batch}: {measured.rate:,.0f} frames/s")
    except SnowmodeError as error:
        fail(error)
    if as_json:
        content = {
            "server": address,
            "model": model,
            "version": served.version,
            "signature": names[signature],
            "frames": str(frames) if frames else "synthetic",
            "client_cores": cores(),
            "bad_frames": supply.bad,
            "complete": not load.stopped,
            "rows": [as_dict(row) for row in rows],
        }
        print(json.dumps(content, ensure_ascii=False, indent=1))  # noqa: T201
    elif rows:
        console.print(table_of(rows))
        for remark in remarks(rows, cores(), supply.bad):
            console.print(f"- {remark}", markup=False, highlight=False)
    if load.stopped:
        fail(Interrupted("Stopped on request"))
    if any(row.stopped or row.errors for row in rows):
        raise typer.Exit(3)


def _numbers(flag: str, text: str) -> list[int]:
    from client.errors import ConfigError

    try:
        numbers = [int(word) for word in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or not all(1 <= number <= 4096 for number in numbers):
        raise ConfigError(f"{flag}: expected whole numbers from 1 to 4096 such as 1,4,16, received {text!r}")
    return numbers


@contextmanager
def _stopping(load: Load) -> Iterator[None]:
    """Lets Ctrl-C end the measurement in peace; a second one ends it at once."""
    import signal

    def answer(number: int, _frame: object) -> None:
        signal.signal(number, before)
        load.stop()

    before = signal.signal(signal.SIGINT, answer)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _progress(quiet: bool, steps: int, seconds: float) -> Iterator[Callable[[str], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda text: None if quiet else print(text, file=sys.stderr)  # noqa: T201
        return
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, disable=quiet, transient=True) as bar:
        task = bar.add_task(f"{steps} measurements of {seconds:g} s", total=steps)
        yield lambda text: bar.update(task, advance=1, description=text)

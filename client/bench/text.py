"""Shows what a benchmark measured: table, findings in words, JSON."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from client.bench.load import FEWEST_FOR_P99, Measured
from serving.protocol.connection import ServedModel

_BUSY = 0.85  # of the cores; of one core for the thread that sends, which Python lets run on one only


def as_dict(measured: Measured) -> dict[str, object]:
    """Gives a row as JSON types; times in milliseconds."""
    return {
        "concurrency": measured.concurrency,
        "batch": measured.batch,
        "seconds": round(measured.seconds, 3),
        "calls": measured.calls,
        "frames": measured.frames,
        "frames_per_second": round(measured.rate, 1),
        **{f"p{p}_ms": _milliseconds(measured.percentile(p)) for p in (50, 95, 99)},
        "call_ms": _milliseconds(float(measured.latencies.mean()) if measured.calls else None),
        "decode_ms": _milliseconds(measured.decode),
        "queue_ms": _milliseconds(measured.queue),
        "errors": measured.errors,
        "client_cores": round(measured.client_cores, 2),
        "stopped": measured.stopped,
    }


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 3)


def print_head(console: Console, served: ServedModel, address: str, signature: str, frames: str) -> None:
    """Prints what is measured."""
    card = served.card
    console.print(
        f"{address}: {card.model} version {served.version}, {signature}, {frames}, "
        f"{card.input.width}x{card.input.height}, {card.frame_bytes / 1000:.1f} kB a frame",
        markup=False,
        highlight=False,
    )


def table_of(rows: Sequence[Measured]) -> Table:
    """Makes the table; the best rate is marked."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False, collapse_padding=True)
    names = ("in\nflight", "batch", "frames/s", "calls", "p50", "p95", "p99")
    with_frames = any(row.decode is not None for row in rows)
    split = ("decode", "queue", "call") if with_frames else ()
    with_errors = any(row.errors for row in rows)
    for name in (*names, *split, "cores", *("errors",) * with_errors):
        table.add_column(name, justify="right", no_wrap=name != "errors")
    best = max((row.rate for row in rows), default=0.0)
    for row in rows:
        mean = float(row.latencies.mean()) if row.calls else None
        times = [row.percentile(p) for p in (50, 95, 99)] + ([row.decode, row.queue, mean] if with_frames else [])
        troubles = ", ".join(f"{count} {code}" for code, count in row.errors.items())
        table.add_row(
            str(row.concurrency),
            str(row.batch),
            Text(f"{row.rate:,.0f}", style="bold green" if row.rate == best > 0 else ""),
            f"{row.calls:,}",
            *("-" if seconds is None else f"{1000 * seconds:,.1f}" for seconds in times),
            f"{row.client_cores:.2f}",
            *(Text(troubles or "-", style="red" if troubles else ""),) * with_errors,
        )
    return table


def remarks(rows: Sequence[Measured], cores: int, bad: int) -> list[str]:
    """Says in words what a reader of the numbers must know.

    Args:
        rows: What was measured.
        cores: Cores of this machine.
        bad: Frames that could not be decoded.
    """
    found = ["Times in ms; p50, p95, p99 of the time from sending a call to its answer; cores: used by this client."]
    busy = [row for row in rows if row.client_cores >= _BUSY * min(cores, 1 if row.decode is None else cores)]
    if busy:
        where = ", ".join(f"{row.concurrency} x {row.batch}" for row in busy)
        found.append(
            f"This client was busy itself ({where}; {cores} cores here): the server may be able to do more. Run the "
            "client on another machine, or several at once."
        )
    if any(row.percentile(99) is None for row in rows):
        found.append(f"p99 is left out where fewer than {FEWEST_FOR_P99} calls were answered; measure for longer.")
    if any(row.decode is not None for row in rows):
        found.append(
            "Means a batch: decode, processor time; queue, how long it then waited for its turn; call, sending to "
            "answer. Next to no queue means that decoding is the limit, not the server."
        )
    if rows and not any(row.errors for row in rows):
        found.append("No call failed.")
    found += [f"{row.concurrency} x {row.batch}: stopped after {row.stopped}." for row in rows if row.stopped]
    if bad:
        found.append(f"{bad:,} frames could not be decoded and were left out.")
    found.append("A server on this machine shares its cores with the client: then only compare, never quote.")
    return found

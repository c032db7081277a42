"""What Prometheus is told of the last backup: a file for node_exporter's textfile collector."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from radar.durable import write_text


def write_report(path: Path, *, made: datetime, size: int, seconds: float) -> None:
    """Writes it, whole or not at all.

    Args:
        path: Where the collector looks; its name ends in ``.prom``.
        made: When the backup was made, UTC.
        size: Of the file, bytes.
        seconds: It took.

    Raises:
        OSError: It cannot be written.
    """
    registry = CollectorRegistry()

    def gauge(name: str, text: str, value: float) -> None:
        Gauge(name, text, registry=registry).set(value)

    gauge("snowmode_backup_last_success_timestamp_seconds", "When the last backup was made.", made.timestamp())
    gauge("snowmode_backup_size_bytes", "Size of the last backup.", size)
    gauge("snowmode_backup_seconds", "How long the last backup took.", seconds)
    write_text(path, generate_latest(registry).decode())
    path.chmod(0o644)  # the collector is another user

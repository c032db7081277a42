"""What `client watch` is told to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from client.errors import ConfigError
from radar import jma
from radar.seasons import TimeRule
from serving.protocol.tls import Tls


@dataclass(frozen=True, slots=True)
class WatchJob:
    """What to watch, and where what comes of it goes; see `client watch --help`."""

    folder: Path
    model: str
    out: Path
    tls: Tls | None = None
    rule: TimeRule | None = None
    cadence: timedelta | None = None
    window: jma.Window = jma.HOKUSHINETSU
    poll: float = 1.0
    give_up: float = 60.0
    recursive: bool = False
    once: bool = False
    threads: int | None = None


def check_folder(folder: Path) -> None:
    """Checks that there is something to watch, before anything is started.

    Raises:
        ConfigError: It is no folder.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: expected the folder that frames come into; there is no such folder")

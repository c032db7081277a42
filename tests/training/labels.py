"""Labels to test with."""

from datetime import datetime, timedelta
from pathlib import Path

from radar.seasons import format_utc
from training.data.labelled import Label

CODES = ("SY", "VX", "LT")
NOON = datetime(2015, 12, 1, 12)


def labels_of(runs, season="hse"):
    """Makes labels of runs of (mode number, frames): each run is an event; nothing has a time."""
    return [
        Label(Path(season) / f"{number}-{n}.png", season, CODES[mode], f"{season}/{number}")
        for number, (mode, count) in enumerate(runs)
        for n in range(count)
    ]


def timed(mode, event, hour, count, season="hse", start=NOON):
    """Makes labels of one event, ten minutes apart, that begins some hours after noon of 1 December."""
    times = [start + timedelta(hours=hour, minutes=10 * n) for n in range(count)]
    return [
        Label(Path(season) / f"{time:%m%d%H%M}{mode}.png", season, mode, f"{season}/{event}", format_utc(time))
        for time in times
    ]

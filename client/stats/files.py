"""Seasonal statistics as files: a CSV for each of `radar.season_tables.TABLES`, and the ribbon of each season."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2

from radar import durable
from radar.ribbon import draw_ribbon
from radar.season_statistics import SeasonStatistics
from radar.season_tables import TABLES, as_csv
from radar.seasons import find_zone


def write_files(seasons: Sequence[SeasonStatistics], folder: Path) -> list[Path]:
    """Writes a CSV for each table and a ribbon for each season.

    Args:
        seasons: As `client.stats.count.count_seasons` gives them.
        folder: It is made if it is not there; files of these names in it are replaced.

    Returns:
        What was written.

    Raises:
        OSError: It cannot be written.
        SeasonError: A cadence is such that a day cannot be drawn.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in TABLES:
        path = folder / f"{name}.csv"
        durable.write_text(path, as_csv(seasons, name))
        written.append(path)
    return [*written, *(write_ribbon(season, folder) for season in seasons)]


def write_ribbon(season: SeasonStatistics, folder: Path) -> Path:
    """Writes the ribbon of a season; raises like `write_files`."""
    picture = draw_ribbon(
        season.series,
        season.cadence,
        season.colors,
        title=f"{season.name}, model {', '.join(map(str, season.versions))}",
        zone=find_zone(season.zone),
        zone_name=season.zone,
    )
    path = folder / f"ribbon_{file_part(season.name)}.png"
    _, data = cv2.imencode(".png", picture[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    with durable.replacing(path) as temporary:
        temporary.write_bytes(data.tobytes())
    return path


def file_part(name: str) -> str:
    """Gives the name of a season as part of a file name: ``2015/16`` becomes ``2015-16``."""
    return name.replace("/", "-")

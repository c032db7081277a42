"""`client stats`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from client.commands.options import fail


def stats(
    results: Annotated[
        list[Path],
        typer.Argument(
            help="Result files of `client classify`, one a season.", metavar="RESULTS...", show_default=False
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FOLDER",
            help="Write there: a CSV for each table, the ribbon of each season as PNG, and season_NAME.nc where the "
            "extra [netcdf] is installed. Files of these names are replaced.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
    zone: Annotated[
        str, typer.Option(metavar="ZONE", help="Whose months, days and hours to count: UTC, JST, Asia/Tokyo.")
    ] = "UTC",
    gap: Annotated[
        float, typer.Option(min=0, metavar="MINUTES", help="Longest gap between two frames of one event.")
    ] = 30.0,
    cadence: Annotated[
        float | None,
        typer.Option(
            metavar="MINUTES",
            help="Minutes between frames; tells which are missing.",
            show_default="as classified, or the most frequent distance",
        ),
    ] = None,
    winters: Annotated[
        bool,
        typer.Option(
            "--winters", help="Join all files and cut them into winters on 1 July; otherwise a file is a season."
        ),
    ] = False,
) -> None:
    """Count a season: how often each mode was, when, for how long.

    From result files alone, without a server: frames, shares, mean
    probabilities and accepted shares by month, day and hour; events and their
    durations; what follows what; missing frames; several winters side by side.

    Examples:
    client stats hse20152016.csv --zone JST
    client stats hse2014*.csv hse2015*.csv --out statistics/
    client stats incoming/*.csv --winters --json
    """
    import importlib.util
    from datetime import timedelta

    from client.errors import ConfigError, OutputError
    from client.stats.count import Options, count_seasons
    from client.stats.files import file_part, write_files
    from client.stats.text import as_text
    from radar.errors import SnowmodeError
    from radar.season_tables import as_dict

    with_netcdf = importlib.util.find_spec("netCDF4") is not None
    written: list[Path] = []
    try:
        if cadence is not None and not 0 < cadence <= 1440:
            raise ConfigError(f"--cadence: expected minutes above 0 and up to 1440, received {cadence:g}")
        options = Options(
            zone=zone,
            cadence=None if cadence is None else timedelta(minutes=cadence),
            longest_gap=timedelta(minutes=gap),
            winters=winters,
        )
        seasons = count_seasons(results, options)
        try:
            if out is not None:
                written += write_files(seasons, out)
                if with_netcdf:
                    from radar.season_netcdf import write_netcdf

                    for season in seasons:
                        path = out / f"season_{file_part(season.name)}.nc"
                        written.append(write_netcdf(season, path, history="client stats"))
        except OSError as error:
            raise OutputError(f"--out {out}: cannot be written: {error.strerror or error}") from error
    except SnowmodeError as error:
        fail(error)
    print(json.dumps(as_dict(seasons), ensure_ascii=False) + "\n" if as_json else as_text(seasons), end="")  # noqa: T201
    for path in written:
        print(f"Written: {path}", file=sys.stderr)  # noqa: T201
    if out is not None and not with_netcdf:
        print("For NetCDF as well: pip install 'snowmode[netcdf]'", file=sys.stderr)  # noqa: T201

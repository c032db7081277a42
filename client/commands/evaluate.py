"""`client evaluate`."""

from __future__ import annotations

import enum
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from client.commands.options import fail


class Split(enum.StrEnum):
    """Which frames are scored, seen from the model's training."""

    SEASON = "season"
    EVENT = "event"
    FRAME = "frame"
    UNKNOWN = "unknown"


def evaluate(
    results: Annotated[
        Path, typer.Argument(help="Result file of `client classify`.", metavar="RESULTS", show_default=False)
    ],
    labels: Annotated[
        Path,
        typer.Argument(
            help="What people saw: a CSV with the columns file,label (and event, time_utc), or start,end,mode.",
            metavar="LABELS",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FOLDER",
            help="Write the report there: text, JSON, HTML, figures.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
    split: Annotated[
        Split,
        typer.Option(
            help="Which frames these are: a season that was not trained on, whole events, single frames of trained "
            "winters."
        ),
    ] = Split.UNKNOWN,
    zone: Annotated[
        str, typer.Option(metavar="ZONE", help="Time zone of periods whose times carry none: UTC, JST, Asia/Tokyo.")
    ] = "UTC",
    outside: Annotated[
        str | None,
        typer.Option(metavar="MODE", help="Mode of frames that lie in no period.", show_default="not scored"),
    ] = None,
    ignored: Annotated[
        list[str] | None,
        typer.Option("--ignore", metavar="LABEL", help="Leave out frames with this label; may be repeated."),
    ] = None,
    synthetic: Annotated[
        bool | None,
        typer.Option(
            "--synthetic/--real", help="Whether a computer made the frames.", show_default="as season.toml says"
        ),
    ] = None,
    gap: Annotated[
        float, typer.Option(min=0, metavar="MINUTES", help="Longest gap between two frames of one event.")
    ] = 30.0,
    tolerance: Annotated[
        float, typer.Option(min=0, metavar="MINUTES", help="Events this far apart still count as seen.")
    ] = 30.0,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of the resampling of events.")] = 0,
) -> None:
    """Score a classified season against what people saw.

    Prints the contingency table, POD, FAR, CSI and more by mode, with intervals that resample whole events, beside
    climatology, random and persistence; events with their onset errors; calibration; and what to know about it all.

    Examples:
    client evaluate hse20152016.csv labels.csv --split season --out report/
    client evaluate hse20152016.csv periods.csv --zone JST --outside NO
    """
    from datetime import timedelta

    from client.errors import OutputError
    from client.evaluate import Options
    from client.evaluate import evaluate as run
    from radar.errors import SnowmodeError
    from radar.verification.report_files import FIGURES_HINT, can_draw, write_report
    from radar.verification.report_json import as_dict
    from radar.verification.report_text import as_text

    options = Options(
        zone=zone,
        outside=outside,
        ignored=tuple(ignored or ()),
        split=split.value,
        synthetic=synthetic,
        longest_gap=timedelta(minutes=gap),
        tolerance=timedelta(minutes=tolerance),
        seed=seed,
    )
    try:
        report = run(results, labels, options)
        try:
            written = write_report(report, out) if out is not None else []
        except OSError as error:
            raise OutputError(f"--out {out}: cannot be written: {error.strerror or error}") from error
    except SnowmodeError as error:
        fail(error)
    text = json.dumps(as_dict(report), indent=1, ensure_ascii=False) + "\n" if as_json else as_text(report)
    print(text, end="")  # noqa: T201
    for path in written:
        print(f"Written: {path}", file=sys.stderr)  # noqa: T201
    if out is not None and not can_draw():
        print(FIGURES_HINT, file=sys.stderr)  # noqa: T201

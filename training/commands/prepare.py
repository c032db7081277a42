"""`training prepare`."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.commands.options import fail, say

if TYPE_CHECKING:
    from radar.seasons import TimeRule
    from training.data.prepare import Prepared

TIMES, OUTPUT = "Times and events", "Output"
SHOWN = 5


def prepare(
    folder: Annotated[
        Path,
        typer.Argument(
            help="Frames in folders named by mode (LT, DM, ...), or the frames of a table.", show_default=False
        ),
    ],
    table: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="Labels: columns file,label, and if known time_utc,event; reviews of the sidecar are such a table.",
            show_default="labels.csv in FOLDER, if there is one",
        ),
    ] = None,
    pattern: Annotated[
        str | None,
        typer.Option(
            metavar="RULE",
            help="How a name tells the time: %Y%m%d%H%M.png, or pr2hse{index}.png with the two options below.",
            show_default="season.toml in FOLDER",
            rich_help_panel=TIMES,
        ),
    ] = None,
    season_start: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%dT%H:%MZ", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M", "%Y-%m-%d"],
            metavar="TIME",
            help="Time of index 0, UTC: 2015-11-01T00:00Z.",
            show_default=False,
            rich_help_panel=TIMES,
        ),
    ] = None,
    cadence: Annotated[
        float | None,
        typer.Option(metavar="MINUTES", help="Minutes between frames.", show_default=False, rich_help_panel=TIMES),
    ] = None,
    gap: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="MINUTES",
            help="Longest gap between two frames of one event, where the table has no events.",
            rich_help_panel=TIMES,
        ),
    ] = 30.0,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FOLDER",
            help="Where manifest.csv goes, and problems.csv.",
            show_default="FOLDER itself",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    photos: Annotated[
        Path | None,
        typer.Option(
            metavar="NPZ",
            help="Write the frames as arrays x and y too, as the original process kept them.",
            show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    photos_size: Annotated[
        int, typer.Option(min=16, max=1024, metavar="PIXELS", help="Their side.", rich_help_panel=OUTPUT)
    ] = 32,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Look at everything, write nothing.", rich_help_panel=OUTPUT)
    ] = False,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="End with code 1 if a frame was left out.", rich_help_panel=OUTPUT),
    ] = False,
) -> None:
    """Look through labelled frames, and write the manifest that `training run --frames FOLDER` reads.

    Every frame is read once. Told are frames that cannot be read, the same picture twice, near copies in different
    events, labels that contradict each other, and modes with too few frames or events. Left out are frames that
    cannot be read, further copies, and frames whose label is in doubt.

    Examples:
    training prepare hse20172018/
    training prepare frames/ --table reviews.csv --out prepared/
    training prepare hse20172018/ --photos photos.npz --dry-run
    """
    from datetime import timedelta

    from radar.errors import SnowmodeError
    from radar.modes import SNOWFALL_MODES
    from training.data import prepare as work
    from training.data.sources import rule_of
    from training.display import Display

    codes = tuple(mode.code for mode in SNOWFALL_MODES)
    try:
        rule = _rule(pattern, season_start, cadence) or rule_of(folder)
        with Display.of("frames") as display:
            prepared = work.prepare(
                work.find_labels(folder, codes, table=table),
                rule=rule,
                say=display.say,
                progress=display.advance,
                longest_gap=timedelta(minutes=gap),
            )
        _show(prepared, codes)
        written = [] if dry_run else work.write(prepared, out or folder)
        if photos is not None and not dry_run:
            work.write_photos(prepared, codes, photos_size, photos)
            written.append(photos)
    except (SnowmodeError, OSError, ValueError) as error:
        fail(error)
    for path in written:
        say(f"Written: {path}")
    if strict and any(problem.left_out for problem in prepared.problems):
        raise typer.Exit(1)


def _rule(pattern: str | None, start: datetime | None, cadence: float | None) -> TimeRule | None:
    from datetime import UTC

    from radar.seasons import TimeRule
    from training.errors import TrainingError

    if pattern is None:
        if start is not None or cadence is not None:
            raise TrainingError(
                "--season-start and --cadence need --pattern, which says where the index is in a name"
            )
        return None
    return TimeRule(pattern, start=None if start is None else start.replace(tzinfo=UTC), cadence_minutes=cadence)


def _show(prepared: Prepared, codes: tuple[str, ...]) -> None:
    from training.data.prepare import KINDS
    from training.data.splits import SIDES

    labels = prepared.labels
    seasons = sorted({label.season for label in labels})
    for season in seasons:
        mine = [label for label in labels if label.season == season]
        times = sorted(label.time_utc for label in mine if label.time_utc)
        span = f", {times[0][:16]} to {times[-1][:16]} UTC" if times else ", times unknown"
        say(f"{season}: {len(mine):,} frames of {len({label.event for label in mine}):,} events{span}")
    say(f"\n{'mode':<6}{'frames':>9}{'events':>9}" + "".join(f"{side:>12}" for side in SIDES[:2]))
    for code in codes:
        mine = [label for label in labels if label.mode == code]
        events = len({label.event for label in mine})
        sides = Counter(
            side for label, side in zip(labels, prepared.sides, strict=True) if label.mode == code and side
        )
        say(f"{code:<6}{len(mine):>9,}{events:>9,}" + "".join(f"{sides[side]:>12,}" for side in SIDES[:2]))
    for kind in KINDS:
        mine_problems = [problem for problem in prepared.problems if problem.kind == kind]
        if not mine_problems:
            continue
        left_out = sum(problem.left_out for problem in mine_problems)
        say(f"\n{kind}: {len(mine_problems):,}" + (f", {left_out:,} left out" if left_out else ", kept"))
        for problem in mine_problems[:SHOWN]:
            other = f" (see {problem.other})" if problem.other else ""
            say(f"  {problem.path}: {problem.what}{other}")
        if len(mine_problems) > SHOWN:
            say(f"  ... and {len(mine_problems) - SHOWN:,} more in problems.csv")
    for note in prepared.notes:
        say(f"\nNote: {note}")
    if not prepared.problems:
        say("\nNo frame is unreadable, double, or labelled in two ways")

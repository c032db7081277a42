"""`training compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.commands.options import fail, say


def compare(
    first: Annotated[Path, typer.Argument(help="Folder of a run: RUNS/RECIPE-TIME.", show_default=False)],
    second: Annotated[Path, typer.Argument(help="Folder of another run.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FOLDER", help="Where to write the report: text, JSON, HTML.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of the resampling of events.")] = 0,
) -> None:
    """Compare two runs on the frames that both held out: is one better, or may it be chance?

    Differences are resampled by whole events, the same for both.

    Example: training compare runs/radar-20261121T182018 runs/nakai2022-20261121T190405
    """
    import json

    from radar.errors import SnowmodeError
    from radar.verification.report_files import write_report
    from radar.verification.report_json import as_dict
    from radar.verification.report_text import as_text
    from training.validation import compare_runs

    try:
        comparison = compare_runs(first, second, seed=seed)
        written = write_report(comparison, out) if out is not None else []
    except (SnowmodeError, OSError) as error:
        fail(error)
    text = json.dumps(as_dict(comparison), indent=1, ensure_ascii=False) + "\n" if as_json else as_text(comparison)
    print(text, end="")  # noqa: T201
    for path in written:
        say(f"Written: {path}")

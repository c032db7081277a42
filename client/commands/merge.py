"""`client merge`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from client.commands.classify import Format
from client.commands.options import fail


def merge(
    shards: Annotated[
        list[Path],
        typer.Argument(help="Result files of all shards.", metavar="SHARD.csv", show_default=False),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help="Result file.", show_default="FOLDER.csv, beside the shards"
        ),
    ] = None,
    formats: Annotated[
        list[Format] | None,
        typer.Option("--format", metavar="FORMAT", help="As for `client classify`.", show_default="csv"),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a result file of another run, should one stand there.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Put the results of all shards of a folder together.

    The result is the one that a single run of `client classify` writes, and such a run can continue it.
    Heat maps stay with their shards.

    Examples:
    client merge hse20152016.shard-*.csv
    client merge hse20152016.shard-*.csv --out hse20152016.csv --format netcdf
    """
    from client.display.console import Display
    from client.merge import merge as run
    from radar.errors import SnowmodeError

    try:
        merged = run(shards, out, formats=[name.value for name in formats or ()], overwrite=overwrite)
    except SnowmodeError as error:
        fail(error)
    if as_json:
        content = {
            "shards": merged.shards,
            "frames": merged.frames,
            "failed": merged.failed,
            "missing": sum(gap.missing for gap in merged.gaps),
            "files": [str(path) for path in merged.files],
        }
        print(json.dumps(content, ensure_ascii=False))  # noqa: T201
        return
    failed = f"; {merged.failed:,} could not be classified" if merged.failed else ""
    print(f"{merged.frames:,} frames of {merged.shards} shards{failed}")  # noqa: T201
    Display().gaps(merged.gaps)
    for path in merged.files:
        print(f"Written: {path}")  # noqa: T201

"""Results as Parquet: `NAME.parquet`, the table of the CSV with types, read by pandas, Polars, R and DuckDB.

`time_utc` is a timestamp in UTC, `label` a dictionary, probabilities and entropy are float32, `accepted` is a
boolean, and what a frame does not have is null. The model, its version and the folder stand in the schema's metadata.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from client.errors import ConfigError
from client.results.rows import Row, read_results
from client.results.runs import read_record, record_file
from radar import durable

_ROWS = 50_000  # in memory at a time; also the size of a row group


def parquet_path(results: Path) -> Path:
    """Gives the name of the Parquet file beside a result file."""
    return results.with_name(results.name.removesuffix(".csv") + ".parquet")


def write(results: Path) -> Path:
    """Writes the Parquet of a result file.

    Args:
        results: A finished result file.

    Returns:
        The file written, `NAME.parquet`.

    Raises:
        OSError: It cannot be written.
    """
    codes, rows = read_results(results)
    schema = _schema(codes).with_metadata(_metadata(results))
    path = parquet_path(results)
    with durable.replacing(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        while block := list(itertools.islice(rows, _ROWS)):
            writer.write_table(_table(block, schema, len(codes)))
    return path


def _schema(codes: Iterable[str]) -> pa.Schema:
    return pa.schema(
        [
            pa.field("file", pa.string(), nullable=False),
            pa.field("time_utc", pa.timestamp("s", "UTC")),
            pa.field("label", pa.dictionary(pa.int8(), pa.string())),
            *(pa.field(f"p_{code}", pa.float32()) for code in codes),
            pa.field("entropy", pa.float32()),
            pa.field("accepted", pa.bool_()),
            pa.field("model_version", pa.int64(), nullable=False),
            pa.field("error", pa.string()),
        ]
    )


def _table(rows: list[Row], schema: pa.Schema, modes: int) -> pa.Table:
    from datetime import datetime

    columns = [
        [_text(row.file) for row in rows],
        [datetime.fromisoformat(row.time_utc) if row.time_utc else None for row in rows],
        [row.label or None for row in rows],
        *([row.probabilities[k] if row.label else None for row in rows] for k in range(modes)),
        [row.entropy for row in rows],
        [row.accepted if row.label else None for row in rows],
        [row.model_version for row in rows],
        [_text(row.error) or None for row in rows],
    ]
    return pa.table([pa.array(c, field.type) for c, field in zip(columns, schema, strict=True)], schema=schema)


def _metadata(results: Path) -> dict[str, str]:
    try:
        record = read_record(record_file(results))
    except ConfigError:
        return {}
    card = None if record.card is None else record.card.model_dump(mode="json")
    return {
        "snowmode.run": json.dumps({**asdict(record.identity), "command": record.command}),
        "snowmode.model_card": json.dumps(card),
    }


def _text(text: str) -> str:
    """Gives a text that is text: bytes of a name that are no UTF-8 become an escape."""
    return os.fsencode(text).decode("utf-8", "backslashreplace")

"""The tables. `migrations/` brings a database to this state; a test holds the two against each other.

    seasons      one winter of frames; start, cadence and time rule where known
    series       a season by one model version: what statistics are made of
    frames       a picture of a season, known by its name
    predictions  of a frame in a series
    reviews      what people say of a frame; the newest that is not withdrawn counts
    heat_sums    partial sums of heat maps of a series, a day each
    jobs         long work, its progress and its end
    cards        what model versions say of themselves, for times when no server does

Times are whole seconds since 1970, UTC: the same on both databases, and ready for NumPy.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

# Names of constraints differ between databases unless they are given; migrations need them.
metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)

FAILED: Final = -1
"""`mode` of a frame that could not be classified."""

NO_TIME: Final = -(2**62)
"""`predictions.time` of a frame whose time is unknown: before all others, on both databases."""

# SQLite counts rows by itself only in a column declared INTEGER.
_Id = BigInteger().with_variant(Integer, "sqlite")

seasons = Table(
    "seasons",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("start", BigInteger),
    Column("cadence_seconds", Integer),
    Column("time_rule", Text, nullable=False, server_default=""),
    Column("changes", BigInteger, nullable=False, server_default="0"),  # one more with each change of its reviews
)

series = Table(
    "series",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("season_id", ForeignKey("seasons.id"), nullable=False),
    Column("model", String(200), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("codes", JSON, nullable=False),  # of the modes, in the order of probabilities; [] before the first
    Column("frames", Integer, nullable=False, server_default="0"),
    Column("first", BigInteger),  # time of its first and last frame; counting them each time would be slow
    Column("last", BigInteger),
    Column("changes", BigInteger, nullable=False, server_default="0"),  # one more with each change of predictions
    UniqueConstraint("season_id", "model", "version"),
)

frames = Table(
    "frames",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("season_id", ForeignKey("seasons.id"), nullable=False),
    Column("name", String(1000), nullable=False),
    Column("time", BigInteger),
    Column("sha256", String(200), nullable=False, server_default=""),
    UniqueConstraint("season_id", "name"),
    Index(None, "season_id", "time"),
)

predictions = Table(
    "predictions",
    metadata,
    Column("series_id", ForeignKey("series.id"), primary_key=True, autoincrement=False),
    Column("frame_id", ForeignKey("frames.id"), primary_key=True, autoincrement=False),
    Column("revision", Integer, nullable=False),
    Column("time", BigInteger, nullable=False),  # of the frame, or NO_TIME: pages are read along an index
    Column("mode", SmallInteger, nullable=False),  # index into the codes, or FAILED
    Column("confidence", Float(53), nullable=False),  # largest probability; -1 where it failed
    Column("accepted", Boolean(create_constraint=False), nullable=False),
    Column("probabilities", LargeBinary, nullable=False),  # float32, little-endian
    Column("error", Text, nullable=False, server_default=""),
    Column("recorded", BigInteger, nullable=False),
    Index(None, "series_id", "time", "frame_id"),
    Index(None, "series_id", "confidence", "frame_id"),
    Index(None, "frame_id"),
)

reviews = Table(
    "reviews",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("frame_id", ForeignKey("frames.id"), nullable=False, index=True),
    Column("mode", String(16), nullable=False),
    Column("reviewer", String(100), nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    Column("withdrawn", BigInteger),  # when
)

heat_sums = Table(
    "heat_sums",
    metadata,
    Column("series_id", ForeignKey("series.id"), primary_key=True, autoincrement=False),
    Column("method", String(16), primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),  # days since 1970, UTC
    Column("frames", Integer, nullable=False),
    Column("failed", Integer, nullable=False),  # frames that could not be used
    Column("fingerprint", String(64), nullable=False),  # hash of the frames and revisions that went in
    Column("made", BigInteger, nullable=False),
    Column("sums", LargeBinary, nullable=False),
    Column("echo", LargeBinary, nullable=False),  # apart: it is ten times as large, and not always wanted
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("request", JSON, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("done", Integer, nullable=False, server_default="0"),
    Column("total", Integer, nullable=False, server_default="0"),
    Column("failed", Integer, nullable=False, server_default="0"),
    Column("failures", JSON, nullable=False),  # pairs of item and reason, the first hundred
    Column("rate", Float(53)),  # items a second
    Column("message", Text, nullable=False, server_default=""),
    Column("created", BigInteger, nullable=False),
    Column("started", BigInteger),
    Column("ended", BigInteger),
    Column("owner", String(36), nullable=False, server_default=""),  # the process that works on it
    Column("heartbeat", BigInteger),  # its last sign of life
)

cards = Table(
    "cards",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("card", JSON, nullable=False),
)

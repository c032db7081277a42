"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Makes them."""
    op.create_table(
        "cards",
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("card", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("model", "version", name=op.f("pk_cards")),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("total", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failures", sa.JSON(), nullable=False),
        sa.Column("rate", sa.Float(precision=53), nullable=True),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=True),
        sa.Column("ended", sa.BigInteger(), nullable=True),
        sa.Column("owner", sa.String(length=36), server_default="", nullable=False),
        sa.Column("heartbeat", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index(op.f("ix_jobs_state"), "jobs", ["state"])
    op.create_table(
        "seasons",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=True),
        sa.Column("cadence_seconds", sa.Integer(), nullable=True),
        sa.Column("time_rule", sa.Text(), server_default="", nullable=False),
        sa.Column("changes", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seasons")),
        sa.UniqueConstraint("name", name=op.f("uq_seasons_name")),
    )
    op.create_table(
        "frames",
        sa.Column("id", _ID, nullable=False),
        sa.Column("season_id", _ID, nullable=False),
        sa.Column("name", sa.String(length=1000), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(length=200), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["season_id"], ["seasons.id"], name=op.f("fk_frames_season_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_frames")),
        sa.UniqueConstraint("season_id", "name", name=op.f("uq_frames_season_id_name")),
    )
    op.create_index(op.f("ix_frames_season_id_time"), "frames", ["season_id", "time"])
    op.create_table(
        "series",
        sa.Column("id", _ID, nullable=False),
        sa.Column("season_id", _ID, nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("codes", sa.JSON(), nullable=False),
        sa.Column("frames", sa.Integer(), server_default="0", nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=True),
        sa.Column("last", sa.BigInteger(), nullable=True),
        sa.Column("changes", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["season_id"], ["seasons.id"], name=op.f("fk_series_season_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_series")),
        sa.UniqueConstraint("season_id", "model", "version", name=op.f("uq_series_season_id_model_version")),
    )
    op.create_table(
        "heat_sums",
        sa.Column("series_id", _ID, autoincrement=False, nullable=False),
        sa.Column("method", sa.String(length=16), nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("frames", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("made", sa.BigInteger(), nullable=False),
        sa.Column("sums", sa.LargeBinary(), nullable=False),
        sa.Column("echo", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_heat_sums_series_id")),
        sa.PrimaryKeyConstraint("series_id", "method", "day", name=op.f("pk_heat_sums")),
    )
    op.create_table(
        "predictions",
        sa.Column("series_id", _ID, autoincrement=False, nullable=False),
        sa.Column("frame_id", _ID, autoincrement=False, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("mode", sa.SmallInteger(), nullable=False),
        sa.Column("confidence", sa.Float(precision=53), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("probabilities", sa.LargeBinary(), nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("recorded", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["frame_id"], ["frames.id"], name=op.f("fk_predictions_frame_id")),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_predictions_series_id")),
        sa.PrimaryKeyConstraint("series_id", "frame_id", name=op.f("pk_predictions")),
    )
    op.create_index(op.f("ix_predictions_frame_id"), "predictions", ["frame_id"])
    op.create_index(
        op.f("ix_predictions_series_id_confidence_frame_id"),
        "predictions",
        ["series_id", "confidence", "frame_id"],
        unique=False,
    )
    op.create_index(op.f("ix_predictions_series_id_time_frame_id"), "predictions", ["series_id", "time", "frame_id"])
    op.create_table(
        "reviews",
        sa.Column("id", _ID, nullable=False),
        sa.Column("frame_id", _ID, nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("reviewer", sa.String(length=100), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("withdrawn", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["frame_id"], ["frames.id"], name=op.f("fk_reviews_frame_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviews")),
    )
    op.create_index(op.f("ix_reviews_frame_id"), "reviews", ["frame_id"])

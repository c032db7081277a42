"""What the sidecar keeps: SQLite on a laptop, PostgreSQL in production, the same tables and statements on both.

`database.Database` opens it; the other modules are functions of a connection: seasons, predictions, frames, reviews,
heat sums, jobs.
"""

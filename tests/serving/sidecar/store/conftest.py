"""A store of both kinds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from serving.sidecar.store.database import Database


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty store: once SQLite, once PostgreSQL."""
    one = Database(database_url)
    one.upgrade()
    yield one
    one.close()

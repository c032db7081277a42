"""Databases, an archive, and sidecars as processes."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from serving.sidecar.app import create_app
from serving.sidecar.services import open_services
from serving.sidecar.settings import read_settings
from tests.conftest import write_png
from tests.serving.sidecar.postgres import NoPostgres, Postgres, postgres
from tests.serving.sidecar.process import Sidecar, make_records

SEASON = "hse20152016"
FRAMES = 60
CADENCE = timedelta(minutes=48)  # 60 frames of this cadence are two days

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A PostgreSQL of its own; for tests that leave it running."""
    try:
        with postgres() as server:
            yield server
    except NoPostgres as reason:
        pytest.skip(str(reason))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database for one test: once SQLite, once PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'winter.sqlite'}"
        return
    server: Postgres = request.getfixturevalue("postgres_server")
    name = f"test_{os.getpid()}_{next(_numbers)}"
    url = server.create(name)
    try:
        yield url
    finally:
        server.drop(name)


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of one season, 60 frames over two days; `records_of_archive` are what a model says of them."""
    folder = tmp_path_factory.mktemp("archive")
    (folder / SEASON).mkdir()
    for n in range(FRAMES):
        write_png(folder / SEASON / f"pr2hse{n:05d}.png", n)
    return folder


@pytest.fixture(scope="session")
def records_of_archive() -> list[dict[str, Any]]:
    """Records of the archive's frames, from 2015-12-01T00:00Z, every 48 minutes."""
    return make_records(FRAMES, season=SEASON, cadence=CADENCE)


@pytest.fixture
def start_sidecar(tmp_path: Path) -> Iterator[Callable[..., Sidecar]]:
    """Starts sidecars; what a test leaves running ends with it. See `Sidecar` for the arguments after the folder."""
    started: list[Sidecar] = []

    def start(*words: object, **more: Any) -> Sidecar:
        folder = more.pop("folder", tmp_path)
        one = Sidecar(folder, *words, **more)
        started.append(one)
        return one

    try:
        yield start
    finally:
        for one in started:
            if one.process.poll() is None:
                one.process.kill()
                one.process.wait()


@pytest.fixture(scope="session")
def sidecar(
    server: str, archive: Path, records_of_archive: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sidecar]:
    """A sidecar on SQLite with a model server and an archive, in which the archive's frames are recorded.

    For tests that leave it as it was, or add seasons of their own.
    """
    folder = tmp_path_factory.mktemp("sidecar")
    one = Sidecar(folder, f"--archive={archive}", "--requests-per-minute=0", server=server)
    try:
        answer = one.record(records_of_archive)
        assert answer.status == 200, answer
        yield one
    finally:
        one.stop()


@pytest.fixture
def make_client(tmp_path: Path) -> Iterator[Callable[..., TestClient]]:
    """Makes clients of an application in this process, on a database of its own unless one is named."""
    with contextlib.ExitStack() as stack:

        def make(**given: Any) -> TestClient:
            given.setdefault("database", f"sqlite:///{tmp_path / 'winter.sqlite'}")
            given.setdefault("server", "127.0.0.1:1")
            services = stack.enter_context(open_services(read_settings(**given)))
            client = TestClient(create_app(services), raise_server_exceptions=False, follow_redirects=False)
            return stack.enter_context(client)

        yield make

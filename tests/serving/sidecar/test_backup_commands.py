"""`serving backup` and `serving restore` as an operator runs them: beside sidecars at work, and after the worst."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Connection, Engine, event, func, select
from typer.testing import CliRunner

from radar import durable
from serving.cli import app
from serving.sidecar.store.backup import dump as dump_module
from serving.sidecar.store.backup import shelf
from serving.sidecar.store.backup.archive import reading
from serving.sidecar.store.database import Database
from serving.sidecar.store.tables import frames, predictions, series
from tests.limits import files_up_to
from tests.serving.sidecar.process import Sidecar, make_records

BATCH = 50
PATHS = (
    "/v1/seasons",
    "/v1/statistics?zone=JST",
    "/v1/seasons/hse20152016/statistics?zone=JST",
    "/v1/reviews?season=hse20152016",
    "/v1/seasons/hse20152016/labels.csv",
    "/v1/statistics/events.csv",
)


def serving(
    *words: object, limits: Sequence[str] = (), variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a command as a process, within limits of `tests.limits` and with more environment variables."""
    command = [*limits, sys.executable, "-c", "from serving.cli import main; main()", *map(str, words)]
    env = {**os.environ, **(variables or {})}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=env)


@pytest.fixture
def other_url(database_url: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of the other kind."""
    if not database_url.startswith("sqlite"):
        yield f"sqlite:///{tmp_path / 'other.sqlite'}"
        return
    server = request.getfixturevalue("postgres_server")
    name = f"other_{os.getpid()}_{random.getrandbits(32):08x}"
    yield server.create(name)
    server.drop(name)


def answers(sidecar: Sidecar) -> list[bytes]:
    found = [sidecar.ask(path) for path in PATHS]
    assert [answer.status for answer in found] == [200] * len(PATHS), found
    return [answer.body for answer in found]


@pytest.mark.slow
def test_a_backup_under_load_is_whole_and_a_restored_winter_says_the_same(
    database_url: str, other_url: str, start_sidecar: Callable[..., Sidecar], tmp_path: Path
) -> None:
    sidecar = start_sidecar(f"--database={database_url}", "--requests-per-minute=0")
    assert sidecar.record(make_records(2000, failed=(7,))).status == 200
    for frame, mode in ((3, "LT"), (4, "DM")):
        body = b'{"frame_id": %d, "mode": "%s", "reviewer": "\\u4f50\\u85e4"}' % (frame, mode.encode())
        assert sidecar.ask("/v1/reviews", body=body, Content_Type="application/json").status == 201
    stop, sent = threading.Event(), []

    def record_on() -> None:
        while not stop.is_set():
            some = make_records([f"live{len(sent):04d}-{n:02d}.png" for n in range(BATCH)], season="live")
            sent.append(sidecar.record(some).status)

    writer = threading.Thread(target=record_on)
    writer.start()
    try:
        backups = tmp_path / "backups"
        backups.mkdir()
        done = serving("backup", "--out", backups, variables={"SNOWMODE_SIDECAR_DATABASE": database_url})
    finally:
        stop.set()
        writer.join()
    assert done.returncode == 0, done.stderr
    assert "read again and whole" in done.stderr
    (file,) = backups.iterdir()
    assert done.stdout == f"{file}\n"
    assert set(sent) == {200}, "nobody who wrote was held up or turned away"
    listed = serving("verify-backup", file)
    assert (listed.returncode, listed.stdout.splitlines()[0]) == (0, f"{file}: whole")

    # Every batch was recorded in one transaction: a backup holds all of it or none.
    restored = serving("restore", file, "--database", other_url)
    assert restored.returncode == 0, restored.stderr
    with closing(Database(other_url)) as database, database.reading() as connection:
        counted = connection.execute(
            select(series.c.frames, func.count(predictions.c.frame_id))
            .join(predictions, predictions.c.series_id == series.c.id)
            .group_by(series.c.id)
            .order_by(series.c.id)
        ).all()
        names = connection.scalar(select(func.count()).select_from(frames))
    assert counted[0] == (2000, 2000)
    assert all(said == there and there % BATCH == 0 for said, there in counted)
    assert names == sum(there for _, there in counted)

    # Nobody writes any more: the same pages and tables come out of the other kind of database.
    last = serving("backup", "--database", database_url, "--out", tmp_path / "last.zip")
    assert last.returncode == 0, last.stderr
    before = answers(sidecar)
    assert sidecar.stop() == 0
    again = serving("restore", tmp_path / "last.zip", "--database", other_url)
    assert again.returncode == 1
    assert again.stderr.splitlines()[-1].startswith("Refused: ")
    assert "expected an empty database" in again.stderr
    again = serving("restore", tmp_path / "last.zip", "--database", other_url, "--overwrite")
    assert again.returncode == 0, again.stderr
    (tmp_path / "second").mkdir()
    second = start_sidecar(f"--database={other_url}", "--requests-per-minute=0", folder=tmp_path / "second")
    assert answers(second) == before
    assert second.record(make_records(3, season="next")).json["new"] == 3


@pytest.mark.slow
def test_a_database_a_sidecar_is_at_work_on_is_not_restored(
    database_url: str, start_sidecar: Callable[..., Sidecar], tmp_path: Path
) -> None:
    sidecar = start_sidecar(f"--database={database_url}")
    sidecar.record(make_records(5))
    file = tmp_path / "backup.zip"
    assert serving("backup", "--database", database_url, "--out", file).returncode == 0
    refused = serving("restore", file, "--database", database_url, "--overwrite")
    assert refused.returncode == 1
    assert "is in use" in refused.stderr
    assert "stop every sidecar on it first" in refused.stderr
    sidecar.stop()
    assert serving("restore", file, "--database", database_url, "--overwrite").returncode == 0


@pytest.fixture
def database(tmp_path: Path) -> str:
    """A database with a winter in it."""
    url = f"sqlite:///{tmp_path / 'winter.sqlite'}"
    with closing(Database(url)) as one:
        one.upgrade()
    return url


def run(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [*map(str, words)], catch_exceptions=False)
    return result.exit_code, result.output


def test_old_backups_go_and_prometheus_is_told(database: str, tmp_path: Path) -> None:
    folder, report = tmp_path / "backups", tmp_path / "backup.prom"
    folder.mkdir()
    for day in (1, 2, 3):
        (folder / f"snowmode-2020010{day}T030000Z.zip").touch()
    code, said = run("backup", "--database", database, "--out", folder, "--keep", 2, "--textfile", report)
    assert code == 0, said
    assert "Removed snowmode-20200101T030000Z.zip\nRemoved snowmode-20200102T030000Z.zip\n" in said
    kept, newest = sorted(folder.iterdir())
    assert kept.name == "snowmode-20200103T030000Z.zip"
    values = {family.name: family.samples[0].value for family in text_string_to_metric_families(report.read_text())}
    with reading(newest) as backup:
        assert values["snowmode_backup_last_success_timestamp_seconds"] == backup.contents.made.timestamp()
    assert values["snowmode_backup_size_bytes"] == newest.stat().st_size
    assert values["snowmode_backup_seconds"] > 0
    assert report.stat().st_mode & 0o777 == 0o644


def test_wrong_settings_are_named_and_change_nothing(database: str, tmp_path: Path) -> None:
    other = tmp_path / "notes.zip"
    other.write_text("no backup")
    for words, said in (
        (("backup", "--database", "mysql://x"), "Error: --database: expected sqlite:///FILE"),
        (("backup", "--database", database, "--out", tmp_path / "no"), "Error: --out: expected a folder"),
        (("backup", "--database", database, "--out", "x.zip", "--keep", 3), "Error: --keep: expected --out to be a"),
        (
            ("backup", "--database", database, "--textfile", tmp_path / "no" / "x.prom"),
            "Error: --textfile: the folder",
        ),
        (("restore", tmp_path / "no.zip", "--database", database), "cannot be read: No such file or directory"),
        (
            ("restore", other, "--database", database),
            "notes.zip: expected a backup of `serving backup`, received one",
        ),
        (("verify-backup", other), "notes.zip: expected a backup"),
        (("verify-backup", tmp_path), "cannot be read: Is a directory"),
    ):
        code, text = run(*words)
        assert (code, said in text) == (2, True), text
    assert {path.name for path in tmp_path.iterdir()} == {"notes.zip", "winter.sqlite"}


def test_a_database_that_is_away_is_worth_another_try(tmp_path: Path) -> None:
    code, text = run("backup", "--database", "postgresql://u:secret@127.0.0.1:1/x", "--out", tmp_path)
    assert code == 74
    assert "secret" not in text
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_worth_another_try_and_nothing_is_left(database: str, tmp_path: Path) -> None:
    with closing(Database(database)) as one, one.writing() as connection:
        names = [{"season_id": 1, "name": random.randbytes(100).hex()} for _ in range(5000)]
        connection.exec_driver_sql("INSERT INTO seasons (id, name) VALUES (1, 'x')")
        connection.execute(frames.insert(), names)
    out = tmp_path / "backups"
    out.mkdir()

    done = serving("backup", "--database", database, "--out", out, limits=files_up_to(100_000))
    assert done.returncode == 74, done.stderr
    assert "Error: cannot be written: File too large. Make room and run it again" in done.stderr
    assert list(out.iterdir()) == []


def test_no_room_for_a_restore_is_worth_another_try_and_changes_nothing(database: str, tmp_path: Path) -> None:
    with closing(Database(database)) as one, one.writing() as connection:
        connection.exec_driver_sql("INSERT INTO seasons (id, name) VALUES (1, 'x')")
        connection.execute(
            frames.insert(), [{"season_id": 1, "name": random.randbytes(100).hex()} for _ in range(5000)]
        )
    file, other = tmp_path / "backup.zip", f"sqlite:///{tmp_path / 'other.sqlite'}"
    assert run("backup", "--database", database, "--out", file)[0] == 0

    done = serving("restore", file, "--database", other, limits=files_up_to(300_000))
    assert done.returncode == 74, done.stderr
    again = serving("restore", file, "--database", other)
    assert again.returncode == 0, again.stderr


def test_a_folder_of_backups_is_read_whatever_one_of_them_is(database: str, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.zip", "b.zip", "c.zip")]
    for file in files:
        assert run("backup", "--database", database, "--out", file)[0] == 0
    assert run("verify-backup", *files)[0] == 0
    files[1].write_bytes(files[1].read_bytes()[:700])
    code, said = run("verify-backup", *files)
    assert code == 2
    assert f"{files[0]}: whole" in said
    assert f"Error: {files[1]}: expected a backup" in said
    assert f"{files[2]}: whole" in said
    assert "1 of 3 are not whole" in said


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_the_exit_code_is_true_whether_or_not_somebody_reads(database: str, tmp_path: Path, stream: str) -> None:
    file = tmp_path / "backup.zip"
    for words, code in (
        (("backup", "--database", database, "--out", file), 0),
        (("verify-backup", file), 0),
        (("restore", file, "--database", f"sqlite:///{tmp_path / 'other.sqlite'}"), 0),
        (("verify-backup", tmp_path / "no.zip"), 2),
    ):
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing) as nobody:
            streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: nobody}
            command = [sys.executable, "-c", "from serving.cli import main; main()", *map(str, words)]
            done = subprocess.run(command, check=False, **streams)
        assert done.returncode == code, done.stderr
        assert b"pipe" not in (done.stderr or b"")


def test_told_to_stop_it_leaves_nothing_behind(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: object) -> Iterator[object]:
        os.kill(os.getpid(), signal.SIGTERM)
        yield from ()

    monkeypatch.setattr(dump_module, "_rows", slow)
    out = tmp_path / "backups"
    out.mkdir()
    before = signal.getsignal(signal.SIGTERM)
    code, text = run("backup", "--database", database, "--out", out)
    assert (code, text.splitlines()[-1]) == (75, "Stopped; nothing was left behind or changed")
    assert list(out.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize("moment", ["it gets its name", "old ones are removed"])
def test_told_to_stop_too_late_it_says_that_the_backup_is_there(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    out = tmp_path / "backups"
    out.mkdir()
    old = out / "snowmode-20200101T030000Z.zip"
    old.touch()

    def stop(*_: object) -> list[Path]:
        os.kill(os.getpid(), signal.SIGTERM)
        return []

    if moment == "it gets its name":
        sync = durable.sync
        monkeypatch.setattr(durable, "sync", lambda path: stop() if path == out else sync(path))
    else:
        monkeypatch.setattr(shelf, "rotate", stop)
    code, text = run("backup", "--database", database, "--out", out, "--keep", 1)
    (new,) = set(out.iterdir()) - {old}
    assert (code, text.splitlines()[-1]) == (75, f"Stopped; the new backup is there and whole: {new}")
    assert run("verify-backup", new)[0] == 0


def test_what_fails_after_the_backup_leaves_it_there_and_says_so(database: str, tmp_path: Path) -> None:
    report = tmp_path / "report.prom"
    report.mkdir()
    code, text = run("backup", "--database", database, "--out", tmp_path, "--textfile", report)
    (new,) = tmp_path.glob("*.zip")
    assert code == 2
    assert text.splitlines()[-1].endswith(f"Is a directory; the new backup is there and whole: {new}")


def test_told_to_stop_while_the_database_takes_a_backup_it_ends_what_it_began(database: str, tmp_path: Path) -> None:
    with closing(Database(database)) as one, one.writing() as connection:
        connection.exec_driver_sql("INSERT INTO seasons (id, name) VALUES (1, 'x')")
    file, other = tmp_path / "backup.zip", f"sqlite:///{tmp_path / 'other.sqlite'}"
    assert run("backup", "--database", database, "--out", file)[0] == 0

    stopped = []

    def stop(connection: Connection) -> None:
        if connection.engine.url.database == str(tmp_path / "other.sqlite"):
            stopped.append(True)
            os.kill(os.getpid(), signal.SIGTERM)

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    event.listen(Engine, "commit", stop)
    try:
        code, text = run("restore", file, "--database", other)
    finally:
        event.remove(Engine, "commit", stop)
    assert (code, stopped) == (0, [True]), text
    with closing(Database(other)) as one, one.reading() as connection:
        assert connection.exec_driver_sql("SELECT name FROM seasons").scalar_one() == "x"
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before

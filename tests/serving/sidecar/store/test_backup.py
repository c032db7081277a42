"""Backups: what is restored is what was there; what is damaged changes nothing."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, inspect, select, text

from serving.protocol.records import PredictionRecord
from serving.sidecar.errors import Conflict, SettingsError, Unavailable
from serving.sidecar.store import revisions
from serving.sidecar.store.backup import shelf
from serving.sidecar.store.backup.archive import CONTENTS, Reader, reading
from serving.sidecar.store.backup.dump import dump
from serving.sidecar.store.backup.load import load
from serving.sidecar.store.database import Database
from serving.sidecar.store.jobs import add_job
from serving.sidecar.store.predictions import record
from serving.sidecar.store.reviews import add_review, withdraw_review
from serving.sidecar.store.tables import cards, heat_sums, metadata
from tests.serving.sidecar.process import make_records

NEWER = '''"""One more column."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    with op.batch_alter_table("seasons") as table:
        table.add_column(sa.Column("remark", sa.Text(), server_default="none", nullable=False))
'''


def fill(database: Database) -> None:
    """Puts a row of every kind into a database."""
    some = make_records(250, failed=(3, 4)) + make_records(5, season="雪 2015", version=2)
    del some[-1]["time"]
    with database.writing() as connection:
        record(connection, [PredictionRecord.model_validate(one) for one in some])
        add_review(connection, 2, "LT", "佐藤", '海岸に\n沿う \u2028 \\ "')
        withdraw_review(connection, add_review(connection, 3, "DM", "b").id)
        add_job(connection, "heat-maps", {"season": "雪 2015", "numbers": [1, 2.5e-300, None, True]})
        connection.execute(cards.insert(), {"model": "snowmode", "version": 2**40, "card": {"名": ["é", 0.1 + 0.2]}})
        row = {"series_id": 1, "method": "gradcam", "frames": 3, "failed": 0, "fingerprint": "f", "made": 2**33}
        blobs = [bytes(range(256)) * 300, b""]
        connection.execute(
            heat_sums.insert(), [{**row, "day": day, "sums": blobs[day % 2], "echo": b"\0\xff"} for day in range(25)]
        )


def everything(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Reads all tables in full."""
    with database.reading() as connection:
        return {
            table.name: [
                tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)
                for row in connection.execute(select(table).order_by(*table.primary_key.columns))
            ]
            for table in metadata.sorted_tables
        }


@pytest.fixture
def other(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A second database of the kind that the first is not: a backup is also the way from one to the other."""
    first: Database = request.getfixturevalue("database")
    name = f"other_{os.getpid()}_{random.getrandbits(32):08x}"
    if first.is_sqlite:
        server = request.getfixturevalue("postgres_server")
        url = server.create(name)
    else:
        url = f"sqlite:///{tmp_path / name}.sqlite"
    one = Database(url)
    yield one
    one.close()
    if first.is_sqlite:
        server.drop(name)


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Turns the release into a later one, with one more state of the tables."""
    copy = tmp_path / "migrations"
    shutil.copytree(revisions._MIGRATIONS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "versions" / "0002_remark.py").write_text(NEWER)
    return lambda: monkeypatch.setattr(revisions, "_MIGRATIONS", copy)


def test_what_is_restored_is_what_was_there_on_the_other_kind_of_database_too(
    database: Database, other: Database, tmp_path: Path
) -> None:
    fill(database)
    before = everything(database)
    assert all(before.values()), "a table without a row proves nothing"
    said: list[str] = []
    file = tmp_path / "backup.zip"
    written = dump(database, file, say=said.append)
    assert file.stat().st_mode & 0o777 == 0o600, "it holds names of people"
    assert said == [f"{table.name:12} {len(before[table.name]):>11,} rows" for table in written.tables]
    assert load(other, file) == written
    assert everything(other) == before
    # Back again, over what is there; and the next numbers are not those of rows that were restored.
    with other.writing() as connection:
        assert add_review(connection, 1, "NO", "c").id == 3
        record(connection, [PredictionRecord.model_validate(one) for one in make_records(2, season="next")])
    changed = everything(other)
    back = tmp_path / "back.zip"
    dump(other, back)
    load(database, back, overwrite=True)
    assert everything(database) == changed
    with database.writing() as connection:
        assert add_review(connection, 1, "NO", "c").id == 4


def test_the_database_is_let_go_before_a_backup_is_read_again(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database)
    used: list[int] = []
    monkeypatch.setattr(Reader, "check", lambda _: used.append(database.connections_in_use))
    dump(database, tmp_path / "backup.zip")
    assert used == [0], "PostgreSQL would end a transaction that is idle for two minutes"


def test_a_disk_that_is_full_is_no_fault_of_the_backup(tmp_path: Path) -> None:
    file = tmp_path / "backup.zip"
    with closing(Database(f"sqlite:///{tmp_path / 'winter.sqlite'}")) as full:
        fill(full)
        dump(full, file)
    with closing(Database(f"sqlite:///{tmp_path / 'small.sqlite'}")) as small:
        event.listen(small._engine, "connect", lambda one, _: one.execute("PRAGMA max_page_count=60"))
        with pytest.raises(Unavailable, match="disk is full"):
            load(small, file)
        with small.snapshot() as connection:
            assert not inspect(connection).get_table_names()


def test_a_database_that_is_not_empty_is_left_alone_unless_told(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "backup.zip"
    dump(database, file)  # of no rows
    load(database, file)
    fill(database)
    before = everything(database)
    with pytest.raises(
        Conflict, match=r"expected an empty database, received one with rows .*predictions 255.*--overwrite"
    ):
        load(database, file)
    assert everything(database) == before
    load(database, file, overwrite=True)
    assert not any(everything(database).values())


def test_what_fails_half_way_leaves_what_was_there(database: Database, tmp_path: Path) -> None:
    fill(database)
    file = tmp_path / "backup.zip"
    dump(database, file)
    with database.writing() as connection:
        add_review(connection, 9, "SY", "d")
    before = everything(database)

    def stop(line: str) -> None:
        if line.startswith("predictions"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(database, file, overwrite=True, say=stop)
    assert everything(database) == before


def test_a_backup_says_nothing_of_what_came_after_it_began(database: Database, tmp_path: Path) -> None:
    fill(database)
    before = everything(database)

    def meanwhile(line: str) -> None:
        if line.startswith(("seasons", "cards")):  # what is read first
            with database.writing() as connection:
                record(connection, [PredictionRecord.model_validate(one) for one in make_records(3, season=line)])

    dump(database, tmp_path / "backup.zip", say=meanwhile)
    assert len(everything(database)["seasons"]) == len(before["seasons"]) + 2
    load(database, tmp_path / "backup.zip", overwrite=True)
    assert everything(database) == before


def test_a_backup_of_an_earlier_release_is_brought_up_to_date(
    database: Database, other: Database, newer: Any, tmp_path: Path
) -> None:
    fill(database)
    before = everything(database)
    newer()
    file = tmp_path / "backup.zip"
    again = dump(database, file)
    assert again.revision == "0001", "a backup is made before tables are changed, and does not change them"
    with database.snapshot() as connection:
        assert revisions.current(connection) == "0001"
    said: list[str] = []
    load(other, file, say=said.append)
    assert said[-1] == "Tables brought from state 0001 to 0002"
    assert everything(other) == before
    with other.reading() as connection:
        assert set(connection.scalars(text("SELECT remark FROM seasons"))) == {"none"}


def test_a_backup_or_a_database_of_a_later_release_is_refused(
    database: Database, newer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "backup.zip"
    dump(database, file)
    with monkeypatch.context() as later:
        newer()
        database.close()
        with database.rebuilding() as connection:
            revisions.bring(connection)
        dump(database, tmp_path / "later.zip")
        later.undo()
    monkeypatch.undo()
    with pytest.raises(
        SettingsError, match=r"received one of [\d.]+, state '0002' of the tables; restore it with that"
    ):
        load(database, tmp_path / "later.zip", overwrite=True)
    with pytest.raises(SettingsError, match="received its state '0002'; restore into a new database"):
        load(database, file, overwrite=True)
    with pytest.raises(SettingsError, match="received its state '0002'; make the backup with the newer release"):
        dump(database, tmp_path / "no.zip")
    assert not (tmp_path / "no.zip").exists()


def test_a_database_of_somebody_else_is_neither_backed_up_nor_overwritten(database_url: str, tmp_path: Path) -> None:
    mine = Database(f"sqlite:///{tmp_path / 'mine.sqlite'}")
    mine.upgrade()
    dump(mine, tmp_path / "backup.zip")
    mine.close()
    foreign = Database(database_url)
    with foreign.rebuilding() as connection:
        connection.execute(text("CREATE TABLE customers (id INTEGER)"))
    with pytest.raises(SettingsError, match="received an empty one or somebody else's"):
        dump(foreign, tmp_path / "no.zip")
    with pytest.raises(SettingsError, match="received one with the tables customers; name another one"):
        load(foreign, tmp_path / "backup.zip", overwrite=True)
    foreign.close()


def test_tables_of_others_beside_ours_are_left_alone(database: Database, tmp_path: Path) -> None:
    fill(database)
    with database.rebuilding() as connection:
        connection.execute(text("CREATE TABLE notes (remark INTEGER)"))
        connection.execute(text("INSERT INTO notes VALUES (7)"))
    file = tmp_path / "backup.zip"
    assert "notes" not in {table.name for table in dump(database, file).tables}
    load(database, file, overwrite=True)
    with database.reading() as connection:
        assert connection.scalar(text("SELECT remark FROM notes")) == 7


def test_a_database_that_is_not_there_is_not_made_by_a_backup(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'typo.sqlite'}")
    with pytest.raises(SettingsError, match=r"received sqlite:///.*typo.sqlite, where there is no file"):
        dump(database, tmp_path / "backup.zip")
    database.close()
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_sqlite_file_is_named_with_the_way_out(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'winter.sqlite'}")
    database.upgrade()
    dump(database, tmp_path / "backup.zip")
    database.close()
    (tmp_path / "winter.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(SettingsError, match=r"move the file away .* and restore into a new one"):
        load(Database(f"sqlite:///{tmp_path / 'winter.sqlite'}"), tmp_path / "backup.zip")


@pytest.fixture(scope="module")
def one_backup(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[Any]]:
    """A backup, and what it holds."""
    folder = tmp_path_factory.mktemp("backup")
    with closing(Database(f"sqlite:///{folder / 'winter.sqlite'}")) as database:
        fill(database)
        dump(database, folder / "backup.zip")
    return (folder / "backup.zip").read_bytes(), held(folder / "backup.zip")


def held(path: Path) -> list[Any]:
    with reading(path) as backup:
        return [backup.contents, *(list(backup.rows(table)) for table in backup.contents.tables)]


def test_a_byte_that_is_another_one_is_found_or_says_nothing_else(
    one_backup: tuple[bytes, list[Any]], tmp_path: Path
) -> None:
    whole, rows = one_backup
    seed = random.randrange(1000)
    print(f"bytes drawn with seed {seed}")
    draw, found = random.Random(seed), 0
    for at in (0, len(whole) - 1, *(draw.randrange(len(whole)) for _ in range(150))):
        changed = bytearray(whole)
        changed[at] ^= 1 << draw.randrange(8)
        path = tmp_path / "damaged.zip"
        path.write_bytes(changed)
        try:
            now = held(path)
        except SettingsError:
            found += 1
        else:  # a byte that says nothing, such as of the time of a member
            assert now == rows, f"byte {at} of {len(whole)}"
    assert found > 100


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_backup_that_is_cut_off_changes_nothing(
    one_backup: tuple[bytes, list[Any]], database: Database, tmp_path: Path, share: float
) -> None:
    fill(database)
    before = everything(database)
    whole, _ = one_backup
    path = tmp_path / "short.zip"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(SettingsError, match=r"short.zip: expected a backup .*damaged.*Nothing was changed"):
        load(database, path, overwrite=True)
    assert everything(database) == before


def rewritten(whole: bytes, path: Path, change: Any) -> Path:
    """Writes a backup again, with its tables and what it says of itself changed."""
    source = path.with_suffix(".source")
    source.write_bytes(whole)
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        members = {name: old.read(name) for name in old.namelist()}
        contents = json.loads(members[CONTENTS])
        change(contents, members)
        members[CONTENTS] = json.dumps(contents).encode()
        for name, data in members.items():
            new.writestr(name, data)
    return path


def lose_a_row(contents: Any, members: dict[str, bytes]) -> None:
    members["tables/frames.ndjson"] = members["tables/frames.ndjson"].split(b"\n", 1)[1]


def lose_a_table(contents: Any, members: dict[str, bytes]) -> None:
    del members["tables/frames.ndjson"]


def later_format(contents: Any, members: dict[str, bytes]) -> None:
    contents["format"] = 2


def no_tables(contents: Any, members: dict[str, bytes]) -> None:
    del contents["tables"]


def endless_row(contents: Any, members: dict[str, bytes]) -> None:
    members["tables/frames.ndjson"] = b" " * 2**26


def strange_table(contents: Any, members: dict[str, bytes]) -> None:
    contents["tables"][0]["columns"][0]["name"] = "x"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lose_a_row, "table frames: 254 rows, or other ones, not 255"),
        (endless_row, "table frames: a row has 67,108,864 bytes or more"),
        (lose_a_table, "table frames: .*no item named"),
        (later_format, "expected a backup of format 1, received format 2"),
        (no_tables, "backup.json: Field required"),
        (strange_table, "is not one of state '0001'"),
    ],
)
def test_a_backup_that_contradicts_itself_is_refused(
    one_backup: tuple[bytes, list[Any]], tmp_path: Path, change: Any, said: str
) -> None:
    path = rewritten(one_backup[0], tmp_path / "strange.zip", change)
    with closing(Database(f"sqlite:///{tmp_path / 'winter.sqlite'}")) as database:
        with pytest.raises(SettingsError, match=said):
            load(database, path)
        with closing(sqlite3.connect(tmp_path / "winter.sqlite")) as file:
            assert file.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


def test_the_newest_stay_and_nothing_else_goes(tmp_path: Path) -> None:
    names = [f"snowmode-202611{day:02d}T030000Z.zip" for day in range(1, 6)]
    others = ["snowmode.zip", "winter.sqlite", "snowmode-20200101T000000Z.zip.part", "last.zip"]
    young, old = (f".snowmode-20261101T03000{n}Z.zip.7.tmp" for n in (0, 1))
    for name in [*names, *others, young, old]:
        (tmp_path / name).touch()
    os.utime(tmp_path / old, (0, 0))
    assert [path.name for path in shelf.rotate(tmp_path, 2)] == names[:3]
    assert {path.name for path in tmp_path.iterdir()} == {*names[3:], *others, young}
    assert shelf.rotate(tmp_path, 9) == []


def test_where_a_backup_goes(tmp_path: Path) -> None:
    now = datetime(2026, 11, 22, 3, 0, 5, tzinfo=UTC)
    assert shelf.place(tmp_path, now).name == "snowmode-20261122T030005Z.zip"
    shelf.place(tmp_path, now).touch()
    for out in (tmp_path, tmp_path / "snowmode-20261122T030005Z.zip"):
        with pytest.raises(SettingsError, match="is there already"):
            shelf.place(out, now)
    with pytest.raises(SettingsError, match=r"expected a folder that is there, or a file that ends in .zip"):
        shelf.place(tmp_path / "nowhere")
    with pytest.raises(SettingsError, match="is not there; make it first"):
        shelf.place(tmp_path / "nowhere" / "backup.zip")

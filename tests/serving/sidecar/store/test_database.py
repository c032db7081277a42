"""Opening a database: addresses, migrations, two kinds alike."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from serving.sidecar.errors import SettingsError, Unavailable
from serving.sidecar.store.database import Database
from serving.sidecar.store.tables import metadata


def test_migrations_make_the_tables_that_the_code_knows(database: Database) -> None:
    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": False})
        assert compare_metadata(context, metadata) == []


def test_upgrading_again_changes_nothing(database: Database) -> None:
    database.upgrade()
    database.check()


def test_sidecars_that_start_at_once_do_not_upgrade_twice(database_url: str) -> None:
    failures: list[BaseException] = []

    def start() -> None:
        try:
            one = Database(database_url)
            one.upgrade()
            one.close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_database_of_a_later_release_is_refused(database: Database, database_url: str) -> None:
    with database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    again = Database(database_url)
    with pytest.raises(SettingsError, match="this release of snowmode or an earlier one, received its state '9999'"):
        again.upgrade()
    again.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "expected sqlite:///FILE or postgresql://"),
        ("mysql://me:secret@host/db", "expected sqlite:///FILE"),
        ("postgresql:/me:secret@host/db", r"received postgresql:\.\.\. \(the rest may hold a password"),
        ("postgresql://me:secret", "a port is a number"),
        ("sqlite://", "expected a file"),
        ("sqlite:///:memory:", "expected a file"),
        ("sqlite:////no/such/folder/winter.sqlite", "folder /no/such/folder is not there"),
    ],
)
def test_a_wrong_address_is_told_before_anything_starts(url: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as error:
        Database(url)
    assert "secret" not in str(error.value)


def test_a_database_that_is_away_is_told_as_such(tmp_path: Path) -> None:
    away = Database(f"postgresql://me:secret@/winter?host={tmp_path}&password=secret")
    with pytest.raises(Unavailable) as error:
        away.check()
    assert error.value.part == "database"
    assert "secret" not in str(error.value)


def test_a_database_of_another_program_is_left_alone(database_url: str) -> None:
    other = sqlalchemy.create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    with other.begin() as connection:
        connection.execute(text("CREATE TABLE frames (wood TEXT)"))
    one = Database(database_url)
    with pytest.raises(SettingsError, match=r"expected an empty database or one of snowmode.*tables frames"):
        one.upgrade()
    one.close()
    with other.begin() as connection:
        assert sqlalchemy.inspect(connection).get_table_names() == ["frames"]
    other.dispose()


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "winter.sqlite").write_text("frame,label\n" * 1000)
    with pytest.raises(SettingsError, match="not a database; name another file"):
        Database(f"sqlite:///{tmp_path / 'winter.sqlite'}").upgrade()

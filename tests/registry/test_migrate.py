"""A database is made, checked or refused; nothing is written to one that is not ours."""

import ast
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

import registry
from registry import ledger, tables, uncertain
from registry.database import Database, open_engine
from registry.errors import DatabaseUnreachable, WrongVersion
from registry.ledger import Range, Record
from registry.migrate import VERSION_TABLE, create_or_check, versions
from registry.upgrading import COMPARING, configuration

NOW = datetime(2011, 11, 24, 12, 0, tzinfo=UTC)
APPEAL = "a-20111124-0001"


def test_the_migrations_make_exactly_the_tables_in_the_code(database: Database):
    with database.snapshot() as connection:
        context = MigrationContext.configure(connection, opts={**COMPARING})
        assert compare_metadata(context, tables.METADATA) == []


def test_every_module_with_a_table_is_listed():
    # A table in a module that nobody imported would be missing from new databases.
    folder = Path(registry.__file__).parent
    with_tables = {
        path
        for path in folder.rglob("*.py")
        if any(
            isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Table"
            for node in ast.walk(ast.parse(path.read_text()))
        )
    }
    assert with_tables == {Path(module.__file__ or "") for module in tables.MODULES}


def test_the_newest_version_is_known_without_alembic(database: Database):
    with database.snapshot() as connection:
        script = ScriptDirectory.from_config(configuration(connection))
    assert versions() == {revision.revision for revision in script.walk_revisions()}
    assert max(versions()) == script.get_current_head()


def test_a_second_time_finds_everything_in_order(empty_url: str):
    create_or_check(empty_url, migrate=False)
    create_or_check(empty_url, migrate=False)
    create_or_check(empty_url, migrate=True)


@pytest.mark.parametrize("migrate", [False, True])
def test_a_newer_database_is_refused(empty_url: str, migrate: bool):
    create_or_check(empty_url, migrate=False)
    _execute(empty_url, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(WrongVersion, match=r"9999.*newer"):
        create_or_check(empty_url, migrate=migrate)


@pytest.mark.parametrize("migrate", [False, True])
def test_a_database_with_other_tables_is_refused_and_left_alone(empty_url: str, migrate: bool):
    _execute(empty_url, "CREATE TABLE payroll (id INTEGER)")
    with pytest.raises(WrongVersion, match="MUSTER_DATABASE"):
        create_or_check(empty_url, migrate=migrate)
    engine = open_engine(empty_url)
    with engine.connect() as connection:
        assert inspect(connection).get_table_names() == ["payroll"]
    engine.dispose()


def test_looking_at_a_foreign_sqlite_file_does_not_change_a_byte(tmp_path: Path):
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE payroll (id INTEGER)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(WrongVersion):
        create_or_check(f"sqlite:///{path}", migrate=True)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["other.db"]


def test_a_file_that_is_no_database_is_refused(tmp_path: Path):
    path = tmp_path / "members.db"
    path.write_text("card_number,name\n" * 100)
    with pytest.raises(WrongVersion, match="no SQLite database"):
        create_or_check(f"sqlite:///{path}", migrate=False)


def test_a_folder_that_is_not_there_is_named_as_unreachable(tmp_path: Path):
    with pytest.raises(DatabaseUnreachable):
        create_or_check(f"sqlite:///{tmp_path}/nowhere/muster.db", migrate=False)


def test_a_server_that_is_away_is_named_as_unreachable(unused_tcp_port: int):
    with pytest.raises(DatabaseUnreachable):
        create_or_check(f"postgresql://nobody@127.0.0.1:{unused_tcp_port}/muster", migrate=False)


def _execute(url: str, statement: str) -> None:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def test_a_database_of_the_first_release_is_brought_up_to_date_with_what_is_in_it(empty_url: str):
    engine = open_engine(empty_url)
    with engine.begin() as connection:
        command.upgrade(configuration(connection), "0001")
        ledger.record(connection, [Record(Range(f"{APPEAL}/1/0/0", 0, 3), APPEAL, 1, bytes([1, 3, 1]), ("",) * 3)], NOW)
    engine.dispose()
    with pytest.raises(WrongVersion, match="muster database migrate"):
        create_or_check(empty_url, migrate=False)
    create_or_check(empty_url, migrate=True)
    create_or_check(empty_url, migrate=False)
    with Database(empty_url) as database, database.transaction() as connection:
        (found,) = uncertain.doubtful(connection, APPEAL)
        assert found.still() == [1]
        assert uncertain.fix_repeat(connection, found.batch_id) == (1,)


def test_whom_an_older_release_asked_again_is_still_known(empty_url: str):
    again = f"again/{APPEAL}/1/0/0"
    engine = open_engine(empty_url)
    with engine.begin() as connection:
        command.upgrade(configuration(connection), "0002")
        uncertain.put_repeat(connection, again, bytes([0, 7, 255]))  # an octet each, as it was then
    engine.dispose()
    create_or_check(empty_url, migrate=True)
    with Database(empty_url) as database, database.snapshot() as connection:
        assert uncertain.repeat_positions(connection, again) == (0, 7, 255)
        assert uncertain.repeat_sizes(connection, APPEAL) == {again: 3}

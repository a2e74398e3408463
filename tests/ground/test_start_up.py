"""A command does not make anybody wait for libraries that it does not use: they are imported when they are needed."""

import subprocess
import sys

import pytest

DATABASE = {"sqlalchemy", "pydantic", "numpy"}
SELDOM = {"kafka", "faust", "alembic", "aiohttp", "psycopg", "aiosmtpd", "aiosmtplib"}
REPORT = "; import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"


def imported(statement: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", statement + REPORT], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_help_needs_nothing_but_the_command_line():
    assert not imported("import muster.cli") & (DATABASE | SELDOM)


@pytest.mark.parametrize("module", ["appeals", "requests", "people"])
def test_an_order_needs_no_columns_of_members(module: str):
    # Nor does a preview that a running worker answers.
    assert "numpy" not in imported(f"import muster.commands.{module}, muster.preview_ask")


@pytest.mark.parametrize("module", ["appeals", "requests", "people"])
def test_the_officers_commands_need_neither_kafka_nor_a_worker(module: str):
    # And what `appeal preview` adds when it is typed.
    assert not imported(f"import muster.commands.{module}, muster.preview") & SELDOM

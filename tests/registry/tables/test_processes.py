"""Several processes write to one SQLite file, from its very first moment, and none is told that it is locked."""

import subprocess
import sys
from pathlib import Path

from sqlalchemy import func, select

from registry.database import Database
from registry.outbox import SEEN

_PROCESSES, _WRITES = 4, 60
_WRITER = f"""
import asyncio, sys
from registry import outbox
from registry.database import Database
from registry.tables import METADATA

async def write(url, name):
    with Database(url) as database:
        sys.stdin.readline()  # all begin together
        await database.write(lambda connection: METADATA.create_all(connection))
        for number in range({_WRITES}):
            with database.transaction() as connection:
                assert outbox.first_times(connection, name, [f"plain-{{number}}"])
        await asyncio.gather(*(
            database.write(lambda connection, n=number: outbox.first_times(connection, name, [f"group-{{n}}"]))
            for number in range({_WRITES})
        ))

asyncio.run(write(*sys.argv[1:3]))
"""


def test_writers_in_several_processes_wait_for_each_other(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/muster.db"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, url, f"process-{number}"],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(_PROCESSES)
    ]
    try:
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.flush()
        for writer in writers:
            _, said = writer.communicate(timeout=60)
            assert (writer.returncode, said) == (0, "")
    finally:
        for writer in writers:
            writer.kill()
            writer.wait(10)
    with Database(url) as database, database.snapshot() as connection:
        counted = connection.execute(select(func.count()).select_from(SEEN)).scalar_one()
    assert counted == _PROCESSES * _WRITES * 2

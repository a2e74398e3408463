"""The record outlives the process: nothing answered ESME_ROK is forgotten, nothing else is remembered."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rehearsal.smsc.gateway import Gateway
from rehearsal.smsc.mood import Mood
from rehearsal.smsc.record import Record
from rehearsal.smsc.settings import SimSettings
from rehearsal.smsc.simulator import Simulator
from rehearsal.smsc.spool import Frame, RecordUnreadable, Spool
from tests.rehearsal.conftest import AppealClock, Start
from tests.rehearsal.esme import ESME, submit, tlv

FRAME = Frame(submit() + submit("17900000002"), 2, 1, 10.0, 20.0)
SERVER = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from rehearsal.smsc.server import serve
from rehearsal.smsc.settings import SimSettings
settings = SimSettings(port=0, http_port=0, state_dir=Path(sys.argv[1]))
asyncio.run(serve(settings, lambda: datetime.now(UTC), 1.0, ready=lambda at: print(at.port, at.http_port, flush=True)))
"""


def test_frames_come_back_as_they_went(tmp_path: Path) -> None:
    with Spool(tmp_path / "record") as spool:
        assert list(spool.frames()) == []
        spool.append(FRAME)
        spool.append(FRAME)
    with Spool(tmp_path / "record") as spool:
        assert list(spool.frames()) == [FRAME, FRAME]


@pytest.mark.parametrize("torn", [1, 31, 33, 100])
def test_a_torn_end_is_cut_off_and_written_over(tmp_path: Path, torn: int) -> None:
    path = tmp_path / "record"
    with Spool(path) as spool:
        list(spool.frames())
        spool.append(FRAME)
        whole = path.stat().st_size
        spool.append(FRAME)
    os.truncate(path, whole + torn)
    for _ in range(2):
        with Spool(path) as spool:
            assert list(spool.frames()) == [FRAME]
            assert path.stat().st_size == whole
    with Spool(path) as spool:
        list(spool.frames())
        spool.append(FRAME)
    with Spool(path) as spool:
        assert list(spool.frames()) == [FRAME, FRAME]


def test_another_file_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "record").write_bytes(b"MUSTER-SMSC-RECORD-9\nfuture")
    with pytest.raises(RecordUnreadable, match="no record of this version"):
        Spool(tmp_path / "record")
    assert (tmp_path / "record").read_bytes() == b"MUSTER-SMSC-RECORD-9\nfuture"


def test_two_simulators_do_not_share_a_record(tmp_path: Path) -> None:
    with Spool(tmp_path / "record"), pytest.raises(RecordUnreadable, match="in use"):
        Spool(tmp_path / "record")


def test_what_cannot_be_written_is_not_accepted() -> None:
    class FullDisk(Spool):
        def __init__(self) -> None: ...

        def frames(self):
            return iter(())

        def append(self, frame: Frame) -> None:
            raise OSError(28, "No space left on device")

    record = Record()
    gateway = Gateway(Mood(SimSettings()), record, FullDisk(), lambda: 0.0)
    pdu = submit(sequence=6)
    answers, count = gateway.submit(pdu, [0], [len(pdu)], [6], unanswered=0)
    assert (answers.hex(), count) == ("00000010800000040000000800000006", 1)
    assert (record.segments, gateway.accepted) == (0, [])


async def test_a_restart_knows_texts_times_and_doubles(start: Start, clock: AppealClock, tmp_path: Path) -> None:
    halves = [b"first half, ", b"second half"]
    parts = [
        submit("17900000003", half, coding=0, extra=tlv(0x20C, b"\0\1") + tlv(0x20E, b"\2") + tlv(0x20F, bytes([n])))
        for n, half in enumerate(halves, start=1)
    ]
    running = await start(state_dir=tmp_path)
    client = await running.client()
    client.write(submit("17900000001") + submit("17900000002") + submit("17900000001") + parts[0])
    ids = [answer.body for answer in await client.read_many(4)]
    before = await running.get("/counts")
    running.simulator.close()

    again = Simulator(SimSettings(state_dir=tmp_path), clock, 1.0)
    try:
        tally = again.record.tallies()["mass/a-0001/1"]
        seen = before["references"]["mass/a-0001/1"]
        assert tally.doubled == {17900000001: 2}
        assert (tally.messages, tally.first, tally.last) == (seen["messages"], seen["first"], seen["last"])
        assert again.record.incomplete() == {"mass/a-0001/1": (1, 1)}
        answers, _ = again.gateway.submit(parts[1], [0], [len(parts[1])], [1], unanswered=0)
        assert answers[16:] not in ids
        assert [heard.saying.text for heard in again.record.heard_by(17900000003)] == ["first half, second half"]
    finally:
        again.close()


async def test_everything_answered_before_a_kill_is_on_record(tmp_path: Path) -> None:
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(tmp_path)], stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220
    assert server.stdout
    try:
        port = int((await asyncio.to_thread(server.stdout.readline)).split()[0])
        client = await ESME.bound(port)
        client.write(b"".join(submit(f"179{n:08d}", sequence=n) for n in range(1, 20_001)))
        answered = {(await client.read()).sequence for _ in range(5_000)}
        server.send_signal(signal.SIGKILL)
    finally:
        server.kill()
        server.wait(timeout=5)
        server.stdout.close()
    client.close()
    again = Simulator(SimSettings(state_dir=tmp_path), AppealClock(), 1.0)
    try:
        seen = {number - 17900000000 for number in again.record.tallies()["mass/a-0001/1"].distinct.tolist()}
        assert answered <= seen
        assert seen == set(range(1, len(seen) + 1))
    finally:
        again.close()


async def test_sigterm_ends_the_process_in_good_order(tmp_path: Path) -> None:
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVER, str(tmp_path), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert server.stdout
    await server.stdout.readline()
    server.terminate()
    async with asyncio.timeout(10):
        _, errors = await server.communicate()
    assert (server.returncode, errors) == (0, b"")

"""PDUs in every order and in every piece: what the simulator answers, octet by octet."""

import asyncio
import struct

import pytest

from tests.rehearsal.conftest import Start
from tests.rehearsal.esme import ESME, submit

UNKNOWN_COMMAND = 0x00000112


async def test_binding_tells_the_interface_version(start: Start) -> None:
    running = await start()
    client = await ESME.connect(running.port)
    answer = await client.bind(9)
    assert (answer.command, answer.status, answer.sequence) == (0x80000009, 0, 77)
    assert answer.body == b"MUSTER-SIM\0\x02\x10\x00\x01\x34"
    client.close()


async def test_binding_twice_is_refused_and_the_first_bind_stays(start: Start) -> None:
    client = await (await start()).client()
    assert (await client.bind()).status == 0x05
    assert (await client.ask(0x15)).command == 0x80000015
    client.write(submit())
    assert (await client.read()).status == 0


async def test_no_more_binds_than_the_account_has(start: Start) -> None:
    running = await start(binds=1)
    first = await running.client()
    second = await ESME.connect(running.port)
    assert (await second.bind()).status == 0x0D
    await first.ask(0x06)
    assert (await second.bind()).status == 0
    second.close()


@pytest.mark.parametrize("bind", [None, 1], ids=["unbound", "receiver"])
async def test_only_transmitters_may_submit(start: Start, bind: int | None) -> None:
    running = await start()
    client = await ESME.connect(running.port)
    if bind:
        await client.bind(bind)
    client.write(submit(sequence=5))
    answer = await client.read()
    assert (answer.command, answer.status, answer.sequence) == (0x80000004, 0x04, 5)
    assert (await running.get("/counts"))["segments"] == 0
    client.close()


async def test_an_unknown_command_gets_a_generic_nack_and_the_link_stays(start: Start) -> None:
    client = await (await start()).client()
    answer = await client.ask(UNKNOWN_COMMAND, b"abc", sequence=9)
    assert (answer.command, answer.status, answer.sequence) == (0x80000000, 0x03, 9)
    assert (await client.ask(0x15)).status == 0


@pytest.mark.parametrize("length", [0, 15, 70_001, 0xFFFFFFFF])
async def test_an_impossible_length_ends_the_link_after_what_came_before(start: Start, length: int) -> None:
    client = await (await start()).client()
    client.write(submit(sequence=1) + struct.pack(">IIII", length, 4, 0, 2))
    first, second = await client.read_many(2)
    assert (first.command, first.status) == (0x80000004, 0)
    assert (second.command, second.status) == (0x80000000, 0x02)
    assert await client.hung_up()


async def test_unbind_is_answered_and_ends_the_link(start: Start) -> None:
    client = await (await start()).client()
    assert (await client.ask(0x06)).command == 0x80000006
    assert await client.hung_up()


async def test_octets_may_come_one_by_one(start: Start) -> None:
    running = await start()
    session = running.simulator.session()
    written: list[bytes] = []

    class Wire(asyncio.Transport):
        def write(self, data: bytes) -> None:  # type: ignore[override]
            written.append(bytes(data))

        def is_closing(self) -> bool:
            return False

    session.connection_made(Wire())
    bind = struct.pack(">IIII", 25, 9, 0, 1) + b"\0\0\0\x34\0\0\0\0\0"
    for octet in bind + submit(sequence=2) + submit("17900000002", sequence=3):
        session.data_received(bytes([octet]))
    session.connection_lost(None)
    commands = [struct.unpack_from(">I", answer, 4)[0] for answer in written]
    assert commands == [0x80000009, 0x80000004, 0x80000004]
    assert running.simulator.record.segments == 2


async def test_answers_carry_ids_that_count_up_and_never_repeat(start: Start) -> None:
    client = await (await start()).client()
    client.write(b"".join(submit(f"179{n:08d}", sequence=n) for n in range(1, 301)))
    answers = await client.read_many(300)
    assert [answer.sequence for answer in answers] == list(range(1, 301))
    assert [answer.body for answer in answers] == [b"%012x\0" % n for n in range(1, 301)]


async def test_a_silent_client_is_asked_and_then_left(start: Start) -> None:
    client = await (await start(idle_seconds=0.05)).client()
    assert (await client.read()).command == 0x15
    assert await client.hung_up()

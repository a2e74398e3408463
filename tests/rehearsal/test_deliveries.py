"""deliver_sm until it is taken: window, refusals, silence, lost links, restarts."""

from pathlib import Path

import numpy as np
import pytest

from rehearsal.smsc.agenda import Agenda
from rehearsal.smsc.deliveries import Acknowledged, Bundle, Deliveries
from rehearsal.smsc.runs import Rows, repeated
from tests.rehearsal.conftest import Start
from tests.rehearsal.esme import ACCESS, ESME, said


class Bind:
    """Takes deliver_sm and remembers them."""

    def __init__(self) -> None:
        self.got: list[bytes] = []

    def send_deliveries(self, pdus: Rows) -> int:
        first = len(self.got)
        self.got.extend(pdu.tobytes() for pdu in pdus)
        return first


class Exchange:
    def __init__(self, *, window: int = 10, timeout: float = 3600, acknowledged: Acknowledged | None = None) -> None:
        self.now = 0.0
        self.agenda = Agenda()
        self.deliveries = Deliveries(
            self.agenda, acknowledged or Acknowledged(None), lambda: self.now, window=window, timeout=timeout
        )

    def offer(self, *bodies: bytes, urgent: bool = True) -> None:
        for body in bodies:
            key = np.array([int.from_bytes(body, "big")], dtype=np.uint64)
            self.deliveries.offer(Bundle(key, repeated(body, 1), urgent=urgent))

    def at(self, now: float) -> None:
        self.now = now
        self.agenda.run_due(now)
        self.deliveries.give_up_waiting()
        self.deliveries.pump()


def test_what_is_refused_comes_again_after_1_5_and_10_minutes_and_then_no_more() -> None:
    exchange, bind = Exchange(), Bind()
    exchange.deliveries.attach(bind)
    exchange.offer(b"a")
    came: list[float] = []
    for now in range(0, 3600, 10):
        before = len(bind.got)
        exchange.at(now)
        if len(bind.got) > before:
            came.append(now)
            exchange.deliveries.answered(bind, [before], ok=False)
    assert came == [0, 60, 360, 960]
    assert exchange.deliveries.given_up == 1
    assert exchange.deliveries.waiting == 0


def test_what_is_taken_never_comes_again() -> None:
    exchange, bind = Exchange(), Bind()
    exchange.deliveries.attach(bind)
    exchange.offer(b"a")
    exchange.at(0)
    exchange.deliveries.answered(bind, [0], ok=True)
    exchange.deliveries.answered(bind, [0], ok=False)  # an answer too many
    exchange.at(3600)
    assert bind.got == [b"a"]


def test_answers_in_any_order_and_twice_free_each_place_once() -> None:
    exchange, bind = Exchange(window=4), Bind()
    exchange.deliveries.attach(bind)
    exchange.offer(b"a", b"b", b"c", b"d", b"e", b"f")
    exchange.at(0)
    exchange.deliveries.answered(bind, [3, 1, 1, 99], ok=True)
    exchange.deliveries.answered(bind, [1], ok=True)
    exchange.at(1)
    assert (bind.got, exchange.deliveries.acknowledged) == ([b"a", b"b", b"c", b"d", b"e", b"f"], 2)
    assert exchange.deliveries.waiting == 4


def test_only_what_was_refused_of_a_bundle_comes_again() -> None:
    exchange, bind = Exchange(), Bind()
    exchange.deliveries.attach(bind)
    keys = np.arange(5, dtype=np.uint64)
    exchange.deliveries.offer(Bundle(keys, keys.astype(np.uint8).reshape(5, 1), urgent=False))
    exchange.at(0)
    exchange.deliveries.answered(bind, [0, 2, 4], ok=True)
    exchange.deliveries.answered(bind, [1, 3], ok=False)
    exchange.at(61)
    assert bind.got == [b"\0", b"\1", b"\2", b"\3", b"\4", b"\1", b"\3"]


def test_no_answer_at_all_counts_as_refused() -> None:
    exchange, bind = Exchange(timeout=-1.0), Bind()
    exchange.deliveries.attach(bind)
    exchange.offer(b"a")
    for now in (0, 1, 62):
        exchange.at(now)
    assert bind.got == [b"a", b"a"]


def test_a_lost_link_brings_it_again_on_another_one() -> None:
    exchange, first, second = Exchange(), Bind(), Bind()
    exchange.deliveries.attach(first)
    exchange.offer(b"a")
    exchange.at(0)
    exchange.deliveries.detach(first)
    exchange.deliveries.attach(second)
    exchange.at(59)
    assert second.got == []
    exchange.at(60)
    assert second.got == [b"a"]


def test_it_waits_for_a_bind_without_losing_a_try() -> None:
    exchange, bind = Exchange(), Bind()
    exchange.offer(b"a")
    exchange.at(0)
    exchange.at(7200)
    exchange.deliveries.attach(bind)
    exchange.at(7201)
    assert bind.got == [b"a"]


def test_the_window_holds_and_members_go_before_receipts() -> None:
    exchange, bind = Exchange(window=2), Bind()
    exchange.deliveries.attach(bind)
    exchange.offer(b"r1", b"r2", b"r3", urgent=False)
    exchange.offer(b"m1")
    exchange.at(0)
    exchange.at(1)
    assert bind.got == [b"m1", b"r1"]
    exchange.deliveries.answered(bind, [0], ok=True)
    exchange.at(2)
    assert bind.got == [b"m1", b"r1", b"r2"]
    assert exchange.deliveries.waiting == 3


def test_a_restart_forgets_only_what_was_taken(tmp_path: Path) -> None:
    journal = Acknowledged(tmp_path / "keys")
    exchange, bind = Exchange(acknowledged=journal), Bind()
    exchange.deliveries.attach(bind)
    exchange.offer(b"a", b"b", b"c")
    exchange.at(0)
    exchange.deliveries.answered(bind, [1], ok=True)
    journal.close()
    with (tmp_path / "keys").open("ab") as torn:
        torn.write(b"\0\0\0")

    again, other = Exchange(acknowledged=Acknowledged(tmp_path / "keys")), Bind()
    again.deliveries.attach(other)
    again.offer(b"a", b"b", b"c")
    again.at(0)
    assert other.got == [b"a", b"c"]


async def test_a_reply_that_the_client_did_not_take_is_pushed_again(start: Start) -> None:
    running = await start()
    client = await running.client()
    running.simulator.network.say("17900000001", ACCESS, "1")
    first = await client.read()
    client.answer(first, status=0x08)
    assert (await client.ask(0x15)).command == 0x80000015
    running.clock.advance(seconds=61)
    second = await client.read()
    assert said(second) == said(first) == ("17900000001", ACCESS, b"1", 0, b"")
    assert second.sequence != first.sequence
    client.answer(second)


@pytest.mark.parametrize("command", [1, 9], ids=["receiver", "transceiver"])
async def test_transmitters_get_no_replies_and_others_do(start: Start, command: int) -> None:
    running = await start()
    transmitter: ESME = await running.client(2)
    running.simulator.network.say("17900000001", ACCESS, "1")
    assert (await transmitter.ask(0x15)).command == 0x80000015
    assert running.simulator.deliveries.waiting == 1
    receiver = await running.client(command)
    assert said(await receiver.read())[2] == b"1"

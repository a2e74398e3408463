"""Letters over real sockets to a server that others wrote: every outcome is held against what the server saw."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from notifiers.ports import Outcome, State
from tests.notifiers_email.conftest import yes


def addresses(count: int, name: str = "m") -> list[str]:
    return [f"{name}{number}@members.test" for number in range(count)]


async def test_every_letter_arrives_once_and_is_named(server, make_notifier, letter):
    to = addresses(200)
    async with asyncio.timeout(20), make_notifier(server.port) as notifier:
        outcomes = await notifier.send(letter, to, yes, members=range(1, 201))

    assert {outcome.state for outcome in outcomes} == {State.SENT}
    assert len({outcome.gateway_id for outcome in outcomes}) == 200
    assert server.recipients() == sorted(to)
    by_address = dict(zip(to, outcomes, strict=True))
    for seen in server.seen():
        assert f".{by_address[seen.to[0]].gateway_id}." in seen.message["Message-ID"]
        assert by_address[seen.to[0]].gateway_id in seen.sender
        assert seen.message["To"] == seen.to[0]


async def test_connections_are_reused(server, make_notifier, letter):
    async with asyncio.timeout(20), make_notifier(server.port, connections=3) as notifier:
        await notifier.send(letter, addresses(60), yes)
        await notifier.send(letter, addresses(60), yes)

    assert 1 <= len({seen.connection for seen in server.seen()}) <= 3


@pytest.mark.parametrize(
    "text",
    [
        "【12351】急需AB型血小板，请回复1。拒收请回复R\n.第二行以点开头",
        "AB platelets needed.\n.a line that begins with a dot\n..two\n.\nReply 1 or R.",
        "no line end " * 200,
    ],
    ids=["Chinese", "dots", "one long line"],
)
async def test_the_text_arrives_as_written(server, make_notifier, letter, text):
    async with asyncio.timeout(10), make_notifier(server.port) as notifier:
        await notifier.send(replace(letter, text=text), addresses(1), yes, members=[5])

    (seen,) = server.seen()
    assert seen.message.get_content().splitlines() == text.splitlines()
    assert seen.message["Subject"] == letter.subject
    assert seen.message["X-Muster-Reference"] == "mass/a-2011/1"
    assert seen.message["Auto-Submitted"] == "auto-generated"
    assert seen.raw.isascii()
    assert seen.hello == "in.centre.test"


@pytest.mark.parametrize(
    ("address", "expected", "times_seen"),
    [
        ("m1@members.test", State.SENT, 1),
        ("gone@members.test", Outcome(State.REFUSED, status=550, bad_address=True), 0),
        ("full@members.test", Outcome(State.REFUSED, status=452), 0),
        ("spam@members.test", Outcome(State.REFUSED, status=554), 1),
        ("busy-2-a@members.test", State.SENT, 1),
        ("stuck-2-a@members.test", State.SENT, 3),  # read three times, refused twice
        ("cut-rcpt-1-a@members.test", State.SENT, 1),
        ("cut-dot@members.test", State.UNCERTAIN, 1),
        ("hush@members.test", State.UNCERTAIN, 1),
        ("not an address", Outcome(State.REFUSED, status=553, bad_address=True), 0),
        ("a@b.test\r\nRCPT TO:<c@b.test>", Outcome(State.REFUSED, status=553, bad_address=True), 0),
        ("用户@members.test", Outcome(State.REFUSED, status=553, bad_address=True), 0),
    ],
    ids=lambda value: value.split("@")[0].strip("-") if isinstance(value, str) and "@" in value else None,
)
async def test_what_the_server_does_decides_the_outcome(server, make_notifier, letter, address, expected, times_seen):
    async with asyncio.timeout(20), make_notifier(server.port, verdict_seconds=0.5) as notifier:
        (outcome,) = await notifier.send(letter, [address], yes)

    assert expected in (outcome, outcome.state)
    assert server.recipients() == [address] * times_seen


async def test_trouble_with_some_does_not_touch_the_others(server, make_notifier, letter, registry):
    to = [
        *addresses(40),
        "gone@x.test",
        "cut-dot@x.test",
        "busy-1-mixed@x.test",
        "cut-rcpt-1-mixed@x.test",
        *addresses(40, "n"),
    ]
    async with asyncio.timeout(20), make_notifier(server.port) as notifier:
        outcomes = await notifier.send(letter, to, yes)

    states = dict(zip(to, outcomes, strict=True))
    assert states["gone@x.test"].state is State.REFUSED
    assert states["cut-dot@x.test"].state is State.UNCERTAIN
    assert Counter(outcome.state for outcome in outcomes) == {State.SENT: 82, State.REFUSED: 1, State.UNCERTAIN: 1}
    assert server.recipients() == sorted(set(to) - {"gone@x.test"})
    assert registry.get_sample_value("muster_email_letters_total", {"outcome": "sent"}) == 82
    assert registry.get_sample_value("muster_email_letters_total", {"outcome": "uncertain"}) == 1


async def test_once_may_send_says_no_the_rest_is_held(server, make_notifier, letter):
    asked = 0

    def may_send() -> bool:
        nonlocal asked
        asked += 1
        return asked <= 100

    to = addresses(200)
    async with asyncio.timeout(20), make_notifier(server.port) as notifier:
        outcomes = await notifier.send(letter, to, may_send)

    sent = sorted(address for address, outcome in zip(to, outcomes, strict=True) if outcome.state is State.SENT)
    assert {outcome.state for outcome in outcomes} == {State.SENT, State.HELD}
    assert server.recipients() == sent
    assert len(sent) <= 50  # it is asked twice for each letter: before the commands and before the letter itself


async def test_who_wants_to_hear_no_more_is_left_out_of_what_still_waits(server, make_notifier, letter):
    quiet: set[int] = set()

    def may_send() -> bool:
        quiet.add(102)
        return True

    to, members = addresses(3), [101, 102, 103]
    async with asyncio.timeout(20), make_notifier(server.port, connections=1) as notifier:
        outcomes = await notifier.send(letter, to, may_send, members=members, silent=quiet.intersection)

    assert [outcome.state for outcome in outcomes] == [State.SENT, State.HELD, State.SENT]
    assert server.recipients() == sorted([to[0], to[2]])


async def test_a_no_between_the_commands_and_the_letter_still_holds_it(server, make_notifier, letter):
    answers = iter([True, False])
    async with asyncio.timeout(10), make_notifier(server.port, connections=1) as notifier:
        (outcome,) = await notifier.send(letter, addresses(1), lambda: next(answers, False))
        assert outcome == Outcome(State.HELD)
        assert await notifier.send(letter, addresses(1, "next"), yes)  # the session after that one works

    assert server.recipients() == ["next0@members.test"]


async def test_urgent_letters_overtake(server, make_notifier, letter):
    async with asyncio.timeout(20), make_notifier(server.port, connections=1) as notifier:
        bulk = asyncio.create_task(notifier.send(letter, addresses(200), yes))
        await asyncio.sleep(0)
        await notifier.send(letter, ["urgent@members.test"], yes, urgent=True)
        await bulk

    order = [seen.to[0] for seen in server.seen()]
    assert order.index("urgent@members.test") <= 2


async def test_cancelling_stops_what_no_connection_has_taken(server, make_notifier, letter):
    asked = 0

    def may_send() -> bool:
        nonlocal asked
        asked += 1
        if asked == 40:
            sending.cancel()
        return True

    async with asyncio.timeout(20):
        async with make_notifier(server.port, connections=4) as notifier:
            sending = asyncio.create_task(notifier.send(letter, addresses(200), may_send))
            with pytest.raises(asyncio.CancelledError):
                await sending

    assert len(server.recipients()) <= 40 + 4


async def test_closing_holds_what_waits(make_notifier, letter, server):
    async with asyncio.timeout(20):
        notifier = make_notifier(server.port, connections=1)
        async with notifier:
            sending = asyncio.create_task(notifier.send(letter, addresses(500), yes))
            await asyncio.sleep(0.05)
        outcomes = await sending

    assert Counter(outcome.state for outcome in outcomes)[State.SENT] == len(server.recipients())
    assert {outcome.state for outcome in outcomes} == {State.SENT, State.HELD}


async def test_sending_without_connections_is_a_bug_that_shows(make_notifier, letter):
    with pytest.raises(RuntimeError, match="async with"):
        await make_notifier(1).send(letter, addresses(1), yes)


async def test_nothing_to_send_is_no_trouble(make_notifier, letter):
    async with asyncio.timeout(5), make_notifier(1) as notifier:
        assert await notifier.send(letter, [], yes) == []


async def test_members_must_match_the_addresses(make_notifier, letter):
    async with asyncio.timeout(5), make_notifier(1) as notifier:
        with pytest.raises(ValueError, match="parallel"):
            await notifier.send(letter, addresses(2), yes, members=[1])

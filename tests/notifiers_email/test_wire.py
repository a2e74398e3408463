"""Servers that are allowed to be odd, and servers that are not: replies byte by byte, over a real socket."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from notifiers.ports import Outcome, State
from tests.notifiers_email.conftest import yes

TO = [f"m{number}@members.test" for number in range(12)]


class OddServer:
    """Answers each line with what `answers` says of (line, its number); None hangs up.  Keeps what it heard."""

    def __init__(self, answers: Callable[[str, int], bytes | None], greeting: bytes) -> None:
        self.answers = answers
        self.greeting = greeting
        self.heard: list[str] = []
        self.letters = 0
        self.sessions = 0

    async def _line(self, reader: asyncio.StreamReader) -> str | None:
        raw = await reader.readline()
        return raw.decode().rstrip("\r\n") if raw else None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sessions += 1
        writer.write(self.greeting)
        in_letter = False
        while (line := await self._line(reader)) is not None:
            if in_letter and line != ".":
                continue
            if in_letter:
                self.letters += 1
            self.heard.append(line)
            answer = self.answers(line, len(self.heard))
            if answer is None:
                break
            in_letter = answer.startswith(b"354")
            writer.write(answer)
        writer.close()


@asynccontextmanager
async def odd_server(answers, *, greeting=b"220 odd\r\n") -> AsyncIterator[tuple[OddServer, int]]:
    odd = OddServer(answers, greeting)
    server = await asyncio.start_server(odd.serve, "127.0.0.1", 0)
    async with asyncio.timeout(20), server:
        yield odd, server.sockets[0].getsockname()[1]


def usual(line: str, _number: int = 0, *, pipelining: bool = True) -> bytes:
    """What a well-behaved server says."""
    if line.startswith("EHLO"):
        return b"250-odd\r\n250 PIPELINING\r\n" if pipelining else b"250 odd\r\n"
    if line == "DATA":
        return b"354 go ahead\r\n"
    return b"221 bye\r\n" if line == "QUIT" else b"250 ok\r\n"


async def test_told_to_go_ahead_with_nobody_to_send_to_it_sends_a_lone_dot(make_notifier, letter):
    """RFC 2920, 3.1: some servers say 354 although they refused the only recipient."""

    def answers(line: str, number: int) -> bytes:
        if line.startswith("RCPT TO:<m0@"):
            return b"550 5.1.1 nobody\r\n"
        return b"554 5.5.1 no recipients\r\n" if line == "." and not odd.heard.count("RSET") else usual(line, number)

    async with odd_server(answers) as (odd, port), make_notifier(port, connections=1) as notifier:
        outcomes = await notifier.send(letter, TO[:3], yes)

    assert [outcome.state for outcome in outcomes] == [State.REFUSED, State.SENT, State.SENT]
    assert odd.sessions == 1
    assert [line.split(":")[0] for line in odd.heard[1:7]] == ["MAIL FROM", "RCPT TO", "DATA", ".", "RSET", "MAIL FROM"]


async def test_a_server_that_refuses_and_hangs_up_has_refused(make_notifier, letter):
    def answers(line: str, number: int) -> bytes | None:
        if odd.heard[-2:-1] and odd.heard[-2].startswith("RCPT TO:<m0@"):
            return None
        return b"550 5.1.1 nobody\r\n" if line.startswith("RCPT TO:<m0@") else usual(line, number)

    async with odd_server(answers) as (odd, port), make_notifier(port, connections=1) as notifier:
        outcomes = await notifier.send(letter, TO[:2], yes)

    assert outcomes[0] == Outcome(State.REFUSED, status=550, bad_address=True)
    assert outcomes[1].state is State.SENT
    assert odd.sessions == 2


async def test_replies_may_have_many_lines_and_arrive_in_bits(make_notifier, letter):
    long = b"250-thank\r\n250-you\r\n250 very much\r\n"

    async def bits(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        odd = OddServer(lambda line, number: long if line.startswith(("MAIL", ".")) else usual(line, number), b"")
        plain_write = writer.write
        waiting = bytearray(b"220-hello\r\n220 odd\r\n")
        writer.write = waiting.extend  # type: ignore[method-assign]

        async def trickle() -> None:
            while True:
                if waiting:
                    plain_write(bytes(waiting[:3]))
                    del waiting[:3]
                    await writer.drain()
                await asyncio.sleep(0)

        trickling = asyncio.create_task(trickle())
        await odd.serve(reader, writer)
        trickling.cancel()

    server = await asyncio.start_server(bits, "127.0.0.1", 0)
    async with (
        asyncio.timeout(20),
        server,
        make_notifier(server.sockets[0].getsockname()[1], connections=1) as notifier,
    ):
        outcomes = await notifier.send(letter, TO, yes)
    assert {outcome.state for outcome in outcomes} == {State.SENT}


RUBBISH = {
    "a wrong stage": b"354 go on\r\n",
    "a code too low": b"199 hm\r\n",
    "a code too high": b"999 hm\r\n",
    "words": b"what?\r\n",
    "two digits": b"25\r\n",
    "four digits": b"2500 ok\r\n",
    "no text at all": b"\xff\xfe\x00\r\n",
    "no end": b"250-" + b"x" * 40_000,
    "an empty line": b"\r\n",
}


@pytest.mark.parametrize("rubbish", RUBBISH.values(), ids=RUBBISH)
async def test_rubbish_instead_of_a_verdict_leaves_the_letter_uncertain(make_notifier, letter, rubbish):
    async with odd_server(lambda line, n: rubbish if line == "." else usual(line, n)) as (odd, port):
        async with make_notifier(port, connections=1, verdict_seconds=0.3) as notifier:
            (outcome,) = await notifier.send(letter, TO[:1], yes)
        assert odd.letters == 1
    assert outcome == Outcome(State.UNCERTAIN)


async def test_rubbish_before_the_letter_is_tried_again_elsewhere(make_notifier, letter):
    def answers(line: str, number: int) -> bytes:
        return b"what?\r\n" if line.startswith("MAIL") and odd.sessions == 1 else usual(line, number)

    async with odd_server(answers) as (odd, port), make_notifier(port, connections=1) as notifier:
        (outcome,) = await notifier.send(letter, TO[:1], yes)
    assert outcome.state is State.SENT
    assert (odd.sessions, odd.letters) == (2, 1)


async def test_a_goodbye_between_two_letters_costs_nothing(make_notifier, letter):
    """A server that says 421 unasked after a letter has closed: its goodbye is not the answer to the next letter."""

    def answers(line: str, number: int) -> bytes:
        return b"250 ok\r\n421 4.4.2 idle for too long\r\n" if line == "." else usual(line, number)

    async with odd_server(answers) as (odd, port), make_notifier(port, connections=1) as notifier:
        outcomes = await notifier.send(letter, TO, yes)
    assert {outcome.state for outcome in outcomes} == {State.SENT}
    assert odd.letters == len(TO)


async def test_a_reply_too_many_is_never_taken_for_the_next_letters(make_notifier, letter):
    def answers(line: str, number: int) -> bytes:
        return b"250 taken\r\n250 and taken\r\n" if line == "." else usual(line, number)

    async with odd_server(answers) as (odd, port), make_notifier(port, connections=1) as notifier:
        outcomes = await notifier.send(letter, TO, yes)
    assert {outcome.state for outcome in outcomes} == {State.SENT}
    assert odd.letters == odd.sessions == len(TO)
    assert odd.heard.count("DATA") == len(TO)


async def test_a_letter_answered_with_421_was_not_taken_and_leaves_again(make_notifier, letter):
    def answers(line: str, number: int) -> bytes:
        return b"421 4.3.2 shutting down\r\n" if line == "." and odd.letters == 1 else usual(line, number)

    async with odd_server(answers) as (odd, port), make_notifier(port, connections=1) as notifier:
        (outcome,) = await notifier.send(letter, TO[:1], yes)
    assert outcome.state is State.SENT
    assert (odd.sessions, odd.letters) == (2, 2)


async def test_a_server_that_can_take_nothing_for_a_while_burns_no_member(make_notifier, letter):
    """Every letter is put off many more times than `attempts`, but no other got through: it is the server's trouble."""

    def answers(line: str, number: int) -> bytes:
        return b"451 4.3.0 our disk is away\r\n" if line == "." and odd.letters <= 40 else usual(line, number)

    async with odd_server(answers) as (odd, port), make_notifier(port, connections=2, attempts=2) as notifier:
        outcomes = await notifier.send(letter, TO[:4], yes)
    assert {outcome.state for outcome in outcomes} == {State.SENT}
    assert odd.letters == 44


async def test_one_letter_that_is_always_put_off_is_given_up_when_others_get_through(make_notifier, letter):
    def answers(line: str, number: int) -> bytes:
        if line == "." and any(heard.startswith("RCPT TO:<m0@") for heard in odd.heard[-4:]):
            return b"451 4.3.0 cannot scan this\r\n"
        return usual(line, number)

    going_on = True
    async with odd_server(answers) as (odd, port), make_notifier(port, connections=1, attempts=3) as notifier:
        stuck = asyncio.create_task(notifier.send(letter, TO[:1], yes))
        while going_on:
            outcomes = await notifier.send(letter, TO[1:3], yes)
            assert {outcome.state for outcome in outcomes} == {State.SENT}
            going_on = not stuck.done()
    assert stuck.result() == [Outcome(State.REFUSED, status=451)]


@pytest.mark.parametrize("greeting", [b"554 go away\r\n", b"421 too busy\r\n", b"hello\r\n"])
async def test_an_unfriendly_greeting_holds_everything(make_notifier, letter, registry, greeting):
    async with odd_server(usual, greeting=greeting) as (_, port), make_notifier(port) as notifier:
        outcomes = await notifier.send(
            letter, TO, lambda: not registry.get_sample_value("muster_email_connect_failures_total")
        )
    assert {outcome.state for outcome in outcomes} == {State.HELD}


async def test_a_server_that_knows_no_ehlo_is_greeted_with_helo(make_notifier, letter):
    def answers(line: str, number: int) -> bytes:
        return b"502 not known\r\n" if line.startswith("EHLO") else usual(line, number)

    async with odd_server(answers) as (odd, port), make_notifier(port, connections=1) as notifier:
        (outcome,) = await notifier.send(letter, TO[:1], yes)
    assert outcome.state is State.SENT
    assert odd.heard[1] == "HELO in.centre.test"

"""Letters a second through reused connections, beside the standard library's client doing it in a loop.

    python bench/mail.py [--letters 2000] [--rounds 3] [--latency-ms 10] [--json]

Both speak to the same lean SMTP sink, a process of its own, which waits `latency-ms` before it answers whatever
arrived together (none in the first half of the figures) and counts the letters that it took.  Every round's count is
checked.  The file is not called email.py because scripts in this folder import the standard library's `email`.
"""

import argparse
import asyncio
import json
import smtplib
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from prometheus_client import CollectorRegistry

from notifiers.email.metrics import EmailMetrics
from notifiers.email.notifier import EmailNotifier
from notifiers.email.settings import EmailSettings
from notifiers.ports import Letter, State

TEXT = "【12351】急需AB型血小板，请回复1愿意，2不能。拒收请回复R。" * 2
BATCH = 256


class Sink(asyncio.Protocol):
    """Takes every letter; parses no more than it must."""

    taken = 0

    def __init__(self, latency: float) -> None:
        self.latency = latency
        self.buffer = b""
        self.in_letter = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        replies = b"".join(self.read())
        if replies and self.latency:
            asyncio.get_running_loop().call_later(self.latency, self.transport.write, replies)
        elif replies:
            self.transport.write(replies)

    def read(self) -> Iterator[bytes]:
        while True:
            end = b"\r\n.\r\n" if self.in_letter else b"\r\n"
            head, found, rest = self.buffer.partition(end)
            if not found:
                return
            self.buffer = rest
            if self.in_letter:
                self.in_letter = False
                Sink.taken += 1
                yield b"250 taken\r\n"
                continue
            verb = head[:4].upper()
            if verb == b"EHLO":
                yield b"250-sink\r\n250 PIPELINING\r\n"
            elif verb == b"DATA":
                self.in_letter = True
                yield b"354 go ahead\r\n"
            elif verb == b"QUIT":
                yield b"221 bye\r\n"
            elif verb == b"NOOP":
                yield b"250 %d\r\n" % Sink.taken
            else:
                yield b"250 ok\r\n"


async def sink(latency: float) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Sink(latency), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def a_sink(latency_ms: float) -> Iterator[int]:
    command = [sys.executable, __file__, "--sink", "--latency-ms", str(latency_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def taken(port: int) -> int:
    with smtplib.SMTP("127.0.0.1", port, local_hostname="bench.test") as client:
        return int(client.noop()[1])


def plain_loop(port: int, letters: int) -> float:
    """The peer: smtplib, one connection, one message object per address, as most programs do it."""
    began = time.perf_counter()
    with smtplib.SMTP("127.0.0.1", port, local_hostname="bench.test") as client:
        for number in range(letters):
            message = EmailMessage()
            message["From"] = "appeals@centre.test"
            message["To"] = f"m{number}@members.test"
            message["Subject"] = "急需AB型血小板"
            message.set_content(TEXT)
            client.send_message(message)
    return letters / (time.perf_counter() - began)


def ours(port: int, letters: int, connections: int) -> float:
    return asyncio.run(_ours(port, letters, connections))


async def _ours(port: int, letters: int, connections: int) -> float:
    settings = EmailSettings(
        port=port,
        sender="appeals@centre.test",
        inbound_domain="in.centre.test",
        public_url="https://muster.centre.test",
        secret="a secret of the benchmark",
        connections=connections,
    )
    letter = Letter(TEXT, "mass/a-bench/1", 7, datetime.now(UTC) + timedelta(hours=4))
    async with EmailNotifier(settings, EmailMetrics(CollectorRegistry())) as notifier:
        began = time.perf_counter()
        for first in range(0, letters, BATCH):
            members = range(first + 1, min(first + BATCH, letters) + 1)
            outcomes = await notifier.send(
                letter, [f"m{m}@members.test" for m in members], lambda: True, members=members
            )
            assert all(outcome.state is State.SENT for outcome in outcomes)
        return letters / (time.perf_counter() - began)


def measure(letters: int, rounds: int, latency_ms: float) -> dict[str, dict[str, float]]:
    """Each way in turn, round after round, so that whatever else the machine does falls on all of them."""
    ways = {
        "smtplib loop, 1 connection": plain_loop,
        "EmailNotifier, 1 connection": lambda port, count: ours(port, count, 1),
        "EmailNotifier, 4 connections": lambda port, count: ours(port, count, 4),
        "EmailNotifier, 16 connections": lambda port, count: ours(port, count, 16),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    with a_sink(latency_ms) as port:
        for _ in range(rounds):
            for name, way in ways.items():
                before = taken(port)
                rates[name].append(way(port, letters))
                assert taken(port) - before == letters, "the sink took another number of letters"
    return {
        name: {"median": round(statistics.median(all_)), "min": round(min(all_)), "max": round(max(all_))}
        for name, all_ in rates.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--letters", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency-ms", type=float, default=10)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sink", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.sink:
        asyncio.run(sink(options.latency_ms / 1000))
        return
    # With a delay for each round trip the loop takes its time: a tenth of the letters says as much.
    figures = {
        "letters_per_second": measure(options.letters, options.rounds, 0),
        f"letters_per_second_{options.latency_ms:g}ms": measure(
            options.letters // 10, options.rounds, options.latency_ms
        ),
        "letters": options.letters,
        "rounds": options.rounds,
    }
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    for title, rows in figures.items():
        if isinstance(rows, dict):
            print(title.replace("_", " "))
            for name, row in rows.items():
                print(f"  {name:32} {row['median']:>7,}   ({row['min']:,} - {row['max']:,})")


if __name__ == "__main__":
    main()

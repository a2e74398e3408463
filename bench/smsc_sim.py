"""How many submit_sm a second the simulator accepts, records, answers and, if asked to, reports on.

    python -m bench.smsc_sim --messages 1000000 --binds 2 --json

The simulator runs as its own process with its record on disk and handsets behind it, as in the demo; the client is
another process that writes PDUs rendered beforehand, reads the answers and takes the receipts.  Both share this
machine's cores, so beside the rate it says how much processor time the simulator took for a message with its answer,
its receipt and the answer to that.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import select
import socket
import struct
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue

import numpy as np

from rehearsal.smsc import wire
from rehearsal.smsc.runs import Rows, decimal, repeated, runs_of, with_sequences
from rehearsal.smsc.server import serve
from rehearsal.smsc.settings import SimSettings

TEXT = "【北京市总工会】紧急：患者急需AB型血小板，能献请回复1，不能回复2。拒收请回复R"
REFERENCE = "mass/a-bench/1"
TAKEN = wire.pdu(wire.DELIVER_SM_RESP, wire.ROK, 0, b"\0")
AT_ONCE = 512
FIRST_NUMBER = 17_900_000_000


@dataclass(frozen=True, slots=True)
class Load:
    messages: int
    binds: int
    receipts: bool
    deliver_window: int


def serve_in_process(settings: SimSettings, ready: Connection) -> None:
    asyncio.run(serve(settings, lambda: datetime.now(UTC), 1.0, ready=lambda at: ready.send((at.port, at.http_port))))


def render(first: int, count: int, *, receipts: bool) -> Rows:
    """`count` submit_sm that differ in sequence number and destination."""
    body = TEXT.encode("utf-16-be")
    tail = bytes((0, 0, 0, 0, 0, int(receipts), 0, 8, 0, len(body))) + body
    tail += struct.pack(">HH", 0x1500, len(REFERENCE)) + REFERENCE.encode()
    head = b"\0\x01\x01106901231201\0\x01\x01"
    size = 16 + len(head) + 12 + len(tail)
    pdu = struct.pack(">IIII", size, 4, 0, 0) + head + b"00000000000\0" + tail
    rows = with_sequences(repeated(pdu, count), np.arange(1, count + 1, dtype=np.uint64))
    at = 16 + len(head)
    rows[:, at : at + 11] = decimal(np.arange(FIRST_NUMBER + first, FIRST_NUMBER + first + count, dtype=np.uint64), 11)
    return rows


def bind(port: int) -> socket.socket:
    link = socket.create_connection(("127.0.0.1", port))
    body = b"bench\0bench\0\0\x34\0\0\0"
    link.sendall(struct.pack(">IIII", 16 + len(body), wire.BIND_TRANSCEIVER, 0, 1) + body)
    length = struct.unpack(">I", link.recv(4, socket.MSG_WAITALL))[0]
    link.recv(length - 4, socket.MSG_WAITALL)
    return link


@dataclass(slots=True)
class Heard:
    """What one bind was told: answers with ESME_ROK, receipts, and when the last of each came."""

    accepted: int = 0
    receipts: int = 0
    answered_at: float = 0.0
    reported_at: float = 0.0


def listen(link: socket.socket, answers: "SimpleQueue[bytes | None]", heard: Heard, done: Callable[[], bool]) -> None:
    """Read until everything that is to come has come; receipts are answered through the queue."""
    rest = b""
    while not done():
        if not select.select([link], [], [], 0.1)[0]:  # a receipt may take any bind
            continue
        got = link.recv(1 << 18)
        if not got:
            raise ConnectionError("the simulator hung up")
        rest, read = rest + got, 0
        for run in runs_of(rest):
            read = run.ends[-1]
            if run.command == wire.SUBMIT_SM_RESP and run.status == wire.ROK:
                heard.accepted += len(run.starts)
                heard.answered_at = time.perf_counter()
            elif run.command == wire.DELIVER_SM:
                sequences = np.array(run.sequences, dtype=np.uint64)
                answers.put(with_sequences(repeated(TAKEN, len(sequences)), sequences).tobytes())
                heard.receipts += len(run.starts)
                heard.reported_at = time.perf_counter()
        rest = rest[read:]
    answers.put(None)


def write(link: socket.socket, answers: "SimpleQueue[bytes | None]", rows: Rows) -> None:
    """Write all messages, and in between and afterwards the answers that are asked for."""
    places = iter(range(0, len(rows), AT_ONCE))
    while True:
        place = next(places, None) if answers.empty() else None
        octets = answers.get() if place is None else rows[place : place + AT_ONCE].tobytes()
        if octets is None:
            return
        link.sendall(octets)


def blast(port: int, load: Load, results: Connection) -> None:
    share = load.messages // load.binds
    loads = [render(place * share, share, receipts=load.receipts) for place in range(load.binds)]
    links = [bind(port) for _ in range(load.binds)]
    heard = [Heard() for _ in links]
    threads = []

    def done() -> bool:
        return sum(told.accepted for told in heard) == load.messages and (
            not load.receipts or sum(told.receipts for told in heard) >= load.messages
        )

    for link, rows, told in zip(links, loads, heard, strict=True):
        answers: SimpleQueue[bytes | None] = SimpleQueue()
        threads.append(threading.Thread(target=listen, args=(link, answers, told, done)))
        threads.append(threading.Thread(target=write, args=(link, answers, rows)))
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answered = max(told.answered_at for told in heard) - started
    reported = max(told.reported_at for told in heard) - started
    counted = (sum(told.accepted for told in heard), sum(told.receipts for told in heard))
    results.send((answered, max(answered, reported), *counted))
    for link in links:
        link.close()


def measure(load: Load) -> dict[str, object]:
    processes = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        people = Path(folder, "people.csv")
        with people.open("w") as out:
            out.write("mobile,abo,rhd,language\n")
            out.writelines(f"{FIRST_NUMBER + n},AB,pos,zh\n" for n in range(load.messages))
        settings = SimSettings(
            port=0,
            http_port=0,
            people=people,
            state_dir=Path(folder, "state"),
            deliver_window=load.deliver_window,
            receipt_median_seconds=0.2,
            receipt_sigma=0.5,
        )
        ready, tell = processes.Pipe(duplex=False)
        server = processes.Process(target=serve_in_process, args=(settings, tell), daemon=True)
        server.start()
        port, http_port = ready.recv()
        before = cpu_seconds(server.pid)
        results, answer = processes.Pipe(duplex=False)
        client = processes.Process(target=blast, args=(port, load, answer), daemon=True)
        client.start()
        seconds, until_reported, accepted, reported = results.recv()
        client.join()
        user, system = (after - earlier for after, earlier in zip(cpu_seconds(server.pid), before, strict=True))
        with urllib.request.urlopen(f"http://127.0.0.1:{http_port}/counts", timeout=60) as response:
            counts = json.load(response)
        memory = peak_megabytes(server.pid)
        server.terminate()
        server.join()
    seen = counts["references"][REFERENCE]
    return {
        "messages": accepted,
        "witnessed": seen["numbers"],
        "doubled": seen["doubled"],
        "seconds": round(seconds, 3),
        "messages_per_second": round(accepted / seconds),
        "receipts_taken": reported,
        "seconds_until_last_receipt": round(until_reported, 3),
        "server_cpu_us_per_message": round((user + system) / accepted * 1e6, 2),
        "of_it_in_the_kernel": round(system / accepted * 1e6, 2),
        "server_peak_megabytes": memory,
        "binds": load.binds,
        "receipts": load.receipts,
        "cores": os.cpu_count(),
    }


def cpu_seconds(pid: int | None) -> tuple[float, float]:
    """In its own code, and in the kernel on its behalf."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) / os.sysconf("SC_CLK_TCK"), int(fields[12]) / os.sysconf("SC_CLK_TCK")


def peak_megabytes(pid: int | None) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=500_000)
    parser.add_argument("--binds", type=int, default=1)
    parser.add_argument("--receipts", action="store_true", help="ask for a receipt with each message")
    parser.add_argument("--deliver-window", type=int, default=2048, help="unanswered receipts per bind")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = measure(
        Load(asked.messages - asked.messages % asked.binds, asked.binds, asked.receipts, asked.deliver_window)
    )
    if asked.json:
        print(json.dumps(found))
    else:
        print("\n".join(f"{name:28} {value}" for name, value in found.items()))


if __name__ == "__main__":
    main()

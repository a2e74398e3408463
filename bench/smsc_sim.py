"""How many submit_sm a second the simulator accepts, records and answers.

    python -m bench.smsc_sim --messages 1000000 --binds 2 --json

The simulator runs as its own process with its record on disk and handsets behind it, as in the demo; the client is
another process that writes PDUs rendered beforehand and reads the answers.  Both share this machine's cores.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import socket
import struct
import tempfile
import threading
import time
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from rehearsal.smsc.server import serve
from rehearsal.smsc.settings import SimSettings

TEXT = "【北京市总工会】紧急：患者急需AB型血小板，能献请回复1，不能回复2。拒收请回复R"
REFERENCE = "mass/a-bench/1"
ANSWER_SIZE = 29
FIRST_NUMBER = 17_900_000_000


@dataclass(frozen=True, slots=True)
class Load:
    messages: int
    binds: int
    receipts: bool


def serve_in_process(settings: SimSettings, ready: Connection) -> None:
    asyncio.run(serve(settings, lambda: datetime.now(UTC), 60.0, ready=lambda at: ready.send((at.port, at.http_port))))


def render(first: int, count: int, *, receipts: bool) -> bytes:
    """`count` submit_sm that differ in sequence number and destination."""
    body = TEXT.encode("utf-16-be")
    tail = bytes((0, 0, 0, 0, 0, int(receipts), 0, 8, 0, len(body))) + body
    tail += struct.pack(">HH", 0x1500, len(REFERENCE)) + REFERENCE.encode()
    head = b"\0\x01\x01106901231201\0\x01\x01"
    size = 16 + len(head) + 12 + len(tail)
    pdu = struct.pack(">IIII", size, 4, 0, 0) + head + b"00000000000\0" + tail
    rows = np.tile(np.frombuffer(pdu, dtype=np.uint8), (count, 1))
    sequences = np.arange(1, count + 1, dtype=">u4")
    rows[:, 12:16] = sequences.view(np.uint8).reshape(count, 4)
    numbers = FIRST_NUMBER + first + np.arange(count)
    at = 16 + len(head)
    for place in range(11):
        rows[:, at + 10 - place] = 48 + numbers // 10**place % 10
    return rows.tobytes()


def bind(port: int) -> socket.socket:
    link = socket.create_connection(("127.0.0.1", port))
    body = b"bench\0bench\0\0\x34\0\0\0"
    link.sendall(struct.pack(">IIII", 16 + len(body), 2, 0, 1) + body)  # a transmitter: receipts find no way out
    length = struct.unpack(">I", link.recv(4, socket.MSG_WAITALL))[0]
    link.recv(length - 4, socket.MSG_WAITALL)
    return link


def read_answers(link: socket.socket, wanted: int) -> int:
    """How many of the answers are ESME_ROK."""
    answers = bytearray(wanted * ANSWER_SIZE)
    view, got = memoryview(answers), 0
    while got < len(answers):
        got += link.recv_into(view[got:])
    rows = np.frombuffer(answers, dtype=np.uint8).reshape(wanted, ANSWER_SIZE)
    return int((rows[:, 4:12] == np.array([0x80, 0, 0, 4, 0, 0, 0, 0], dtype=np.uint8)).all(axis=1).sum())


def blast(port: int, load: Load, results: Connection) -> None:
    share = load.messages // load.binds
    loads = [render(place * share, share, receipts=load.receipts) for place in range(load.binds)]
    links = [bind(port) for _ in loads]
    good = [0] * load.binds

    def listen(place: int) -> None:
        good[place] = read_answers(links[place], share)

    writers = [threading.Thread(target=link.sendall, args=(octets,)) for link, octets in zip(links, loads, strict=True)]
    readers = [threading.Thread(target=listen, args=(place,)) for place in range(load.binds)]
    started = time.perf_counter()
    for thread in (*readers, *writers):
        thread.start()
    for thread in (*writers, *readers):
        thread.join()
    results.send((time.perf_counter() - started, sum(good)))
    for link in links:
        link.close()


def measure(load: Load) -> dict[str, object]:
    processes = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        people = Path(folder, "people.csv")
        with people.open("w") as out:
            out.write("mobile,abo,rhd,language\n")
            out.writelines(f"{FIRST_NUMBER + n},AB,pos,zh\n" for n in range(load.messages))
        settings = SimSettings(port=0, http_port=0, people=people, state_dir=Path(folder, "state"))
        ready, tell = processes.Pipe(duplex=False)
        server = processes.Process(target=serve_in_process, args=(settings, tell), daemon=True)
        server.start()
        port, http_port = ready.recv()
        before = cpu_seconds(server.pid)
        results, answer = processes.Pipe(duplex=False)
        client = processes.Process(target=blast, args=(port, load, answer), daemon=True)
        client.start()
        seconds, accepted = results.recv()
        client.join()
        cpu = cpu_seconds(server.pid) - before
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
        "server_cpu_us_per_message": round(cpu / accepted * 1e6, 2),
        "server_peak_megabytes": memory,
        "binds": load.binds,
        "receipts": load.receipts,
        "cores": os.cpu_count(),
    }


def cpu_seconds(pid: int | None) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_megabytes(pid: int | None) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=500_000)
    parser.add_argument("--binds", type=int, default=1)
    parser.add_argument("--receipts", action="store_true", help="ask for a receipt with each message")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = measure(Load(asked.messages - asked.messages % asked.binds, asked.binds, asked.receipts))
    if asked.json:
        print(json.dumps(found))
    else:
        print("\n".join(f"{name:28} {value}" for name, value in found.items()))


if __name__ == "__main__":
    main()

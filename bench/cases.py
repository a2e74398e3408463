"""What the contenders of a fan-out are measured on, and what is written down about each."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Case:
    """One setting of the gateway and of the sender's side of the link; `window` 0 means the contender's best."""

    receipts: bool
    delay_ms: int
    window: int


@dataclass(frozen=True, slots=True)
class Result:
    """`seconds` end with the last message or, where receipts are asked for, with the last receipt."""

    name: str
    receipts: bool
    delay_ms: int
    window: int  # of each bind
    best: bool  # as large as suits this contender, with as many binds as suit it
    binds: int
    workers: int
    messages: int
    seconds: float
    seconds_sent: float
    messages_per_second: int
    sender_cpu_us: float  # processor time of the sending processes for one message, receipts included
    lost: int
    duplicates: int


class Contender(Protocol):
    """A sender that can be measured again and again."""

    async def prepare(self, messages: int) -> None:
        """Everything that need not be done anew for every case."""

    async def measure(self, case: Case, messages: int) -> Result:
        """One fan-out to a gateway that is started for it.  Raises `TimeoutError` when it does not get on."""


def gateway_options(case: Case, window: int) -> tuple[str, ...]:
    """How `muster smsc-sim` is started for it."""
    return (
        *("--latency-ms", str(case.delay_ms), "--window", str(window)),
        # Handsets that are slow to confirm are none of what is measured: some 5 ms at the bench's speed.
        *("--receipt-seconds", "0.5", "--undelivered", "0", "--receipts", "1" if case.receipts else "0"),
    )


def cpu_seconds(leaders: Iterable[int]) -> float:
    """What these processes and all in their sessions have used so far, in their own code and in the kernel."""
    wanted, ticks = set(leaders), 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue  # it has just ended; its time is its parent's by now
        if int(fields[3]) in wanted:
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")

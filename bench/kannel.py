"""Kannel as a contender: its bearerbox with a file store, `-v 4`, against the same simulator.

It is given every advantage that its users could give it.  All messages lie in its queue, and in its store file, before
the gateway opens: smsbox takes a hundred receivers with each request, and bearerbox finds nobody to send to until then.
So its clock runs from the first message at the gateway to the last one, and feeding it costs nothing.  With receipts it
runs until the gateway holds the answer to the last of them: by then bearerbox has matched it in its internal storage;
no URL is called for it, which would make Kannel slower.
"""

import asyncio
import os
import shutil
import time
from pathlib import Path

from bench.cases import Case, Result, cpu_seconds, gateway_options
from bench.sites import SPEED
from muster.demo.site import Plan, Site, open_site
from tests.servers.kannel import Kannel
from tests.servers.process import ServerMissing, free_port

TEXT = (
    "【北京市总工会】紧急：患者急需血小板，您登记的血型可能相合。能献请回复1，不能请回复2，详询12351。拒收请回复R谢谢"
)
SENDER = "106901231201"
FIRST_NUMBER = 17_900_000_000
AT_ONCE = 100  # receivers of one request
REPORTS = 3  # delivered and not delivered
STUCK = 60.0
_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
BEST_WINDOW, BEST_BINDS = 1000, 2


def programs() -> tuple[str, str]:
    """bearerbox and smsbox.  Raises `ServerMissing`."""
    bearerbox, smsbox = (shutil.which(name, path=_PATH) for name in ("bearerbox", "smsbox"))
    if bearerbox is None or smsbox is None:
        raise ServerMissing("there is no Kannel (Debian: apt-get install kannel)")
    return bearerbox, smsbox


class KannelContender:
    """Started anew for each case, with an empty store."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._programs = programs()
        self._round = 0

    async def prepare(self, messages: int) -> None:
        """Nothing: what it sends is queued for each case."""

    async def measure(self, case: Case, messages: int) -> Result:
        self._round += 1
        folder = self._folder / str(self._round)
        folder.mkdir(parents=True)
        window, binds = (case.window, 1) if case.window else (BEST_WINDOW, BEST_BINDS)
        smpp = free_port()
        with self._kannel(folder, smpp, window, binds) as kannel:
            await asyncio.to_thread(_queue, kannel, messages, receipts=case.receipts)
            before = cpu_seconds(kannel.pids)
            options = ("--port", str(smpp), *gateway_options(case, window))
            async with open_site(Plan(folder, speed=SPEED, gateway=options)) as site:
                await _sent(site, messages)
                done = await _reported(site, messages) if case.receipts else 0.0
                await site.witness.settle(quiet=0.2)
                sent = (await site.witness.counts())[""]
                used = cpu_seconds(kannel.pids) - before
        shutil.rmtree(folder)
        first, last = sent["first"], sent["last"]
        seconds = max(last, done) - first
        return Result(
            name="kannel",
            receipts=case.receipts,
            delay_ms=case.delay_ms,
            window=window,
            best=not case.window,
            binds=binds,
            workers=1,
            messages=int(sent["messages"]),
            seconds=round(seconds, 3),
            seconds_sent=round(last - first, 3),
            messages_per_second=round(messages / seconds),
            sender_cpu_us=round(used / messages * 1e6, 1),
            lost=messages - int(sent["numbers"]),
            duplicates=int(sent["doubled"]),
        )

    def _kannel(self, folder: Path, smpp: int, window: int, binds: int) -> Kannel:
        return Kannel(
            *self._programs,
            smsc_port=smpp,
            callbacks="http://127.0.0.1:9",  # nobody listens: members' answers are none of this
            folder=folder,
            core=f"store-type = file\nstore-location = {folder / 'kannel.store'}",
            link=f"max-pending-submits = {window}\ninstances = {binds}\nreconnect-delay = 1",
        )


def _queue(kannel: Kannel, messages: int, *, receipts: bool) -> None:
    for start in range(0, messages, AT_ONCE):
        numbers = range(FIRST_NUMBER + start, FIRST_NUMBER + min(start + AT_ONCE, messages))
        kannel.send(TEXT, sender=SENDER, to=" ".join(map(str, numbers)), dlr_mask=REPORTS if receipts else 0)


async def _sent(site: Site, messages: int) -> None:
    """Return when the gateway has seen all numbers.  Raises `TimeoutError` when nothing new comes."""
    seen, since = -1.0, time.monotonic()
    while seen < messages:
        # Kannel's messages carry no reference: they are the only ones without.
        counts = (await site.witness.counts()).get("", {})
        if (now := counts.get("numbers", 0)) != seen:
            seen, since = now, time.monotonic()
        elif time.monotonic() - since > STUCK:
            raise TimeoutError(f"{seen:.0f} of {messages} messages arrived")
        await asyncio.sleep(0.1)


async def _reported(site: Site, messages: int) -> float:
    """The moment (epoch seconds) at which Kannel had answered the last receipt."""
    taken, since = -1, time.monotonic()
    while taken < messages:
        async with site.session.get(f"{site.witness.url}/counts") as response:
            now = (await response.json())["deliver"]["acknowledged"]
        if now != taken:
            taken, since = now, time.monotonic()
        elif time.monotonic() - since > STUCK:
            raise TimeoutError(f"{taken} of {messages} receipts were taken")
        if taken < messages:
            await asyncio.sleep(0.05)
    return time.time()

"""What the gateway saw, asked of the simulator over HTTP, and what our ledger says, held against each other."""

import asyncio
from dataclasses import dataclass
from typing import Any

import aiohttp
import numpy as np
from sqlalchemy import Connection, select

from agents.routes import batch_id
from registry import uncertain
from registry.ledger import CLAIMS, RECORDS, Fate
from registry.members import MEMBERS
from registry.selections import SELECTIONS


class Witness:
    """The simulator's own record of every message that it accepted; and members speak through it."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.session = session

    async def healthy(self) -> bool:
        try:
            async with self.session.get(f"{self.url}/health") as response:
                return response.status == 200  # noqa: PLR2004
        except aiohttp.ClientError:
            return False

    async def counts(self) -> dict[str, dict[str, float]]:
        """Per reference `kind/appeal/wave`: messages, segments, doubled, first and last (epoch seconds, real time)."""
        async with self.session.get(f"{self.url}/counts") as response:
            response.raise_for_status()
            body = await response.json()
        return dict(body["references"])

    async def numbers(self, reference: str) -> set[str]:
        """The numbers that this message reached, as the gateway wrote them."""
        async with self.session.get(f"{self.url}/numbers", params={"reference": reference}) as response:
            response.raise_for_status()
            return set((await response.text()).split())

    async def messages(self, number: str) -> list[dict[str, Any]]:
        """What this number got, the oldest first: from, text, reference and time (epoch seconds, real time)."""
        async with self.session.get(f"{self.url}/messages", params={"to": number}) as response:
            response.raise_for_status()
            return list((await response.json())["messages"])

    async def doubled(self, reference: str) -> set[str]:
        """The numbers that got this message more than once."""
        async with self.session.get(f"{self.url}/doubled", params={"reference": reference}) as response:
            response.raise_for_status()
            return {entry["number"] for entry in (await response.json())["doubled"]}

    async def say(self, number: str, to: str, text: str) -> None:
        """Somebody writes to us."""
        said = {"from": number, "to": to, "text": text}
        async with self.session.post(f"{self.url}/say", json=said) as response:
            response.raise_for_status()

    async def settle(self, *, quiet: float = 0.5, limit: float = 30.0) -> None:
        """Wait until nothing new has arrived for a while, bounded."""
        before: object = None
        for _ in range(int(limit / quiet)):
            now = await self.counts()
            if now == before:
                return
            before = now
            await asyncio.sleep(quiet)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One appeal, as the witness and the ledger tell it together."""

    invited: int
    seen: int
    doubled: int
    lost: int
    uncertain: int
    refused: int
    withdrawn: int
    first: float
    last: float

    @property
    def seconds(self) -> float:
        return max(0.0, self.last - self.first)


def judge(
    connection: Connection,
    appeal_id: str,
    counts: dict[str, dict[str, float]],
    seen: dict[str, set[str]],
) -> Verdict:
    """Lost: recorded as sent and never seen, or selected and neither seen, withdrawn, refused nor uncertain."""
    waves = (
        connection.execute(select(SELECTIONS.c.wave).where(SELECTIONS.c.appeal_id == appeal_id).distinct())
        .scalars()
        .all()
    )
    found = [counts.get(f"mass/{appeal_id}/{wave}", {}) for wave in waves]
    invited = lost = withdrawn = 0
    fates: dict[Fate, int] = {}
    size = uncertain.batch_size(connection, appeal_id) if waves else 0
    for wave in sorted(waves):
        wave_fates = _fates_by_member(connection, appeal_id, wave, size)
        invited += len(wave_fates)
        for fate in wave_fates.values():
            if fate is None:
                withdrawn += 1
            else:
                fates[fate] = fates.get(fate, 0) + 1
        lost += _lost(connection, wave_fates, seen.get(f"mass/{appeal_id}/{wave}", set()))
    return Verdict(
        invited=invited,
        seen=int(sum(entry.get("messages", 0) for entry in found)),
        doubled=int(sum(entry.get("doubled", 0) for entry in found)),
        lost=lost,
        uncertain=fates.get(Fate.UNCERTAIN, 0),
        refused=fates.get(Fate.REFUSED, 0) + fates.get(Fate.NO_ADDRESS, 0),
        withdrawn=withdrawn + fates.get(Fate.WITHDRAWN, 0),
        first=min((entry["first"] for entry in found if entry), default=0.0),
        last=max((entry["last"] for entry in found if entry), default=0.0),
    )


def _fates_by_member(connection: Connection, appeal_id: str, wave: int, size: int) -> dict[int, Fate | None]:
    """What the ledger says of everybody that was selected; none for batches that were never released.

    A member whose batch was begun (claimed, or recorded in part) and of whom nothing is written counts as sent: then
    only the witness can clear us.
    """
    told: dict[int, Fate | None] = {}
    selections = connection.execute(
        select(SELECTIONS).where(SELECTIONS.c.appeal_id == appeal_id, SELECTIONS.c.wave == wave)
    )
    records: dict[str, list[tuple[int, bytes]]] = {}
    rows = connection.execute(
        select(RECORDS.c.batch_id, RECORDS.c.first, RECORDS.c.fates).where(
            RECORDS.c.appeal_id == appeal_id, RECORDS.c.wave == wave
        )
    )
    for row in rows:
        records.setdefault(row.batch_id, []).append((row.first, bytes(row.fates)))
    begun = set(
        connection.execute(
            select(CLAIMS.c.batch_id).where(CLAIMS.c.appeal_id == appeal_id, CLAIMS.c.wave == wave)
        ).scalars()
    )
    for selection in selections:
        members = np.frombuffer(selection.members, "<i8").tolist()
        for number, start in enumerate(range(0, len(members), size)):
            batch = batch_id(appeal_id, wave, selection.shard, number)
            chunk = members[start : start + size]
            default = Fate.SENT if batch in begun or batch in records else None
            told.update(dict.fromkeys(chunk, default))
            for first, fates in records.get(batch, []):
                told.update(zip(chunk[first : first + len(fates)], map(Fate, fates), strict=True))
    return told


def _lost(connection: Connection, fates: dict[int, Fate | None], seen: set[str]) -> int:
    """Members recorded as sent whose number the witness never saw."""
    sent = [member for member, fate in fates.items() if fate is Fate.SENT]
    missing = 0
    for start in range(0, len(sent), 10_000):
        chunk = sent[start : start + 10_000]
        mobiles = connection.execute(select(MEMBERS.c.mobile).where(MEMBERS.c.id.in_(chunk))).scalars()
        missing += sum((mobile or "").removeprefix("+86") not in seen for mobile in mobiles)
    return missing

"""People who answer while things break: what the gateway has been rid of is kept, has its effect, and has it once.

The simulator pushes a message again, as gateways do, until it has been told that it arrived; so everything that is said here is
acknowledged in the end, and some of it comes more than once.
"""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, cycle

from sqlalchemy import Connection, select

from bench.fire.front import PATIENCE, Front
from bench.fire.traces import show_traces
from registry.board import HAPPENED, counts
from registry.ledger import RECORDS
from registry.members import MEMBERS
from registry.opt_outs import OPT_OUTS
from registry.replies import ANSWERS, REPLIES

_ANSWERS = {"1": "yes", "2": "no"}
_OPT_OUT = "T"
_FIRST = 100  # messages that have left when people begin to answer
_MOST = 300  # people who answer one appeal
_OPT_OUTS_EACH = 12  # answers between two opt-outs
_PAUSE = (0.1, 0.6)  # seconds between two people


@dataclass(frozen=True)
class Hearing:
    """What became of what so many people said."""

    said: int
    lost: int
    doubled: int
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        return (
            f"{self.said} people answered: {self.lost} lost, {self.doubled} doubled {'; '.join(self.reasons)}".rstrip()
        )


@dataclass
class Voices:
    """Those of one appeal."""

    front: Front
    said: dict[str, str] = field(default_factory=dict)  # by mobile

    async def speak(self) -> None:
        """One after the other, until cancelled or everybody has."""
        front, chance = self.front, random.Random(self.front.appeal)
        while await front.seen() < _FIRST:  # noqa: ASYNC110 - the gateway sets no event of ours
            await asyncio.sleep(0.1)
        reached = sorted(await front.site.witness.numbers(front.reference))[:_MOST]
        asked = await front.site.database.read(partial(_sole_owners, mobiles=reached))
        others = await front.site.database.read(_not_asked)
        chance.shuffle(asked)
        chance.shuffle(others)
        told = await front.site.witness.messages(asked[0])
        to = next(str(entry["from"]) for entry in told if entry["reference"] == front.reference)
        words = cycle(chain(["1", "2"] * (_OPT_OUTS_EACH // 2), [_OPT_OUT]))
        for mobile in asked:
            word = next(words)
            speaker = mobile if word in _ANSWERS else others.pop()
            await front.site.witness.say(speaker, to, word)
            self.said[speaker] = word
            await asyncio.sleep(chance.uniform(*_PAUSE))

    async def judge(self) -> Hearing:
        """Once everything has had its effect, or nothing more comes."""
        best, since = -1, time.monotonic()
        while True:
            found = await self.front.site.database.read(partial(_effects, appeal=self.front.appeal, said=self.said))
            there = sum(len(mobiles) for mobiles in found.values())
            if there == len(found) * len(self.said) or time.monotonic() - since > PATIENCE:
                break
            if there > best:
                best, since = there, time.monotonic()
            await asyncio.sleep(0.2)
        await self.front.site.witness.settle(quiet=0.3)
        missing = {what: self.said.keys() - mobiles.keys() for what, mobiles in found.items()}
        twice = {what: {mobile for mobile, times in mobiles.items() if times > 1} for what, mobiles in found.items()}
        twice["at the gateway"] = await self.front.site.witness.doubled(f"ack/{self.front.appeal}/0")
        # The board's counts know no names: what is missing there is nobody's.
        await show_traces(self.front, set().union(*(mobiles for what, mobiles in missing.items() if what != "counted")))
        reasons = [f"{len(mobiles)} not {what}" for what, mobiles in missing.items() if mobiles]
        reasons += [f"{len(mobiles)} more than once {what}" for what, mobiles in twice.items() if mobiles]
        return Hearing(
            len(self.said), len(set().union(*missing.values())), len(set().union(*twice.values())), tuple(reasons)
        )


def _sole_owners(connection: Connection, *, mobiles: Sequence[str]) -> list[str]:
    """Those of these mobiles that one member has: what comes from a shared one waits for a person."""
    written = [f"+86{mobile}" for mobile in mobiles]
    own = select(MEMBERS.c.mobile).where(MEMBERS.c.mobile.in_(written), MEMBERS.c.mobile_shared.is_(False))
    return sorted(str(mobile).removeprefix("+86") for mobile in connection.execute(own).scalars())


def _not_asked(connection: Connection) -> list[str]:
    """Some whose blood is of another type and who have not opted out: they are missed by no appeal."""
    other = select(MEMBERS.c.mobile).where(
        MEMBERS.c.abo == "A",
        MEMBERS.c.mobile.is_not(None),
        MEMBERS.c.mobile_shared.is_(False),
        MEMBERS.c.opt_outs == 0,
    )
    return [str(mobile).removeprefix("+86") for mobile in connection.execute(other.limit(2000)).scalars()]


def _effects(connection: Connection, *, appeal: str, said: Mapping[str, str]) -> dict[str, Counter[str]]:
    """How often what each mobile said is found in each place where it belongs once."""
    written = {f"+86{mobile}": mobile for mobile in said}
    rows = connection.execute(select(MEMBERS.c.id, MEMBERS.c.mobile).where(MEMBERS.c.mobile.in_(written)))
    mobiles = {member: written[mobile] for member, mobile in rows}
    replies = connection.execute(
        select(REPLIES.c.reply_id, REPLIES.c.member_id).where(
            REPLIES.c.member_id.in_(mobiles), REPLIES.c.appeal_id == appeal
        )
    ).all()
    orders = {f"ack/{row.reply_id}": mobiles[row.member_id] for row in replies}
    recorded = connection.execute(select(RECORDS.c.batch_id).where(RECORDS.c.batch_id.in_(orders))).scalars()
    understood = {
        mobiles[row.member_id]: row.answer
        for row in connection.execute(select(ANSWERS).where(ANSWERS.c.appeal_id == appeal))
        if row.member_id in mobiles
    }
    silent = Counter(
        mobiles[member]
        for member in connection.execute(
            select(OPT_OUTS.c.member_id).where(OPT_OUTS.c.member_id.in_(mobiles))
        ).scalars()
    )
    lines: Counter[str] = Counter()
    for row in connection.execute(select(HAPPENED).where(HAPPENED.c.appeal_id == appeal)):
        if row.what in _ANSWERS.values():
            lines[mobiles[json.loads(row.details)["member"]]] += 1
    effect: Counter[str] = Counter()
    for mobile, word in said.items():
        effect[mobile] = silent[mobile] if word == _OPT_OUT else int(understood.get(mobile) == _ANSWERS[word])
        lines[mobile] += word == _OPT_OUT  # the board has no line of it
    return {
        "stored": Counter(mobiles[row.member_id] for row in replies),
        "understood": +effect,
        "acknowledged in the ledger": Counter(orders[batch_id] for batch_id in recorded),
        "on the board": +lines,
        "counted": _counted(connection, appeal, said),
    }


def _counted(connection: Connection, appeal: str, said: Mapping[str, str]) -> Counter[str]:
    """The board's counts know no names: right or wrong, they are everybody's."""
    told = counts(connection, appeal)
    wanted = Counter(f"replies_{_ANSWERS[word]}" for word in said.values() if word in _ANSWERS)
    times = {int(str(told.get(name, 0))) - number for name, number in wanted.items()}
    return Counter(dict.fromkeys(said, 1 + max(times, default=0))) if min(times, default=0) >= 0 else Counter()

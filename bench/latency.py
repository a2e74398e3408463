"""How long people wait while mass messages leave at full speed: for an acknowledgement, on the board, and for a recall.

    python bench/latency.py [--log embedded] [--messages 100000] [--replies 100] [--rounds 3] [--recalls 5] [--json FILE]

In each round an appeal texts `--messages` members with every receipt asked for, and while it does, `--replies` of those
who have got the message answer "1", one after the other: the simulator is told to deliver their words to us.
*acknowledged* is from that order to our acknowledgement as the gateway recorded it; *on the board* from that order to the
moment at which the line "said yes" can be read by whoever polls the board's table, here every ten milliseconds.  On the
way lie *stored* (the reply is durable, then the gateway gets its deliver_sm_resp) and *understood* (the answer is).  A recall
is another appeal, whose deciding confirmation comes when half of its messages have left: from the moment at which the
confirmation is acknowledged to the officer to the last mass message at the gateway, 0 when none came after it.
Everything, gateway included, runs on one machine; appeal time runs at a hundred times real time, the figures are real.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from sqlalchemy import Connection, select

from bench.sites import SPEED, fill_registry, plan_on, until_told_to_stop
from muster.demo.desk import RehearsalDesk
from muster.demo.recall import recall
from muster.demo.site import Plan, Site, open_site
from muster.demo.story import drill_spec, launch
from registry.board import HAPPENED
from registry.members import MEMBERS
from registry.replies import ANSWERS, REPLIES

LOOK_EVERY = 0.01
LOOKED_AT = 1000  # replies of earlier appeals lie in the same table
PLACES = ("stored", "understood", "board")
Seen = dict[str, dict[int, float]]  # for each place: when (epoch seconds) each member was first there
SETTLE = 20.0  # seconds that a reply may take before it counts as never answered
SMS = {"binds": 2, "window": 8192, "registered_delivery": True}
GATEWAY = ("--window", "8192", "--undelivered", "0")


@dataclass(slots=True)
class Waits:
    """Milliseconds, one for each reply or recall."""

    stored: list[float] = field(default_factory=list)
    understood: list[float] = field(default_factory=list)
    acknowledged: list[float] = field(default_factory=list)
    on_board: list[float] = field(default_factory=list)
    recalls: list[float] = field(default_factory=list)
    unanswered: int = 0
    replies_after_the_fanout: int = 0
    seconds_of_fanout: list[float] = field(default_factory=list)


async def replies_round(site: Site, waits: Waits, *, messages: int, replies: int) -> None:
    """One appeal with answers while it leaves."""
    appeal = await launch(site.commands, drill_spec(messages), site.plan.folder, "latency")
    reference = f"mass/{appeal}/1"
    numbers = sorted(await _first_numbers(site, reference, replies))[:replies]
    heard = await asyncio.gather(*(site.witness.messages(number) for number in numbers))
    senders = {
        number: entry["from"]
        for number, told in zip(numbers, heard, strict=True)
        for entry in told
        if entry["reference"] == reference
    }
    said: dict[str, float] = {}
    members = await site.database.read(partial(_members, mobiles=numbers))
    watching = asyncio.create_task(_watch(site, appeal, set(members.values())))
    for number in numbers:
        said[number] = time.time()
        await site.witness.say(number, senders[number], "1")
        await asyncio.sleep(LOOK_EVERY)
    seen = await watching
    await site.witness.settle(quiet=0.5)
    counts = (await site.witness.counts())[reference]
    waits.seconds_of_fanout.append(counts["last"] - counts["first"])
    waits.replies_after_the_fanout += sum(at > counts["last"] for at in said.values())
    print(f"{messages / waits.seconds_of_fanout[-1]:.0f} messages/s while {len(said)} answered", flush=True)
    await _note(site, waits, {number: (members[number], at) for number, at in said.items()}, seen)
    await site.commands.run("appeal", "stop", appeal, "--reason", "measured")


async def _note(site: Site, waits: Waits, said: dict[str, tuple[int, float]], seen: Seen) -> None:
    for number, (member, at) in said.items():
        ours = [entry["time"] for entry in await site.witness.messages(number) if entry["reference"].startswith("ack/")]
        answered = [moment for moment in ours if moment >= at]
        if not answered or any(member not in moments for moments in seen.values()):
            waits.unanswered += 1
            continue
        waits.acknowledged.append((answered[0] - at) * 1000)
        for waited, moments in zip((waits.stored, waits.understood, waits.on_board), seen.values(), strict=True):
            waited.append((moments[member] - at) * 1000)


async def _first_numbers(site: Site, reference: str, wanted: int) -> set[str]:
    async with asyncio.timeout(60):
        while True:
            numbers = await site.witness.numbers(reference)
            if len(numbers) >= wanted:
                return numbers
            await asyncio.sleep(LOOK_EVERY)


async def _watch(site: Site, appeal: str, members: set[int]) -> Seen:
    """When what each member said could first be read in each place; ends when all could, or nothing new comes."""
    seen: Seen = {place: {} for place in PLACES}
    since = time.monotonic()
    while any(len(moments) < len(members) for moments in seen.values()) and time.monotonic() - since < SETTLE:
        found = await site.database.read(partial(_said_yes, appeal=appeal))
        for place, those in found.items():
            fresh = (those & members) - seen[place].keys()
            seen[place] |= dict.fromkeys(fresh, time.time())
            since = time.monotonic() if fresh else since
        await asyncio.sleep(LOOK_EVERY)
    return seen


def _said_yes(connection: Connection, *, appeal: str) -> dict[str, set[int]]:
    told = select(HAPPENED.c.details).where(HAPPENED.c.appeal_id == appeal, HAPPENED.c.what == "yes")
    said = select(REPLIES.c.member_id).order_by(REPLIES.c.received_at.desc()).limit(LOOKED_AT)
    meant = select(ANSWERS.c.member_id).where(ANSWERS.c.appeal_id == appeal)
    return {
        "stored": set(connection.execute(said).scalars()),
        "understood": set(connection.execute(meant).scalars()),
        "board": {int(json.loads(details)["member"]) for details in connection.execute(told).scalars()},
    }


def _members(connection: Connection, *, mobiles: list[str]) -> dict[str, int]:
    written = [form for mobile in mobiles for form in (mobile, f"+86{mobile}")]
    rows = connection.execute(select(MEMBERS.c.mobile, MEMBERS.c.id).where(MEMBERS.c.mobile.in_(written)))
    return {mobile.removeprefix("+86"): member for mobile, member in rows}


def _quantiles(values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {}
    return {
        "p50": round(float(np.percentile(values, 50)), 1),
        "p99": round(float(np.percentile(values, 99)), 1),
        "max": round(max(values), 1),
    }


def _with_settings(plan: Plan) -> Plan:
    return replace(plan, speed=SPEED, settings={**plan.settings, "sms": SMS}, gateway=GATEWAY)


def _new_id(kind: str) -> str:
    return f"{kind}-{uuid4().hex[:12]}"


async def run(options: argparse.Namespace) -> dict[str, object]:
    """All rounds on one log."""
    waits = Waits()
    with tempfile.TemporaryDirectory(prefix="muster-latency-") as folder, ExitStack() as servers:
        plan = plan_on(options.log, Path(folder), servers)
        await fill_registry(plan, options.messages)
        async with open_site(_with_settings(plan)) as site:
            await site.start_worker()
            for _ in range(options.rounds):
                await replies_round(site, waits, messages=options.messages, replies=options.replies)
            shards, now = site.settings.shards, site.clock.now
            desk = RehearsalDesk(site.database, shards=shards, now=now, new_id=_new_id)
            for _ in range(options.recalls):
                _, took = await recall(site, desk, size=options.messages, share=0.5)
                waits.recalls.append(took)
                print(f"recalled within {took:.0f} ms", flush=True)
    return {
        "log": options.log,
        "messages": options.messages,
        "messages_per_second": [round(options.messages / seconds) for seconds in waits.seconds_of_fanout],
        "replies": len(waits.acknowledged),
        "replies_after_the_fanout": waits.replies_after_the_fanout,
        "unanswered": waits.unanswered,
        "stored_ms": _quantiles(waits.stored),
        "understood_ms": _quantiles(waits.understood),
        "acknowledged_ms": _quantiles(waits.acknowledged),
        "on_board_ms": _quantiles(waits.on_board),
        "recall_ms": [round(took, 1) for took in waits.recalls],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", choices=["embedded", "kafka"], default="embedded")
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--replies", type=int, default=100, help="in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--recalls", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = asyncio.run(until_told_to_stop(run(options)))
    print("\n".join(f"{name:26} {value}" for name, value in found.items()))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""What the database and the log know of a reply of which something is missing: where it got stuck."""

import json
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path

from kafka import KafkaAdminClient
from sqlalchemy import Connection, select

from bench.fire.front import Front
from registry.leases import LEASES
from registry.ledger import CLAIMS, RECORDS
from registry.members import MEMBERS
from registry.outbox import OUTBOX, SEEN
from registry.replies import REPLIES
from streams.embedded.store import Store
from streams.inbox import Raw
from streams.tail import read_to_end
from streams.url import EmbeddedLog, parse

_TOPICS = ("inbound", "dispatch-urgent", "appeals", "deliveries")


async def show_traces(front: Front, mobiles: Collection[str]) -> None:
    """One line each, as JSON, and nothing for nobody; the people and their numbers are made up."""
    if not mobiles:
        return
    log = parse(front.site.settings.log)
    records = [record for topic in _TOPICS async for record in read_to_end(front.site.settings.log, topic)]
    _say("held", await front.site.database.read(_rows_of_leases))
    _say("committed", _committed_there(log.path) if isinstance(log, EmbeddedLog) else _committed(log.servers))
    replies = await front.site.database.read(partial(_replies_of, mobiles=mobiles, appeal=front.appeal))
    for reply_id, reply in replies.items():
        _say("reply", reply)
        for row in await front.site.database.read(partial(_rows_of, reply_id=reply_id)):
            _say(reply_id, row)
        for record in records:
            if _is_about(record, reply_id):
                _say(reply_id, {"topic": record.topic, "partition": record.partition, "offset": record.offset})


def _say(about: str, told: Mapping[str, object]) -> None:
    print(f"  trace of {about}: {json.dumps(told, default=str)}", flush=True)


def _is_about(record: Raw, reply_id: str) -> bool:
    text = reply_id.encode()
    return text in (record.value or b"") or any(text in value for _, value in record.headers)


def _replies_of(connection: Connection, *, mobiles: Collection[str], appeal: str) -> dict[str, dict[str, object]]:
    written = [f"+86{mobile}" for mobile in mobiles]
    rows = connection.execute(
        select(REPLIES)
        .join(MEMBERS, MEMBERS.c.id == REPLIES.c.member_id)
        .where(MEMBERS.c.mobile.in_(written), REPLIES.c.appeal_id == appeal)
    )
    return {row["reply_id"]: dict(row) for row in rows.mappings()}


def _rows_of(connection: Connection, *, reply_id: str) -> list[dict[str, object]]:
    tables = [(table, table.c.batch_id == f"ack/{reply_id}") for table in (CLAIMS, RECORDS)]
    tables += [(table, table.c.event_id.contains(reply_id)) for table in (OUTBOX, SEEN)]
    return [
        {"table": table.name, **row}
        for table, where in tables
        for row in connection.execute(select(table).where(where)).mappings()
    ]


def _rows_of_leases(connection: Connection) -> dict[str, object]:
    return {row.name: f"{row.owner} epoch {row.epoch}" for row in connection.execute(select(LEASES))}


def _committed_there(path: Path) -> dict[str, int | None]:
    store = Store(path)
    try:
        return {
            f"{topic}/{n}": store.committed("muster", topic, n)
            for topic in _TOPICS
            for n in range(store.partitions(topic) or 0)
        }
    finally:
        store.close()


def _committed(servers: Collection[str]) -> dict[str, int]:
    admin = KafkaAdminClient(bootstrap_servers=list(servers))
    try:
        found = admin.list_group_offsets("muster")["muster"]
    finally:
        admin.close()
    return {f"{tp.topic}/{tp.partition}": offset.offset for tp, offset in found.items()}

"""Canaries: made-up people whose every datum is unmistakable, and a search for them in whatever an outsider may see."""

import base64
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from kafka import KafkaAdminClient

from streams.inbox import Raw
from streams.tail import read_to_end
from streams.url import EmbeddedLog, parse


def dressed(canary: str) -> dict[str, bytes]:
    """The forms in which a text may lie in a file: as it is, and as JSON, SMPP, URLs and hexadecimal write it."""
    plain, wide = canary.encode(), canary.encode("utf-16-be")
    forms = {
        "plain": plain,
        "json": json.dumps(canary)[1:-1].encode(),
        "ucs-2": wide,
        "url": quote(canary).encode(),
        "hex": plain.hex().encode(),
        "hex of ucs-2": wide.hex().encode(),
    }
    # In base64 a text looks different at each of three places; what depends on its neighbours is cut off.
    for place in range(3):
        forms[f"base64 at {place}"] = base64.b64encode(b"\0" * place + plain)[4 if place else 0 : -4]
    return forms


def found(canaries: dict[str, str], seen: dict[str, bytes]) -> list[tuple[str, str, str]]:
    """Where any of these was seen: the canary's name, its form, the place."""
    lower = {place: content.lower() for place, content in seen.items()}
    return [
        (name, form, place)
        for name, canary in canaries.items()
        for form, octets in dressed(canary).items()
        for place, content in (seen if form.startswith("base64") else lower).items()
        if (octets if form.startswith("base64") else octets.lower()) in content
    ]


async def log_bytes(log_url: str) -> dict[str, bytes]:
    """Every byte of every topic: keys, values, headers; dead letters also unpacked."""
    seen = {}
    for topic in topic_names(log_url):
        records = [record async for record in read_to_end(log_url, topic)]
        seen[f"topic {topic}"] = b"\n".join(part for record in records for part in parts(record))
    return seen


def topic_names(log_url: str) -> list[str]:
    """All topics that are there, also those that nobody of ours has declared."""
    log = parse(log_url)
    if isinstance(log, EmbeddedLog):
        with closing(sqlite3.connect(log.path)) as connection:
            return [name for (name,) in connection.execute("SELECT name FROM topics")]
    admin = KafkaAdminClient(bootstrap_servers=list(log.servers))
    try:
        return [name for name in admin.list_topics() if not name.startswith("__")]
    finally:
        admin.close()


def parts(record: Raw) -> Iterator[bytes]:
    yield from (part for part in (record.key, record.value) if part is not None)
    yield from (part for name, value in record.headers for part in (name.encode(), value))
    if record.topic == "dead-letters":
        letter = json.loads(record.value or b"{}")
        packed = [letter.get("key"), letter.get("value"), *(value for _, value in letter.get("headers", []))]
        yield from (base64.b64decode(part) for part in packed if part)


def log_lines(folder: Path) -> dict[str, bytes]:
    """What every process has said."""
    return {f"log {path.name}": path.read_bytes() for path in sorted(folder.glob("*.log"))}

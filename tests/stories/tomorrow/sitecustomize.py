"""A process that is started with this folder on PYTHONPATH is of a release to come: every message that it writes has gained
fields, and beside each stands one of a type that nobody else knows, on every partition of its topic: whatever
partitions a worker of today has, it meets some.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path.cwd()))  # as `python -m` will do: the same code as without us

from sqlalchemy import Connection

from registry import outbox
from schemas import outgoing
from schemas.envelope import Envelope
from schemas.outgoing import Outgoing
from schemas.reader import Message
from streams.topics import topics

FIELD = {"of_tomorrow": {"carrier": "m"}}
TYPE = "muster.of-tomorrow"
PARTITIONS = {topic.name: topic.partitions for topic in topics(shards=8)}
_write, _put = outgoing.write, outbox.put


def write(message: Message) -> bytes:
    body = json.loads(_write(message)) | FIELD
    if "batches" in body:
        body["batches"] = [batch | FIELD for batch in body["batches"]]
    return json.dumps(body).encode()


def put(connection: Connection, messages: Sequence[Outgoing]) -> None:
    _put(connection, [each for message in messages for each in (message, *_beside(message))])


def _beside(message: Outgoing) -> list[Outgoing]:
    # A key of its own: a compacted topic would forget the message of today.
    unknown = replace(message, key=f"{message.key}/of-tomorrow", value=b'{"type": "%s"}' % TYPE.encode())
    return [
        replace(unknown, partition=number, envelope=_envelope(message, number))
        for number in range(PARTITIONS[message.topic])
    ]


def _envelope(message: Outgoing, number: int) -> Envelope:
    return message.envelope.model_copy(update={"id": f"{message.envelope.id}/of-tomorrow/{number}", "type": TYPE})


outgoing.write = write
outbox.put = put

"""A process that is started with this folder on PYTHONPATH is of a release to come: every message that it writes has gained
fields, and beside each stands one of a type that nobody else knows.
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
from schemas.outgoing import Outgoing
from schemas.reader import Message

FIELD = {"of_tomorrow": {"carrier": "m"}}
TYPE = "muster.of-tomorrow"
_write, _put = outgoing.write, outbox.put


def write(message: Message) -> bytes:
    body = json.loads(_write(message)) | FIELD
    if "batches" in body:
        body["batches"] = [batch | FIELD for batch in body["batches"]]
    return json.dumps(body).encode()


def put(connection: Connection, messages: Sequence[Outgoing]) -> None:
    _put(connection, [each for message in messages for each in (message, _beside(message))])


def _beside(message: Outgoing) -> Outgoing:
    envelope = message.envelope.model_copy(update={"id": f"{message.envelope.id}/of-tomorrow", "type": TYPE})
    # A key of its own: a compacted topic would forget the message of today.
    return replace(
        message, key=f"{message.key}/of-tomorrow", envelope=envelope, value=b'{"type": "%s"}' % TYPE.encode()
    )


outgoing.write = write
outbox.put = put

"""Appending to the embedded log from plain code."""

import threading
from collections.abc import Sequence
from pathlib import Path

from schemas.outgoing import Outgoing
from streams.embedded.store import Append, Store
from streams.inbox import Raw


class EmbeddedPublisher:
    """One transaction per call.  May be used from several threads, one at a time."""

    def __init__(self, path: Path) -> None:
        self._store = Store(path)
        self._lock = threading.Lock()

    def publish(self, messages: Sequence[Outgoing]) -> None:
        with self._lock:
            self._store.append(
                Append(
                    message.topic,
                    message.key.encode(),
                    message.value,
                    message.envelope.to_headers(),
                    message.partition,
                )
                for message in messages
            )

    def republish(self, raw: Raw) -> None:
        with self._lock:
            self._store.append([Append(raw.topic, raw.key, raw.value, raw.headers, raw.partition)])

    def close(self) -> None:
        self._store.close()

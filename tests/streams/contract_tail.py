"""Another process that follows a topic and prints what it hears and when: `python -m tests.streams.contract_tail LOG TOPIC`."""

import asyncio
import sys
import time

from streams.tail import Tail


async def follow(log: str, topic: str) -> None:
    tail = Tail(log, topic)
    async for heard in tail.messages():
        print(heard.envelope.id, time.monotonic_ns(), flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(follow(sys.argv[1], sys.argv[2]))

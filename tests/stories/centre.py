"""A service centre at work: gateway, worker and web pages as processes, on either pair of log and database."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest

from tests.muster.house import House, page
from tests.servers.process import free_port

T = TypeVar("T")
SENDER = "10690000"
ON_SERVERS = pytest.param("servers", marks=[pytest.mark.kafka, pytest.mark.postgres])


def until(what: Callable[[], T], *, seconds: float = 60) -> T:
    """The first answer that is not empty; much sooner than this on a machine that has nothing else to do."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)
    return found


def until_quiet(what: Callable[[], T], *, seconds: float = 1.5) -> T:
    """The answer that has not changed for so long."""
    for _ in range(40):
        before = what()
        time.sleep(seconds)
        if what() == before:
            return before
    raise AssertionError("it never came to rest")


def on_servers(house: House, request: pytest.FixtureRequest) -> None:
    """This house stands on Kafka and PostgreSQL, and its topics are there."""
    house.settings["MUSTER_LOG"] = request.getfixturevalue("kafka_url")
    house.settings["MUSTER_DATABASE"] = request.getfixturevalue("postgres_url")
    house.ask("topics", "create")


@dataclass(frozen=True)
class Gateway:
    """The simulated gateway, seen from members' phones."""

    http: str

    def say(self, mobile: str, words: str, *, slot: int) -> None:
        """Somebody answers a message of this slot."""
        self._post("/say", {"from": mobile, "to": f"{SENDER}{slot:02d}", "text": words})

    def drop(self) -> None:
        """Cut every link, as a bad line would."""
        self._post("/drop", {})

    def texts(self, mobile: str, kind: str = "") -> list[str]:
        """What this phone has got, the oldest first; of one kind if it is named."""
        heard = json.loads(page(f"{self.http}/messages?to={quote(mobile)}") or '{"messages": []}')["messages"]
        return [message["text"] for message in heard if message["reference"].startswith(kind)]

    def reached(self, reference: str) -> set[str]:
        """The phones that have got this message."""
        return set(page(f"{self.http}/numbers?reference={quote(reference)}").split())

    def acknowledged(self, mobile: str, count: int = 1) -> str:
        """The latest acknowledgement, once there are so many."""
        return until(lambda: len(got := self.texts(mobile, "ack/")) >= count and got)[-1]

    def _post(self, path: str, body: dict) -> None:
        request = Request(f"{self.http}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
        urlopen(request, timeout=10).close()


@contextmanager
def gateway(house: House, *options: str) -> Iterator[Gateway]:
    """A simulated gateway that the house's workers find."""
    smpp, http = free_port(), free_port()
    house.settings |= {"MUSTER_SMS__SIMULATOR": "true", "MUSTER_SMS__PORT": str(smpp)}
    command = ("smsc-sim", "--port", str(smpp), "--http-port", str(http), *options)
    url = f"http://127.0.0.1:{http}"
    with house.running(*command, ready=lambda: page(f"{url}/health") != ""):
        yield Gateway(url)

"""Mail servers as processes, and what they saw."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from notifiers.email.metrics import EmailMetrics
from notifiers.email.notifier import EmailNotifier
from notifiers.email.settings import EmailSettings
from notifiers.ports import Letter
from schemas.words import Purpose

ROOT = Path(__file__).parents[2]
NOW = datetime(2011, 11, 24, 20, 0, tzinfo=UTC)
SECRET = "a secret of the tests, long enough"


@dataclass(frozen=True)
class Seen:
    """One letter that the server read to its end."""

    connection: int
    sender: str
    to: list[str]
    tls: bool
    hello: str
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        return BytesParser(policy=default).parsebytes(self.raw)


@dataclass(frozen=True)
class MailServer:
    port: int
    out: Path
    process: subprocess.Popen

    def seen(self) -> list[Seen]:
        lines = [json.loads(line) for line in self.out.read_text(encoding="utf-8").splitlines()]
        return [
            Seen(e["connection"], e["from"], e["to"], e["tls"], e["hello"], base64.b64decode(e["content"]))
            for e in lines
        ]

    def recipients(self) -> list[str]:
        return sorted(address for letter in self.seen() for address in letter.to)

    def forget(self) -> None:
        self.out.write_text("")


@contextmanager
def mail_server(folder: Path, *options: str) -> Iterator[MailServer]:
    out = folder / f"seen-{len(list(folder.iterdir()))}.jsonl"
    out.touch()
    command = [sys.executable, "-m", "tests.notifiers_email.mailserver", "--out", str(out), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            yield MailServer(int(process.stdout.readline()), out, process)
        finally:
            process.kill()


@pytest.fixture(scope="session", params=["pipelining", "one by one"])
def shared_server(request, tmp_path_factory) -> Iterator[MailServer]:
    """Every test on this runs against a server that takes commands in groups and against one that does not."""
    with mail_server(tmp_path_factory.mktemp("mail"), *(["--pipelining"] * (request.param == "pipelining"))) as server:
        yield server


@pytest.fixture
def server(shared_server) -> MailServer:
    shared_server.forget()
    return shared_server


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry) -> EmailMetrics:
    return EmailMetrics(registry)


@pytest.fixture
def make_notifier(metrics):
    def make(port: int, **changes) -> EmailNotifier:
        settings = {
            "port": port,
            "sender": "appeals@centre.test",
            "sender_name": "驰援",
            "inbound_domain": "in.centre.test",
            "public_url": "https://muster.centre.test",
            "secret": SecretStr(SECRET),
            "pause_seconds": 0.01,
            "longest_pause_seconds": 0.05,
            **changes,
        }
        return EmailNotifier(EmailSettings(**settings), metrics, now=lambda: NOW)

    return make


def a_letter() -> Letter:
    return Letter(
        text="【12351】急需AB型血小板，请回复1。拒收请回复R\n.第二行以点开头\n",
        reference="mass/a-2011/1",
        slot=7,
        not_after=datetime(2011, 11, 25, 0, 0, tzinfo=UTC),
        subject="急需AB型血小板",
        purpose=Purpose.BLOOD,
    )


@pytest.fixture
def letter() -> Letter:
    return a_letter()


def yes() -> bool:
    return True

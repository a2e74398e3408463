"""Fixtures that every folder of tests may ask for: real servers, started once for the whole run."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.needs import missing
from tests.servers.kafka import KafkaBroker
from tests.servers.postgres import PostgresServer
from tests.servers.process import ServerMissing

# A terminal is as wide as a test says: with two test processes the first leaves its own measures to the others.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)

# How long an example takes says something about the machine, not about the code.
settings.register_profile("muster", deadline=None)
settings.load_profile("muster")


@pytest.fixture(scope="session")
def kafka_server() -> Iterator[KafkaBroker]:
    """The one broker of this run, with whatever earlier tests left in it."""
    try:
        broker = KafkaBroker()
    except ServerMissing as exc:
        missing(str(exc))
    with broker:
        yield broker


@pytest.fixture
def kafka_broker(kafka_server: KafkaBroker) -> KafkaBroker:
    """The broker, running and empty, with `stop`, `kill` and `start` for tests that take it away."""
    kafka_server.start()
    kafka_server.forget_everything()
    return kafka_server


@pytest.fixture
def kafka_url(kafka_broker: KafkaBroker) -> str:
    """An empty log: `kafka://127.0.0.1:PORT`."""
    return kafka_broker.url


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The one PostgreSQL server of this run."""
    try:
        server = PostgresServer()
    except ServerMissing as exc:
        missing(str(exc))
    with server:
        yield server


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> PostgresServer:
    """The server, running, with `stop`, `kill` and `start` for tests that take it away."""
    return postgres_server.start()


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """A fresh, empty database: `postgresql://muster@127.0.0.1:PORT/NAME`, dropped after the test."""
    with postgres.database() as url:
        yield url

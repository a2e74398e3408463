"""Both logs, and cases of the contract on either."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from streams.publisher import open_publisher
from streams.setup import create_topics
from streams.topics import Topic, topics
from tests.servers.kafka import KafkaBroker
from tests.streams.contract import PARTITIONS, Case
from tests.streams.contract_worker import Plan


@pytest.fixture(scope="module", params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def log(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a log that several cases share; each names topics and groups of its own."""
    if request.param == "embedded":
        return f"sqlite:///{tmp_path_factory.mktemp('log')}/log.db"
    broker: KafkaBroker = request.getfixturevalue("kafka_server")
    return broker.start().url


@contextmanager
def new_case(log: str, folder: Path) -> Iterator[Case]:
    """A topic that nobody has used, and the dead letters beside it."""
    name = f"contract-{uuid4().hex[:12]}"
    letters = next(topic for topic in topics(PARTITIONS) if topic.name == "dead-letters")
    create_topics(log, [Topic(name, "any", partitions=PARTITIONS), letters])
    publisher = open_publisher(log)
    try:
        yield Case(Plan(log, name, name, PARTITIONS, str(folder)), publisher)
    finally:
        publisher.close()


@pytest.fixture
def case(log: str, tmp_path: Path) -> Iterator[Case]:
    with new_case(log, tmp_path) as case:
        yield case

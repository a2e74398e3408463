"""`muster topics create|check` on both logs: what is missing is made, what differs is said with a remedy."""

from datetime import timedelta
from pathlib import Path

import pytest

from streams.errors import ShortSession
from streams.setup import Difference, check_topics, create_topics, ensure_session
from streams.topics import Topic, topics
from tests.muster.house import House
from tests.servers.process import free_port

CREATED, BAD_INPUT, REFUSED, UNREACHABLE = 0, 2, 3, 4


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def empty_log(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "embedded":
        return f"sqlite:///{tmp_path}/log.db"
    url: str = request.getfixturevalue("kafka_url")
    return url


@pytest.fixture
def house(empty_log: str, tmp_path: Path) -> House:
    return House(tmp_path / "home", {"MUSTER_LOG": empty_log, "MUSTER_SHARDS": "2"})


def test_topics_are_made_once_and_checked(house: House):
    missing = house.type("topics", "check", "--json")
    assert missing.code == REFUSED
    assert {each["topic"]: each["what"] for each in missing.facts["differences"]} == {
        topic.name: "is missing" for topic in topics(2)
    }
    assert house.type("topics", "create").code == CREATED
    assert house.type("topics", "create").code == CREATED
    assert house.ask("topics", "check") == {"differences": []}


def test_another_number_of_shards_is_noticed_and_not_repaired(house: House, empty_log: str):
    create_topics(empty_log, topics(2))
    create_topics(empty_log, topics(3))
    checked = house.type("topics", "check", MUSTER_SHARDS="3")
    assert checked.code == REFUSED
    assert "member-changes has 2 partitions, not 3" in checked.out
    assert "set MUSTER_SHARDS back" in checked.out


@pytest.mark.kafka
def test_a_session_shorter_than_the_broker_allows_is_refused_before_anybody_waits_for_it(kafka_url: str):
    """The test's broker allows a second."""
    create_topics(kafka_url, topics(2))
    ensure_session(kafka_url, 1.0)
    with pytest.raises(ShortSession, match=r"MUSTER_SESSION_SECONDS: .* below 1 s: .*group\.min\.session\.timeout\.ms"):
        ensure_session(kafka_url, 0.9)


def test_the_embedded_log_knows_no_sessions(tmp_path: Path):
    ensure_session(f"sqlite:///{tmp_path}/log.db", 0.1)


def test_only_what_differs_is_named(empty_log: str):
    table = [Topic("a", "any", partitions=2), Topic("b", "any", partitions=2)]
    create_topics(empty_log, table[:1])
    assert check_topics(empty_log, table) == [Difference("b", "is missing", "run `muster topics create`")]


@pytest.mark.parametrize(
    ("log", "code", "said"),
    [
        ("kafka://127.0.0.1:{port}", UNREACHABLE, "no broker answers at 127.0.0.1:{port}"),
        ("sqlite:////proc/nowhere/log.db", UNREACHABLE, "the log cannot be reached"),
        ("log.db", BAD_INPUT, "MUSTER_LOG: write sqlite:////"),
    ],
    ids=["no broker", "no folder", "no log"],
)
def test_a_log_that_cannot_be_used_is_said_in_one_line(tmp_path: Path, log: str, code: int, said: str):
    port = free_port()
    typed = House(tmp_path / "home", {"MUSTER_LOG": log.format(port=port)}).start("topics", "create")
    assert said.format(port=port) in typed.err
    assert (typed.code, typed.out, len(typed.err.splitlines())) == (code, "", 1)


def test_a_topics_retention_is_counted_in_milliseconds():
    assert Topic("t", "any", retention=timedelta(days=30)).retention_ms == 30 * 24 * 3600 * 1000
    assert Topic("t", "any", retention=timedelta(milliseconds=1)).retention_ms == 1
    assert Topic("t", "any", retention=None).retention_ms is None


def test_the_table_has_a_partition_per_shard_where_a_shard_is_a_partition():
    partitions = {topic.name: topic.partitions for topic in topics(5)}
    assert (partitions["audience-scans"], partitions["member-changes"]) == (5, 5)
    assert (partitions["controls"], partitions["dead-letters"], partitions["appeals"]) == (1, 1, 8)

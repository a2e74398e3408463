"""The servers that tests start keep their promises: empty at first, durable over a crash, gone at the end."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from psycopg import errors

from tests.servers.kafka import KafkaBroker
from tests.servers.postgres import PostgresServer
from tests.servers.process import ServerFailed, ServerProcess, free_port


def _create_topic(broker: KafkaBroker, name: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=broker.address)
    admin.create_topics({name: {"num_partitions": 2, "replication_factor": 1}})
    admin.close()


def _topics(broker: KafkaBroker) -> set[str]:
    admin = KafkaAdminClient(bootstrap_servers=broker.address)
    names = set(admin.list_topics())
    admin.close()
    return names


@pytest.mark.kafka
def test_what_a_killed_broker_acknowledged_is_there_when_it_comes_back(kafka_broker: KafkaBroker):
    _create_topic(kafka_broker, "kept")
    producer = KafkaProducer(bootstrap_servers=kafka_broker.address, acks="all")
    producer.send("kept", b"a word").get(timeout=10)
    producer.close()

    kafka_broker.kill()
    assert not kafka_broker.running
    kafka_broker.start()

    consumer = KafkaConsumer("kept", bootstrap_servers=kafka_broker.address, auto_offset_reset="earliest")
    words = [record.value for records in consumer.poll(timeout_ms=10_000).values() for record in records]
    consumer.close()
    assert words == [b"a word"]


@pytest.mark.kafka
def test_each_test_finds_an_empty_log(kafka_broker: KafkaBroker):
    _create_topic(kafka_broker, "left-behind")
    consumer = KafkaConsumer("left-behind", bootstrap_servers=kafka_broker.address, group_id="left-behind")
    consumer.poll(timeout_ms=2_000)
    consumer.close()

    kafka_broker.forget_everything()

    assert not {name for name in _topics(kafka_broker) if not name.startswith("__")}
    admin = KafkaAdminClient(bootstrap_servers=kafka_broker.address)
    assert admin.list_groups() == []
    admin.close()


@pytest.mark.postgres
def test_what_a_killed_database_committed_is_there_when_it_comes_back(postgres: PostgresServer, postgres_url: str):
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE TABLE kept (word text)")
        connection.execute("INSERT INTO kept VALUES ('a word')")

    postgres.kill()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(postgres_url, connect_timeout=2)
    postgres.start()

    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT word FROM kept").fetchall() == [("a word",)]


@pytest.mark.postgres
def test_a_database_is_fresh_durable_and_dropped(postgres: PostgresServer):
    with postgres.database() as url, psycopg.connect(url) as connection:
        tables = connection.execute("SELECT 1 FROM pg_tables WHERE schemaname = 'public'").fetchall()
        settings = connection.execute(
            "SELECT current_setting('fsync'), current_setting('synchronous_commit')"
        ).fetchone()
        assert tables == []
        assert settings == ("on", "on")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url, connect_timeout=2)
    with pytest.raises(errors.InvalidCatalogName), psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {url.rsplit('/', 1)[1]}")


def test_a_server_that_ends_early_says_why(tmp_path: Path):
    process = ServerProcess(["sh", "-c", "echo no such setting; exit 3"], log=tmp_path / "fake.log")
    with pytest.raises(ServerFailed, match=r"fake ended with 3:\nno such setting"):
        process.wait_until(lambda: False, seconds=10)


def test_a_server_that_never_answers_is_ended(tmp_path: Path):
    process = ServerProcess(["sh", "-c", "echo still thinking; exec sleep 60"], log=tmp_path / "fake.log")
    with pytest.raises(ServerFailed, match="did not answer"):
        process.wait_until(lambda: False, seconds=0.2)
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


def test_a_server_does_not_outlive_a_test_run_that_was_killed(tmp_path: Path):
    script = (
        "import sys, time; from pathlib import Path; from tests.servers.process import ServerProcess\n"
        "print(ServerProcess(['sleep', '600'], log=Path(sys.argv[1])).pid, flush=True); time.sleep(600)"
    )
    runner = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "s.log")], stdout=subprocess.PIPE, text=True
    )
    assert runner.stdout is not None
    server = int(runner.stdout.readline())
    gone = os.pidfd_open(server)

    runner.send_signal(signal.SIGKILL)
    runner.communicate()

    assert _ends(gone, seconds=10)
    os.close(gone)


def _ends(pidfd: int, *, seconds: float) -> bool:
    return bool(select.select([pidfd], [], [], seconds)[0])


def test_free_ports_are_none_that_the_kernel_gives_to_clients():
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(free_port() < low for _ in range(20))

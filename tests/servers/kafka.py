"""Apache Kafka from its jars: one KRaft node on 127.0.0.1, its data in a temporary folder."""

import signal
import socket
import subprocess
import time
from base64 import urlsafe_b64encode
from uuid import uuid4

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from tests.servers.jars import jars_of
from tests.servers.process import Server, ServerFailed, ServerProcess, free_port

_GROUP_SECONDS = 60

# Short waits where a cluster would be patient: a group forms at once, a deleted topic is gone within a second, and a
# killed broker may come back after 3 s (it has to wait until its former self is given up).
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
num.network.threads=2
num.io.threads=4
num.partitions=1
auto.create.topics.enable=false
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=2
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
file.delete.delay.ms=1000
log.cleaner.dedupe.buffer.size=16777216
log.index.size.max.bytes=1048576
"""


class KafkaBroker(Server):
    """One broker; its `kill` is a power cut, apart from what the kernel still writes."""

    def __init__(self, *, heap_mb: int = 512) -> None:
        self._jars = jars_of("kafka")
        super().__init__("kafka")
        self._heap_mb = heap_mb
        settings = _PROPERTIES.format(port=self.port, controller=free_port(), data=self._home / "data")
        (self._home / "server.properties").write_text(settings)
        self._format()

    @property
    def url(self) -> str:
        return f"kafka://127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def forget_everything(self) -> None:
        """Delete every topic and every group, so that the next test finds a new log."""
        admin = KafkaAdminClient(bootstrap_servers=self.address)
        try:
            topics = [name for name in admin.list_topics() if not name.startswith("__")]
            if topics:
                admin.delete_topics(topics)
            self._delete_groups(admin)
        finally:
            admin.close()

    @staticmethod
    def _delete_groups(admin: KafkaAdminClient) -> None:
        # The members of a group that were killed are in it until their session ends, and keep it from being deleted.
        deadline = time.monotonic() + _GROUP_SECONDS
        while groups := [group["group_id"] for group in admin.list_groups()]:
            admin.delete_groups(groups)
            if time.monotonic() > deadline:
                raise ServerFailed(f"groups still have members: {', '.join(groups)}")
            time.sleep(0.05)

    def _launch(self) -> ServerProcess:
        heap = (f"-Xms{self._heap_mb // 2}m", f"-Xmx{self._heap_mb}m")
        command = self._java(*heap, main="kafka.Kafka", arguments=(str(self._home / "server.properties"),))
        return ServerProcess(command, log=self._home / "kafka.log", crash=signal.SIGKILL)

    def _format(self) -> None:
        # Kafka's own spelling of an id; the first letter is ours, for one that begins with "-" would be an option.
        identity = "m" + urlsafe_b64encode(uuid4().bytes).decode()[1:22]
        properties = str(self._home / "server.properties")
        command = self._java(
            "-XX:TieredStopAtLevel=1",
            main="kafka.tools.StorageTool",
            arguments=("format", "-t", identity, "-c", properties),
        )
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise ServerFailed(f"Kafka's storage could not be formatted: {done.stdout}{done.stderr}")

    def _java(self, *options: str, main: str, arguments: tuple[str, ...]) -> list[str]:
        quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"
        return ["java", "-XX:+UseSerialGC", "-Xshare:auto", quiet, *options, "-cp", f"{self._jars}/*", main, *arguments]

    def _answers(self) -> bool:
        # kafka-python leaves a socket open for each refused connection, so it is asked only once somebody listens.
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            admin = KafkaAdminClient(bootstrap_servers=self.address)
        except (KafkaError, OSError):
            return False
        try:
            return bool(admin.describe_cluster()["brokers"])
        except (KafkaError, OSError):
            return False
        finally:
            admin.close()

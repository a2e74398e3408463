"""An SMS gateway that others wrote: the simulator that comes with jsmpp, as its authors ship it.

It keeps no record that could be asked, but its log has every PDU in hexadecimal and the octets of every message.
"""

import re
from dataclasses import dataclass

from tests.servers.jars import jars_of
from tests.servers.process import Server, ServerProcess

SYSTEM_ID, PASSWORD = "conform", "s3cret"
_MAIN = "org.jsmpp.examples.SMPPServerSimulator"
# With an alphabet of 256 letters the log repeats the octets of a message as they are.
_OCTETS = ("-Dfile.encoding=ISO-8859-1", "-Dsun.stderr.encoding=ISO-8859-1", "-Dstderr.encoding=ISO-8859-1")
_MESSAGE = re.compile(rb"Receiving submit_sm '(.*?)', and return message id ([0-9a-f]+)\n", re.DOTALL)
_PDU = re.compile(rb"(Received|Sending) PDU ([0-9a-f]{8})([0-9a-f]{8})([0-9a-f]{8})")


@dataclass(frozen=True, slots=True)
class Received:
    """A submit_sm as jsmpp read it: short_message, and the id that it answered."""

    octets: bytes
    message_id: str


class JsmppGateway(Server):
    """One account, transceivers only.  Each bind gets "Hello World" from 555; a receipt comes a second after its message.

    Answers name ids in hexadecimal, receipts in decimal.  More than 100 unread PDUs of a link are throttled.  Its
    process has once been seen to end by itself, cause unknown; `start` before each test costs nothing while it runs.
    """

    def __init__(self) -> None:
        self._jars = jars_of("jsmpp")
        super().__init__("jsmpp")
        self._log = self._home / "jsmpp.log"
        self._starts = 0

    def received(self) -> list[Received]:
        """Every message so far, in the order of jsmpp's answers."""
        return [Received(octets, name.decode()) for octets, name in _MESSAGE.findall(self._log.read_bytes())]

    def pdus(self, direction: str) -> list[tuple[int, int]]:
        """Command and status of every PDU that was "Received", or that was to be sent ("Sending")."""
        found = _PDU.findall(self._log.read_bytes())
        return [(int(command, 16), int(status, 16)) for way, _, command, status in found if way == direction.encode()]

    def _launch(self) -> ServerProcess:
        command = [
            *("java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx128m", *_OCTETS),
            *("-Dorg.slf4j.simpleLogger.defaultLogLevel=debug", "-Dorg.slf4j.simpleLogger.logFile=System.err"),
            *(f"-Djsmpp.simulator.port={self.port}", f"-Djsmpp.client.systemId={SYSTEM_ID}"),
            *(f"-Djsmpp.client.password={PASSWORD}", "-cp", f"{self._jars}/*", _MAIN),
        ]
        self._starts += 1
        return ServerProcess(command, log=self._log)

    def _answers(self) -> bool:
        # Asked by its log: it accepts one connection after the other, and one that does not bind holds up the next.
        return self._log.read_bytes().count(b"Listening on port") == self._starts

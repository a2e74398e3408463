"""What Prometheus is told about e-mail.  Labels come from closed sets: never an address, a member or a text."""

from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from notifiers.email.verdicts import Fate
from notifiers.ports import State

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)


class Received(StrEnum):
    """What an incoming message turned out to be."""

    ANSWER = "answer"
    OPT_OUT = "opt-out"
    BOUNCE = "bounce"
    STRAY_BOUNCE = "stray-bounce"  # a report about a letter that we never wrote
    AUTO_REPLY = "auto-reply"
    FORGED = "forged"  # an opt-out address that we never wrote
    UNREADABLE = "unreadable"
    NOT_COMMITTED = "not-committed"  # the sender was asked to try again


class EmailMetrics:
    """The `muster_email_*` family."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._letters = Counter(
            "muster_email_letters_total", "Letters settled, by outcome", ["outcome"], registry=registry
        )
        self._retries = Counter(
            "muster_email_retries_total", "Attempts that must be repeated, by fate", ["fate"], registry=registry
        )
        self._refusals = Counter(
            "muster_email_connect_failures_total",
            "Connections that could not be opened or logged in",
            registry=registry,
        )
        self._received = Counter(
            "muster_email_received_total", "Incoming messages, by what they were", ["what"], registry=registry
        )
        self.connections = Gauge("muster_email_connections_count", "Open connections to the server", registry=registry)
        self.exchange = Histogram(
            "muster_email_exchange_seconds", "From the MAIL command to the verdict", registry=registry, buckets=SECONDS
        )
        for state in State:
            self._letters.labels(state.name.lower())
        for fate in (Fate.LATER, Fate.STUCK, Fate.BUSY, Fate.LOST):
            self._retries.labels(fate.value)
        for what in Received:
            self._received.labels(what.value)

    def settled(self, state: State) -> None:
        self._letters.labels(state.name.lower()).inc()

    def repeated(self, fate: Fate) -> None:
        self._retries.labels(fate.value).inc()

    def connect_failed(self) -> None:
        self._refusals.inc()

    def received(self, what: Received) -> None:
        self._received.labels(what.value).inc()

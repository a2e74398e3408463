"""What Prometheus is told about text messages.  Labels come from closed sets: never a number, a member or a text."""

from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from notifiers.ports import State
from notifiers.smpp.verdicts import Verdict

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Brought(StrEnum):
    """What a deliver_sm turned out to be."""

    MESSAGE = "message"
    PART = "part"
    INCOMPLETE = "incomplete"  # parts of a long message whose others never came
    RECEIPT = "receipt"
    NOT_COMMITTED = "not-committed"  # the gateway was asked to push again


class Barred(StrEnum):
    """Why we did not even hand a message to the gateway."""

    NOT_A_NUMBER = "not-a-number"
    MADE_UP = "made-up"
    NOT_MADE_UP = "not-made-up"
    TOO_LONG = "too-long"


class SMSMetrics:
    """The `muster_sms_*` family."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._messages = Counter(
            "muster_sms_messages_total", "Messages settled, by outcome", ["outcome"], registry=registry
        )
        self._answers = Counter(
            "muster_sms_answers_total", "Parts that the gateway answered, by verdict", ["verdict"], registry=registry
        )
        self._barred = Counter(
            "muster_sms_barred_total", "Messages that we refused ourselves", ["reason"], registry=registry
        )
        self._brought = Counter(
            "muster_sms_delivered_total", "What the gateway brought, by kind", ["what"], registry=registry
        )
        self.timeouts = Counter("muster_sms_timeouts_total", "Parts never answered", registry=registry)
        self.late = Counter(
            "muster_sms_late_answers_total", "Answers that nobody waited for any more", registry=registry
        )
        self.lost_links = Counter("muster_sms_lost_links_total", "Bound links that broke", registry=registry)
        self.bind_failures = Counter("muster_sms_bind_failures_total", "Binds that failed", registry=registry)
        self.protocol_errors = Counter(
            "muster_sms_protocol_errors_total", "PDUs that could not be read", registry=registry
        )
        self.links = Gauge("muster_sms_links_count", "Links that are bound", registry=registry)
        self.unanswered = Gauge("muster_sms_unanswered_count", "Parts written and not yet answered", registry=registry)
        self.window = Gauge("muster_sms_window_count", "Places of the window, as adapted", registry=registry)
        self.round_trip = Histogram(
            "muster_sms_round_trip_seconds", "From a write to the answers", registry=registry, buckets=SECONDS
        )
        for state in State:
            self._messages.labels(state.name.lower())
        for verdict in Verdict:
            self._answers.labels(verdict.value)
        for barred in Barred:
            self._barred.labels(barred.value)
        for brought in Brought:
            self._brought.labels(brought.value)

    def settled(self, state: State, count: int) -> None:
        self._messages.labels(state.name.lower()).inc(count)

    def answered(self, verdict: Verdict, count: int = 1) -> None:
        self._answers.labels(verdict.value).inc(count)

    def barred(self, reason: Barred) -> None:
        self._barred.labels(reason.value).inc()

    def brought(self, what: Brought, count: int = 1) -> None:
        self._brought.labels(what.value).inc(count)

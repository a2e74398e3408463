"""What Prometheus may see of the simulator: counts only, read from it when somebody asks."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rehearsal.smsc.simulator import Simulator

_KINDS: Final = ("mass", "ack", "stand-down")  # a reference is whatever its sender wrote there
# Each name with its text, its type and its label, if it has one.
METRICS: Final[Mapping[str, tuple[str, str, str]]] = {
    "muster_smsc_sim_messages_total": ("Messages accepted by the simulated gateway", "counter", "kind"),
    "muster_smsc_sim_segments_total": ("Parts accepted by the simulated gateway", "counter", ""),
    "muster_smsc_sim_refused_total": ("Parts that the simulated gateway refused", "counter", "status"),
    "muster_smsc_sim_receipts_total": ("Receipts that the simulated network wrote", "counter", ""),
    "muster_smsc_sim_replies_total": ("Texts that simulated people wrote", "counter", ""),
    "muster_smsc_sim_calls_total": ("Calls that simulated people made", "counter", ""),
    "muster_smsc_sim_doubled_count": ("Numbers that got a mass message or stand-down twice", "gauge", ""),
    "muster_smsc_sim_binds_count": ("Links that are bound to the simulated gateway", "gauge", ""),
}


def metrics_page(simulator: Simulator) -> bytes:
    """The page as Prometheus reads it."""
    registry = CollectorRegistry()
    registry.register(_Counts(simulator))
    return generate_latest(registry)


class _Counts(Collector):
    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def collect(self) -> Iterable[Metric]:
        for name, values in self._values().items():
            text, kind, label = METRICS[name]
            family = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
            metric = family(name, text, labels=[label] if label else None)
            for value, number in values.items():
                metric.add_metric([value] if label else [], number)
            yield metric

    def _values(self) -> dict[str, dict[str, int]]:
        simulator = self._simulator
        messages: Counter[str] = Counter(dict.fromkeys((*_KINDS, "other"), 0))
        doubled = 0
        for reference, tally in simulator.record.tallies().items():
            kind = reference.partition("/")[0]
            messages[kind if kind in _KINDS else "other"] += tally.messages
            doubled += len(tally.doubled) if kind in {"mass", "stand-down"} else 0
        network = simulator.network
        return {
            "muster_smsc_sim_messages_total": dict(messages),
            "muster_smsc_sim_segments_total": {"": simulator.record.segments},
            "muster_smsc_sim_refused_total": {f"{s:#04x}": n for s, n in sorted(simulator.gateway.refused.items())},
            "muster_smsc_sim_receipts_total": {"": network.receipts},
            "muster_smsc_sim_replies_total": {"": network.replies},
            "muster_smsc_sim_calls_total": {"": len(network.calls)},
            "muster_smsc_sim_doubled_count": {"": doubled},
            "muster_smsc_sim_binds_count": {"": sum(bool(session.bound) for session in simulator.sessions)},
        }

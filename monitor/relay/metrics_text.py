"""The figures of a relay as Prometheus' text."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from monitor.relay.buffer import Buffer
from monitor.relay.forwarding import Forwarder

METRICS = {
    "watchkeeper_relay_requests_total": ("counter", "Requests of senders by status."),
    "watchkeeper_relay_buffer_limit_bytes": ("gauge", "Maximum size of the buffer."),
    "watchkeeper_relay_waiting_bytes": ("gauge", "Bytes that wait to be sent."),
    "watchkeeper_relay_oldest_seconds": ("gauge", "Age of the oldest waiting request."),
    "watchkeeper_relay_set_aside_bytes": ("gauge", "Bytes that the daemon refused."),
    "watchkeeper_relay_sent_total": ("counter", "Requests that the daemon has taken."),
    "watchkeeper_relay_set_aside_total": ("counter", "Requests that the daemon refused."),
    "watchkeeper_relay_rejected_records_total": ("counter", "Records that the daemon rejected."),
    "watchkeeper_relay_attempts_failed_total": ("counter", "Attempts that failed."),
    "watchkeeper_relay_is_held": ("gauge", "1 while the daemon takes nothing of a key."),
    "watchkeeper_relay_skipped_bytes_total": ("counter", "Torn or damaged bytes of the buffer."),
    "watchkeeper_relay_full_total": ("counter", "Requests refused by a full buffer or disk."),
}
"""Kind and help of each metric."""

Sample = tuple[Mapping[str, str], float]


@dataclass(eq=False)
class RelayFigures:
    """What the figures are read from, and what is counted here."""

    buffer: Buffer
    limit: int
    forwarders: Mapping[str, Forwarder]
    answers: Counter[int] = field(default_factory=Counter)
    refused_keys: int = 0

    def answered(self, status: int) -> None:
        """Count an answer."""
        self.answers[status] += 1


def exposition(figures: RelayFigures, now: float) -> str:
    """The text for `/metrics`."""
    return "".join(
        f"# HELP {name} {METRICS[name][1]}\n# TYPE {name} {METRICS[name][0]}\n"
        + "".join(f"{name}{_labels(labels)} {value:.15g}\n" for labels, value in samples)
        for name, samples in _families(figures, now)
    )


def _families(figures: RelayFigures, now: float) -> Iterator[tuple[str, list[Sample]]]:
    queues, states = figures.buffer.queues, {name: one.state for name, one in figures.forwarders.items()}

    def by_key(values: Mapping[str, float]) -> list[Sample]:
        return [({"key": name}, value) for name, value in values.items()]

    requests: list[Sample] = [({"code": str(code)}, count) for code, count in sorted(figures.answers.items())]
    oldest = {
        name: max(0.0, now - queue.oldest_at) if queue.oldest_at is not None else 0.0
        for name, queue in queues.items()
    }
    waiting = {name: queue.waiting for name, queue in queues.items()}
    refused_bytes = {name: one.size for name, one in figures.buffer.aside.items()}
    sent = {name: state.sent for name, state in states.items()}
    refused = {name: state.set_aside for name, state in states.items()}
    rejected = {name: state.rejected_records for name, state in states.items()}
    failed = {name: state.attempts_failed for name, state in states.items()}
    is_held = {name: float(bool(state.error)) for name, state in states.items()}
    skipped = {name: queue.skipped for name, queue in queues.items()}
    yield "watchkeeper_relay_requests_total", requests
    yield "watchkeeper_relay_buffer_limit_bytes", [({}, figures.limit)]
    yield "watchkeeper_relay_waiting_bytes", by_key(waiting)
    yield "watchkeeper_relay_oldest_seconds", by_key(oldest)
    yield "watchkeeper_relay_set_aside_bytes", by_key(refused_bytes)
    yield "watchkeeper_relay_sent_total", by_key(sent)
    yield "watchkeeper_relay_set_aside_total", by_key(refused)
    yield "watchkeeper_relay_rejected_records_total", by_key(rejected)
    yield "watchkeeper_relay_attempts_failed_total", by_key(failed)
    yield "watchkeeper_relay_is_held", by_key(is_held)
    yield "watchkeeper_relay_skipped_bytes_total", by_key(skipped)
    full: list[Sample] = [({}, figures.buffer.full_answers)]
    yield "watchkeeper_relay_full_total", full


def _labels(labels: Mapping[str, str]) -> str:
    """Labels as text. Their values are names of keys and statuses, which need no escapes."""
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}" if labels else ""

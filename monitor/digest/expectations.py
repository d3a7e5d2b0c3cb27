"""The sentences of a digest on the expectations of a model in its period, from the counts of exactly this period."""

from sqlalchemy import Connection

from monitor.health.declared import expectations as words
from monitor.metrics import MetricSettings, Subject
from monitor.metrics.declared import expected
from monitor.records import Stream, Window
from monitor.windows.declared import current_definitions
from monitor.windows.rolling import Rolling


def of_period(connection: Connection, stream: Stream, span: tuple[float, float], base_seconds: int) -> str:
    """One sentence; empty if nothing is expected, or nothing was checked."""
    start, end = (int(at // base_seconds) * base_seconds for at in span)
    window, declared = Window(start, end), current_definitions.of_stream(connection, stream)
    if not declared.expectations_of(window):
        return ""
    profile = Rolling(connection, base_seconds, settled=float("-inf")).profile(stream, window)
    subject = Subject(stream, window, profile, None, MetricSettings(by_segment=False), declared=declared)
    return words.sentence(list(expected.measure(subject)), "in this period")

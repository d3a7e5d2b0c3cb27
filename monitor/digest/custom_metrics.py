"""The own metrics of a model in the period of a digest, from the counts of exactly this period."""

from collections.abc import Sequence

from sqlalchemy import Connection

from monitor.health.declared import custom_metrics as words
from monitor.health.settings import ModelView
from monitor.metrics import MetricSettings, Subject
from monitor.metrics.declared import custom_metrics
from monitor.records import Stream, Window
from monitor.windows.declared import current_definitions
from monitor.windows.rolling import Rolling


def of_period(
    connection: Connection, stream: Stream, view: ModelView, span: tuple[float, float], base_seconds: int
) -> Sequence[tuple[str, str]]:
    """For each own metric that the client sees, its name and what is known of it; empty if none is configured."""
    if not view.metrics:
        return ()
    start, end = (int(at // base_seconds) * base_seconds for at in span)
    window, declared = Window(start, end), current_definitions.of_stream(connection, stream)
    profile = Rolling(connection, base_seconds, settled=float("-inf")).profile(stream, window)
    subject = Subject(stream, window, profile, None, MetricSettings(by_segment=False), declared=declared)
    return words.sentences(view, list(custom_metrics.measure(subject)), "in this period")

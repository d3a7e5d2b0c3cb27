"""How groups of people were answered in the period of a digest, from the counts of exactly this period."""

from sqlalchemy import Connection

from monitor.health import fairness
from monitor.health.fairness_settings import FairnessSection
from monitor.metrics import MetricSettings, Subject
from monitor.metrics.fairness import disparity
from monitor.metrics.settings import FairnessSettings
from monitor.records import Stream, Window
from monitor.windows.baseline import load
from monitor.windows.rolling import Rolling


def of_period(
    connection: Connection,
    stream: Stream,
    section: FairnessSection,
    span: tuple[float, float],
    base_seconds: int,
) -> tuple[tuple[str, str], ...]:
    """For each segment with groups, its name and what is known of them; empty if nothing is configured."""
    if not section.groups:
        return ()
    start, end = (int(at // base_seconds) * base_seconds for at in span)
    window = Window(start, end)
    rolling = Rolling(connection, base_seconds, settled=float("-inf"))  # reading never writes
    settings = MetricSettings(fairness={(stream.client, stream.model): FairnessSettings(**dict(section))})
    profile, baseline = rolling.profile(stream, window), load(connection, stream)
    measured = list(disparity.measure(Subject(stream, window, profile, baseline, settings)))
    return tuple(fairness.sentences(section, measured, "of this period"))

"""Which features drive a model's answers: by the attributions of its baseline, else as learned from its rows."""

from collections.abc import Mapping

from sqlalchemy import Connection

from monitor.records import Stream
from monitor.store import feature_importance
from monitor.windows.baseline_from_table import Baseline
from monitor.windows.kernel.attribution_counts import shares_of


def drivers(connection: Connection, stream: Stream, baseline: Baseline) -> Mapping[str, float]:
    """A share of each feature (0 to 1), the largest first; empty if nothing is known."""
    learned = feature_importance.get(connection, stream, baseline.layout.id)
    return shares_of(baseline.profile.overall) or (learned.shares if learned is not None else {})

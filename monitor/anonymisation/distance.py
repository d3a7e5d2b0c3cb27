"""How far drawn rows are from the original, per column."""

import pyarrow as pa

from monitor.metrics import MetricSettings, Subject
from monitor.metrics.drift import column_drift
from monitor.records import Window
from monitor.windows.baseline_from_table import Baseline, conform, count_table


def distances(baseline: Baseline, drawn: pa.Table) -> dict[str, float]:
    """The distance (PSI) of each column of `drawn` from the baseline: below 0.1 is close, above 0.2 is far.

    Of a column that is compared in several ways, such as a time, the largest.
    """
    profile = count_table(conform(drawn), baseline.layout)
    subject = Subject(baseline.stream, Window(0, 3600), profile, baseline, MetricSettings(min_rows=1))
    sources = {column.name: column.source or column.name for column in baseline.layout.columns}
    known = set(conform(drawn).schema.names)
    distances: dict[str, float] = {}
    for one in column_drift.measure(subject):
        column = f"features.{one.label('feature')}" if one.label("feature") else one.label("output")
        source = sources.get(column, column)
        if one.metric == "psi" and one.value is not None and source in known:
            name = source.removeprefix("features.")
            distances[name] = max(distances.get(name, 0.0), float(one.value))
    return distances

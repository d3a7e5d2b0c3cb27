"""Rows that a declared figure could not use: how many by reason, from its tally, and their shares as measurements."""

from collections.abc import Iterator, Mapping

from monitor.metrics import intervals
from monitor.metrics.metric import MetricInfo, Subject
from monitor.records import Measurement, labels
from monitor.windows.declared.tally_labels import ASIDE


def by_reason(tally: Mapping[str, float]) -> dict[str, float]:
    """The number of rows that were set aside, by reason."""
    return {label.removeprefix(ASIDE): n for label, n in tally.items() if label.startswith(ASIDE)}


def shares(
    subject: Subject, info: MetricInfo, name: str, unusable: Mapping[str, float], of: float
) -> Iterator[Measurement]:
    """The share of the `of` rows that the figure `name` could not use, for each reason, with a 95 % interval."""
    for reason, n in sorted(unusable.items()):
        where = labels(name=name, reason=reason)
        yield subject.ok(info, n / of, of, where=where, interval=intervals.wilson(n, of))

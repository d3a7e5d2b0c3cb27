"""Metrics compared with further baselines: the same hour of past weeks, and the previous version of the model.

They are the same metrics with the label `against`. Rules and pages that do not select this label never read them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from sqlalchemy import Connection

from monitor.config.units import format_duration
from monitor.measurement_table import MeasurementTable, TableSchema, schema_of, table_of
from monitor.metrics import AGAINST, Family, MetricSettings, Subject, is_compared, measure
from monitor.metrics.drift.column_drift import DRIFTED_SHARE
from monitor.records import Stream, Window, labels
from monitor.store import model_versions
from monitor.windows import reference_windows
from monitor.windows.baseline_from_table import Baseline
from monitor.windows.profile import Profile, blank
from monitor.windows.rolling import Rolling
from monitor.windows.settings import BaselineSettings, FurtherBaseline

Named = Callable[[Stream], BaselineSettings]


@dataclass(frozen=True, slots=True)
class _Compared:
    """A profile and its baseline; without a baseline, the reason."""

    profile: Profile
    baseline: Baseline | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ReferenceFigures:
    """Measures windows against the further baselines that a model's configuration names."""

    settings_of: Named
    metrics: MetricSettings

    def measure(
        self,
        connection: Connection,
        rolling: Rolling,
        stream: Stream,
        window: Window,
        families: Sequence[Family],
        now: float,
    ) -> list[MeasurementTable]:
        """The measurements of those families that can be compared, once per further baseline."""
        settings, comparable = (
            self.settings_of(stream),
            [family for family in families if is_compared(family)],
        )
        if not settings.also or not comparable:
            return []
        profile = rolling.profile(stream, window)
        tables: list[MeasurementTable] = []
        for comparison in settings.also:
            if comparison is FurtherBaseline.SEASON:
                compared = _season(rolling, stream, window, profile, settings, now)
            else:
                compared = _version(connection, rolling, stream, window, profile, settings, now)
            subject = Subject(stream, window, compared.profile, compared.baseline, self.metrics)
            if compared.baseline is None:
                why = subject.not_measured(DRIFTED_SHARE, compared.reason, profile.rows)
                figures = table_of(stream, window, [why])
            else:
                figures = measure(subject, comparable)
            tables.append(replace(figures, shape=_relabelled(figures.shape, comparison)))
        return tables


@lru_cache(maxsize=1024)
def _relabelled(shape: TableSchema, comparison: FurtherBaseline) -> TableSchema:
    """The same measurements with the label that names the baseline."""
    where = {AGAINST: comparison.value}
    return schema_of(tuple(n._replace(labels=labels(**dict(n.labels), **where)) for n in shape.names))


def _season(
    rolling: Rolling, stream: Stream, window: Window, profile: Profile, settings: BaselineSettings, now: float
) -> _Compared:
    usual = reference_windows.same_hour_of_week(rolling, stream, window, settings.weeks, now)
    reason = f"no predictions at the same time of the last {settings.weeks} weeks"
    return _Compared(reference_windows.only_whole(profile), usual, "" if usual else reason)


def _version(
    connection: Connection,
    rolling: Rolling,
    stream: Stream,
    window: Window,
    profile: Profile,
    settings: BaselineSettings,
    now: float,
) -> _Compared:
    """The newest version that answered in the window, against the version before it."""
    known = [one.version for one in model_versions.of(connection, stream)]
    order = [*known, *sorted(set(profile.versions) - set(known))]  # a new one is not stored yet
    present = [version for version in order if version in profile.versions]
    if not present or order.index(present[-1]) == 0:
        reason = "no version before is known" if present else "no prediction named its version"
        return _Compared(blank(profile.layout), None, reason)
    newest = present[-1]
    before = order[order.index(newest) - 1]
    span = Window(window.end - int(settings.version_span), window.end)
    usual = reference_windows.of_version(stream, rolling.profile(stream, span), before, now)
    reason = f"version {before} did not answer in the {format_duration(settings.version_span)} before"
    return _Compared(reference_windows.only_version(profile, newest), usual, "" if usual else reason)

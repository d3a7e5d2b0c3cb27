"""Diagnose alerts when they fire: read the profiles before and since the onset, compare them, keep the result."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from sqlalchemy import Connection

from monitor.alerts.diagnosis import causes
from monitor.alerts.diagnosis.affected_slices import error_kinds, error_words, listed, locate, shortened
from monitor.alerts.diagnosis.columns import changes
from monitor.clock import minute
from monitor.config.units import HOUR
from monitor.drift.explain.incident_summary import ALL
from monitor.records import DAEMON, Alert, Diagnosis, Labels, Severity, State, Stream, Window
from monitor.rules.engine import no_data
from monitor.rules.engine.evaluate import Evaluation
from monitor.store import drift, model_versions, predictions, profiles, timeseries
from monitor.store.db import faults_of
from monitor.store.model_versions import Version
from monitor.windows.baseline import load as load_baseline
from monitor.windows.profile import Profile
from monitor.windows.rolling import Rolling

DRIFT = "drift_evidence"
AGAIN = 60.0
"""Seconds after which a firing alert is diagnosed again: another error type or column may have joined."""
MOST = 8
"""Alerts that are diagnosed in one tick; the most severe first."""
OPEN_WINDOW = 120
"""Seconds: the onset of an alert over a window up to this long is the window's start."""
LATEST = 600.0
"""Seconds after its window in which a prediction comes in; what comes later is a past that is loaded."""
_AGAIN = frozenset(("error_rate", DRIFT))


@dataclass(frozen=True, slots=True)
class OnsetData:
    """The data around the onset of an alert. `before` is None if nothing comparable was counted then."""

    alert: Alert
    since: float
    before: Profile | None
    after: Profile
    recent: Profile
    """What arrived since the onset: the last seconds if available, otherwise `after`."""
    seconds: tuple[float, float]
    """The lengths of the times before and since, in seconds."""
    versions: tuple[Version, ...] = ()
    columns: tuple[str, ...] = ()
    """The columns of the open drift incident, the strongest first."""
    is_live: bool = True
    """Whether the predictions before came in while they were made. The volume of a loaded past says nothing."""
    baseline: Profile | None = None
    """The baseline of an alert about one feature."""

    @property
    def feature(self) -> str:
        """The feature that the alert is about; empty for others."""
        return next((value for name, value in self.alert.instance if name == "feature"), "")


def diagnosed(
    connection: Connection,
    evaluation: Evaluation,
    known: Mapping[str, Alert],
    base_seconds: int,
    now: float,
    recent: Mapping[Stream, Profile] = MappingProxyType({}),
) -> Evaluation:
    """The evaluation with a diagnosis in each alert that has started to fire, or was diagnosed a minute ago.

    `known` are the alerts before the evaluation, `recent` is what arrived during the last seconds. An alert that cannot
    be diagnosed is reported as a fault and sent without a diagnosis.
    """
    after = {a.fingerprint: _reset(a, known.get(a.fingerprint)) for a in evaluation.alerts}
    current = {**known, **after}
    due = sorted((alert for alert in after.values() if _is_due(alert, now)), key=_urgency)
    for alert in due[:MOST]:
        with faults_of(connection).isolate("alerts", f"{alert.fingerprint}: diagnosis", in_transaction=True):
            evidence = gather(connection, alert, base_seconds, now, recent.get(alert.stream))
            diagnosis = diagnose(evidence, current.values(), now)
            after[alert.fingerprint] = replace(alert, diagnosis=diagnosis)
    return replace(evaluation, alerts=list(after.values()))


def _reset(alert: Alert, before: Alert | None) -> Alert:
    """The alert without the diagnosis of an earlier episode."""
    is_new = before is None or before.episode != alert.episode
    return replace(alert, diagnosis=None) if is_new and alert.diagnosis is not None else alert


def _is_due(alert: Alert, now: float) -> bool:
    if alert.state is not State.FIRING or alert.stream == DAEMON or alert.severity is Severity.INFO:
        return False
    if alert.rule == no_data.NAME:
        return False
    return alert.diagnosis is None or (alert.metric in _AGAIN and now - alert.diagnosis.at >= AGAIN)


def _urgency(alert: Alert) -> tuple[bool, int, str]:
    return alert.diagnosis is not None, list(Severity).index(alert.severity), alert.fingerprint


def gather(
    connection: Connection, alert: Alert, base_seconds: int, now: float, recent: Profile | None = None
) -> OnsetData:
    """Read what was counted before and since the onset, the versions, and the columns that drift."""
    stream, base = alert.stream, base_seconds
    since = alert.diagnosis.since if alert.diagnosis else onset(connection, alert, base, now)
    first, last = int(since // base) * base, int(now // base + 1) * base
    length = HOUR
    if alert.window is not None and alert.window.seconds > HOUR:
        first, length = alert.window.start // base * base, alert.window.seconds
    rolling = Rolling(connection, base, settled=float("-inf"))  # reading never writes
    before = rolling.profile(stream, Window(first - length, first))
    after = rolling.profile(stream, Window(first, last))
    live_since = predictions.live_since(connection, stream, first - length, first, LATEST)
    starts = profiles.starts(connection, stream, base, live_since or first - length, first)
    seconds = (float(first - min(starts, default=first - length)), max(now - first, 1.0))
    # In the first base window, rows from before the onset hide the problem; the last seconds have none of them.
    is_fresh = recent is not None and now - since < 2 * base and recent.layout.id == after.layout.id
    latest = recent if recent is not None and is_fresh else after
    columns: tuple[str, ...] = ()
    if alert.metric == DRIFT:
        newest = next(iter(drift.incidents(connection, stream)), None)
        baseline = load_baseline(connection, stream)
        if newest is not None and newest.closed is None and baseline is not None:
            since, columns, before = newest.since, newest.columns, baseline.profile
            after = latest = rolling.profile(stream, Window(int(since // base) * base, last))
    versions = tuple(model_versions.of(connection, stream))
    known = before if before.rows else None
    usual = (
        load_baseline(connection, stream) if any(name == "feature" for name, _ in alert.instance) else None
    )
    held = usual.profile if usual is not None else None
    return OnsetData(
        alert, since, known, after, latest, seconds, versions, columns, live_since is not None, held
    )


def onset(connection: Connection, alert: Alert, base_seconds: int, now: float) -> float:
    """When the problem began: the first of the base windows up to now whose value is beyond the limit."""
    fired, window = alert.fired_at or now, alert.window
    known = min(fired, alert.active_since or fired)
    if window is not None and window.seconds <= OPEN_WINDOW:
        known = min(known, float(window.start))
    if alert.limit is None or alert.value is None:
        return known
    series = timeseries.load(
        connection, alert.stream, alert.metric, base_seconds, now - HOUR, now, alert.instance
    )
    is_above = alert.value > alert.limit
    for start, value in reversed(list(zip(series.starts.tolist(), series.values.tolist(), strict=True))):
        is_beyond = value > alert.limit if is_above else value < alert.limit
        if not is_beyond:
            break
        known = min(known, float(start))
    return known


def diagnose(evidence: OnsetData, alerts: Iterable[Alert], now: float) -> Diagnosis:
    """What exactly is wrong, and what may have caused it. Pure."""
    alert, since, before, after = evidence.alert, evidence.since, evidence.before, evidence.recent
    kinds: Labels = ()
    if evidence.columns:
        kinds = _drifted(evidence)
        what = kinds[0][1] if kinds else "many columns at once"
    else:
        what = locate(alert.metric, before, after, alert.limit) or _of_feature(evidence)
        if alert.metric == "error_rate" and alert.limit is not None:
            names = error_kinds(before, after, alert.limit)
            kinds = tuple((name, error_words(name, before, after, alert.limit)) for name in names)
    others = [shortened(name) for name, words in kinds if words not in what and name not in what]
    if what:
        head, semicolon, rest = what.partition("; ")
        what = f"{head}, since {minute(since, now)}{semicolon}{rest}"
    what = f"{what}; also {listed(others)}" if what and others else what
    return Diagnosis(now, since, what, _causes(evidence, alerts, now), kinds)


def _drifted(evidence: OnsetData) -> Labels:
    """The drifting columns, each with its words, such as `amount mean 380 (41 before)`; the largest change first."""
    names = [name.removeprefix("features.") for name in evidence.columns if name and name != ALL]
    changed = changes(evidence.before.overall, evidence.after.overall, least=0.0) if evidence.before else []
    moved = {one.column: one.words for one in changed if one.column in names}
    return tuple(
        (name, moved.get(name, shortened(name))) for name in (*moved, *(n for n in names if n not in moved))
    )


def _of_feature(evidence: OnsetData) -> str:
    """How the feature of the alert changed, such as `temp mean 12.1 (63.8 before)`: from the hour before, or else from
    the baseline. Empty if it did not.
    """
    before = evidence.before if _has_rows(evidence) else evidence.baseline
    if not evidence.feature or before is None:
        return ""
    changed = changes(before.overall, evidence.after.overall, part=_part(evidence))
    return next((one.words for one in changed if one.column == evidence.feature), "")


def _has_rows(evidence: OnsetData) -> bool:
    return evidence.before is not None and evidence.before.rows >= causes.LEAST_ROWS


def _part(evidence: OnsetData) -> float:
    """The share of the rows after the onset that surely came since then."""
    rows = evidence.after.rows
    return min(evidence.recent.rows / rows, 1.0) if rows else 1.0


def _causes(evidence: OnsetData, alerts: Iterable[Alert], now: float) -> tuple[str, ...]:
    alert, before, after = evidence.alert, evidence.before, evidence.after
    sentences = causes.versions_before(evidence.versions, evidence.since, now)
    if not evidence.columns:  # drift names its columns itself
        sentences += causes.inputs_changed(before, after, _part(evidence), evidence.feature)
    has_usual = evidence.seconds[0] >= causes.LEAST_BEFORE
    if before is not None and has_usual and not evidence.columns and evidence.is_live:
        rates = (before.rows / evidence.seconds[0], after.rows / evidence.seconds[1])
        sentences += causes.volume_changed(*rates, after.rows, alert.metric)
    sentences += causes.elsewhere(alert, alerts, evidence.since)
    is_looked_at = _has_rows(evidence) and not evidence.columns
    none = causes.NONE_FOUND if has_usual else causes.NONE_FOUND_SO_SOON
    none = none if evidence.is_live else causes.NONE_FOUND_IN_A_PAST
    return tuple(sentences) or ((none,) if is_looked_at else ())

"""The state of every stream for the terminal (`watchkeeper status`): alerts, figures and missing data."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from monitor.alerts.inhibition import suppressed
from monitor.alerts.settings import AlertSettings
from monitor.clock import iso
from monitor.config.units import DAY, HOUR, format_duration
from monitor.config.yaml import suggest
from monitor.drift.progress import missing
from monitor.drift.settings import DriftSettings
from monitor.health import targets
from monitor.health.targets import Standing
from monitor.metrics.quality.in_sample import first_accuracy
from monitor.records import DAEMON, Alert, Measurement, Severity, Stream
from monitor.rules.engine.unjudged import unjudged
from monitor.rules.language.wording import figure
from monitor.rules.rule import RuleSet
from monitor.store import (
    alerts,
    drift,
    faults,
    lake_profiles,
    measurements,
    outcomes,
    profiles,
    quarantine,
    silences,
    streams,
    timeseries,
)
from monitor.store import targets as target_rows
from monitor.store.quarantine import Refused
from monitor.store.streams import StreamFigures
from monitor.store.targets import TargetPeriod
from monitor.windows.baseline import Baseline
from monitor.windows.baseline import load as load_baseline
from monitor.windows.settings import BaselineSettings

SHOWN = (
    "volume",
    "latency_p95",
    "error_rate",
    "availability",
    "accuracy",
    "automation_rate",
    "drifted_share",
)
"""The metrics shown per stream, from the last closed base window or the current hour."""
MOST_NAMED, MOST_SKIPPED = 5, 20


@dataclass(frozen=True, slots=True)
class Configured:
    """What the configuration says of streams: baselines, models of each client, drift, rules and inhibitions."""

    drift: DriftSettings = field(default_factory=DriftSettings)
    baselines: Mapping[Stream, BaselineSettings] = field(default_factory=dict)
    models: Mapping[str, Collection[str]] = field(default_factory=dict)
    rules: RuleSet | None = None
    alerts: AlertSettings = field(default_factory=AlertSettings)


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """A stream: `state` is ok, unknown, info, warning or critical; `notes` list what is not measured yet and why."""

    stream: Stream
    state: str
    reasons: tuple[str, ...]
    figures: tuple[tuple[str, str], ...]
    silent_for: float
    notes: tuple[str, ...]


def overview(
    connection: Connection,
    base_seconds: int,
    now: float,
    client: str = "",
    mistakes: Sequence[str] = (),
    configured: Configured = Configured(),
) -> list[StreamStatus]:
    """Every stream, worst first, and the daemon itself if it has a problem.

    `mistakes` are errors in the rule files on disk, which a running daemon would reject.
    """
    open_alerts = alerts.load_open(connection)
    held = suppressed(open_alerts, silences.load(connection, now), now, configured.alerts)
    known = [one for one in streams.figures_of_all(connection) if client in ("", one.stream.client)]
    rejected = quarantine.summary(connection, now - DAY, now + HOUR, client or None)
    agreed = target_rows.current(connection, client)
    lines = [
        _line(
            connection,
            figures,
            open_alerts,
            rejected,
            base_seconds,
            now,
            configured,
            agreed.get(figures.stream, ()),
            held,
        )
        for figures in known
    ]
    itself = _itself(connection, open_alerts, mistakes, now)
    lines += [itself] if itself and client in ("", DAEMON.client) else []
    rank = {"critical": 0, "warning": 1, "info": 2, "unknown": 3, "ok": 4}
    return sorted(lines, key=lambda line: (rank[line.state], line.stream))


def _itself(
    connection: Connection, open_alerts: Sequence[Alert], mistakes: Sequence[str], now: float
) -> StreamStatus | None:
    """The state of the daemon: its own open alerts, errors in rule files, and quarantined items."""
    own = [alert for alert in open_alerts if alert.stream == DAEMON]
    skipped = faults.load(connection, now)
    if not own and not mistakes and not skipped:
        return None
    notes = [f"error in a rule file, so the daemon keeps its previous rules: {one}" for one in mistakes]
    notes += [
        f"skipped since {iso(one.since)}: {one.part} {one.subject}: {one.reason}"
        for one in skipped[:MOST_SKIPPED]
    ]
    notes += [f"and {len(skipped) - MOST_SKIPPED:,} more"] if len(skipped) > MOST_SKIPPED else []
    evaluated_at = max((a.evaluated_at or 0.0 for a in alerts.load(connection).values()), default=0.0)
    return StreamStatus(
        DAEMON,
        _worst(own) if own else Severity.WARNING.value,
        tuple(f"{alert.rule}: {alert.annotation('summary') or alert.reason}" for alert in own),
        (),
        max(0.0, now - evaluated_at) if evaluated_at else 0.0,
        tuple(notes),
    )


def _line(
    connection: Connection,
    figures: StreamFigures,
    open_alerts: list[Alert],
    rejected: list[Refused],
    base_seconds: int,
    now: float,
    configured: Configured,
    agreed: Sequence[TargetPeriod],
    held: Mapping[str, str],
) -> StreamStatus:
    stream = figures.stream
    own = [alert for alert in open_alerts if alert.stream == stream]
    base = measurements.latest(connection, stream, base_seconds)
    hour = measurements.latest(connection, stream, HOUR)
    state = _worst(own) if own else "ok" if base or hour else "unknown"
    return StreamStatus(
        stream,
        _with_targets(state, agreed),
        (
            *(f"{_named(alert, held.get(alert.fingerprint, ''))}: {alert.reason}" for alert in own),
            *_targets(agreed, wrong=True),
        ),
        tuple(_shown(base, hour)),
        max(0.0, now - figures.last_received),
        (
            *unknown_model(stream, configured.models),
            *_targets(agreed, wrong=False),
            *notes(connection, figures, base_seconds, hour, configured),
            *(unjudged(configured.rules, stream, base, hour, base_seconds, now) if configured.rules else ()),
            *_rejections(stream, rejected),
        ),
    )


def _worst(own: Sequence[Alert]) -> str:
    return min((alert.severity for alert in own), key=list(Severity).index).value


def _with_targets(state: str, agreed: Sequence[TargetPeriod]) -> str:
    """The state, which is at least a warning while an agreed target is missed, and info while one may be."""
    standing = {one.standing for one in agreed}
    if Standing.MISSED in standing and state not in ("critical", "warning"):
        return Severity.WARNING.value
    if Standing.AT_RISK in standing and state in ("ok", "unknown"):
        return Severity.INFO.value
    return state


def _targets(agreed: Sequence[TargetPeriod], *, wrong: bool) -> list[str]:
    """How agreed targets stand: those that are or may be missed, or the others."""
    return [
        f"agreed target {targets.summary(one)}"
        for one in targets.by_urgency(agreed)
        if (one.standing in (Standing.MISSED, Standing.AT_RISK)) is wrong
    ]


def _named(alert: Alert, why_not_sent: str) -> str:
    """The rule with the instance of the alert, such as its feature or output, and what keeps it from being sent."""
    of = ", ".join(value for _, value in alert.instance)
    return " ".join((alert.rule, *(f"({note})" for note in (of, why_not_sent) if note)))


def _comparable(connection: Connection, stream: Stream, base_seconds: int, layout: str) -> list[str]:
    """Since when windows can be compared with the current baseline, if there are older ones."""
    extent = profiles.extent(connection, stream, base_seconds)
    since = profiles.first_of(connection, stream, base_seconds, layout)
    lines = []
    if extent is not None and since is None:
        lines.append(
            "no window has been profiled with the current baseline yet: nothing can be compared with it"
        )
    elif extent is not None and since is not None and since > extent[0]:
        lines.append(
            f"figures can be compared with the baseline since {iso(since)}; "
            "older windows were profiled with an earlier baseline"
        )
    if outdated := lake_profiles.outdated(connection, stream, layout):
        lines.append(
            f"{outdated:,} windows of history were profiled with an earlier baseline: profile them again"
        )
    return lines


_CHANGES = {
    "added": "{} not in the baseline",
    "filled": "{} empty in the baseline, with values now",
    "notation": "{} in a different notation than in the baseline, with the same meaning",
    "vanished": "{} without values now",
    "type": "{} with a different data type or vector length than in the baseline",
}


def _schema(hour: Iterable[Measurement]) -> list[str]:
    """Schema changes in the newest hour: features that appeared, disappeared or changed their data type."""
    changes: dict[str, list[str]] = {}
    for one in hour:
        if one.metric == "schema_changes" and one.label("feature"):
            changes.setdefault(one.label("change"), []).append(one.label("feature"))
    lines = [
        _CHANGES[change].format(_listed(sorted(features)))
        for change, features in sorted(changes.items())
        if change in _CHANGES
    ]
    return [f"features in the last hour: {'; '.join(lines)}"] if lines else []


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def _outcomes(connection: Connection, stream: Stream) -> list[str]:
    """Outcomes without a prediction."""
    counts = outcomes.counts(connection, stream)
    told = (
        f"outcomes: {counts.received:,} received, {counts.waiting:,} waiting for their prediction, "
        f"{counts.unmatched:,} never matched"
    )
    return [told] if counts.waiting or counts.unmatched else []


def _shown(base: list[Measurement], hour: list[Measurement]) -> list[tuple[str, str]]:
    shown = []
    for metric in SHOWN:
        # Metrics of outcomes are often missing in the last minute, but measured in the hour.
        measured = [m for m in (*base, *hour) if m.metric == metric and not m.labels and m.value is not None]
        if measured:
            shown.append((metric, figure(measured[0].value, measured[0].unit)))
    return shown


def unknown_model(stream: Stream, models: Mapping[str, Collection[str]]) -> list[str]:
    """What to do about a model that no configuration names, although it names others of the client."""
    named = models.get(stream.client)
    if not named or stream.model in named:
        return []
    return [
        f"unknown model{suggest(stream.model, named)}: it is not under clients.{stream.client}.models, so the client "
        "does not see it. Add it there, or correct the name in what is sent"
    ]


def notes(
    connection: Connection,
    figures: StreamFigures,
    base_seconds: int,
    hour: Iterable[Measurement],
    configured: Configured = Configured(),
) -> list[str]:
    """Notes on a stream: what is not measured yet and why, and since when figures can be compared.

    `hour` holds the measurements of its newest hour.
    """
    notes = []
    baseline = load_baseline(connection, figures.stream)
    if baseline is None:
        settings = configured.baselines.get(figures.stream, BaselineSettings())
        notes.append(f"no baseline yet: drift and comparisons are not measured. {_until(figures, settings)}")
    else:
        notes += _comparable(connection, figures.stream, base_seconds, baseline.layout.id)
        notes += _schema(hour)
        notes += _in_sample(connection, figures.stream, hour)
    notes += _outcomes(connection, figures.stream)
    learned = drift.calibration(connection, figures.stream)
    if learned is None:
        note = "drift is reported in the digest only, until a week of windows is available"
        notes.append(note + _missing(connection, figures.stream, baseline, base_seconds, configured.drift))
    else:
        notes += [f"drift: {text}" for text in (learned.note, learned.meaning) if text]
    for at, since, author in drift.acceptances(connection, figures.stream)[:1]:
        notes.append(f"drift: data since {iso(since)} was accepted as normal by {author} at {iso(at)}")
    return notes


def _until(figures: StreamFigures, settings: BaselineSettings) -> str:
    """What the baseline of a stream waits for."""
    if settings.file is not None:
        return f"The running daemon has not read {settings.file} yet"
    if settings.start is not None:
        return (
            f"It is created from {settings.start.isoformat()} to {settings.end and settings.end.isoformat()}"
        )
    after, age = format_duration(settings.after), max(0.0, figures.last_received - figures.first_received)
    return (
        f"It is created from the first {after} of traffic with at least {settings.rows:,} predictions "
        f"(so far {figures.rows:,} in {format_duration(round(age))}). "
        f"To start now: watchkeeper baseline set {figures.stream.client}/{figures.stream.model} TRAINING_FILE"
    )


def _missing(
    connection: Connection,
    stream: Stream,
    baseline: Baseline | None,
    base_seconds: int,
    settings: DriftSettings,
) -> str:
    """What is missing before drift can be evaluated, after a colon."""
    if baseline is None:
        return ": there is no baseline"
    extent = profiles.extent(connection, stream, base_seconds)
    until = float(extent[1]) if extent is not None else 0.0
    return f": {missing(connection, stream, baseline, base_seconds, until, settings)}"


def _in_sample(connection: Connection, stream: Stream, hour: Iterable[Measurement]) -> list[str]:
    """Whether live accuracy has been far below the baseline's since the first day."""
    usual = next((m.baseline for m in hour if m.metric == "accuracy" and not m.labels and m.baseline), None)
    first = measurements.first(connection, stream, HOUR)
    if usual is None or first is None:
        return []
    series = timeseries.load(connection, stream, "accuracy", HOUR, first, first + DAY)
    live = first_accuracy(usual, series.values, series.n)
    if live is None:
        return []
    return [
        f"the baseline looks in-sample: its accuracy is {figure(usual, 'share')}, that of live traffic was "
        f"{figure(live, 'share')} from the first day; use rows that the model was not trained on"
    ]


def _rejections(stream: Stream, rejected: list[Refused]) -> list[str]:
    """Rejected records of the last 24 hours. They are matched by client and model only."""
    own = [one for one in rejected if (one.client, one.model) == (stream.client, stream.model)]
    return [
        f"{one.count:,} {'record' if one.count == 1 else 'records'} rejected in the last 24 hours ({one.reason}), "
        f"for example: {one.example}"
        for one in own
    ]


def worst(lines: list[StreamStatus]) -> Severity | None:
    """The worst tier that is open, or None."""
    tiers = [Severity(line.state) for line in lines if line.state in set(Severity)]
    return min(tiers, key=list(Severity).index, default=None)


def as_json(line: StreamStatus) -> dict[str, object]:
    """The shape of `status --json`: keys are only ever added."""
    return {
        "client": line.stream.client,
        "model": line.stream.model,
        "environment": line.stream.environment,
        "state": line.state,
        "reasons": list(line.reasons),
        "figures": dict(line.figures),
        "silent_seconds": round(line.silent_for, 1),
        "notes": list(line.notes),
    }


def as_text(line: StreamStatus) -> list[str]:
    """A line with icon, state and figures, then one line per reason and note."""
    icon = {"ok": "✔", "unknown": "?", "info": "✔"}.get(line.state, "✖")
    figures = "  ".join(f"{name} {value}" for name, value in line.figures) or "not measured yet"
    age = format_duration(round(line.silent_for))
    first = f"{icon} {line.state:<8}  {line.stream}  {figures}  (newest data: {age} ago)"
    return [first, *(f"    {text}" for text in (*line.reasons, *line.notes))]

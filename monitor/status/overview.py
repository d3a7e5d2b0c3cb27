"""The state of every stream: open alerts, agreed targets, current figures and rejected records."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from monitor.alerts.inhibition import suppressed
from monitor.clock import iso
from monitor.config.units import DAY, HOUR, format_duration
from monitor.health import client_state, targets
from monitor.health.model_state import SITE_STALE_AFTER
from monitor.health.targets import Standing
from monitor.records import DAEMON, Alert, Measurement, Severity, Stream
from monitor.rules.engine.unevaluable_rules import unjudged
from monitor.rules.language.wording import figure
from monitor.status.configured import NOTHING_CONFIGURED, Configured
from monitor.status.stream_notes import notes, unknown_model, version_notes
from monitor.store import (
    alerts,
    faults,
    measurements,
    quarantine,
    silences,
    streams,
)
from monitor.store import targets as target_rows
from monitor.store.db import faults_of
from monitor.store.quarantine import Refused
from monitor.store.streams import StreamFigures
from monitor.store.targets import TargetPeriod

SHOWN = (
    "volume",
    "latency_p95",
    "error_rate",
    "availability",
    "accuracy",
    "automation_rate",
    "drifted_share",
)
"""The metrics shown per stream, from the last closed base window or the current hour, with the length of it."""
MOST_SKIPPED = 20
"""Maximum number of quarantined items that the daemon's state lists."""


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """A stream: `state` is ok, unknown, info, warning or critical; `notes` list what is not measured yet and why.

    `silent_for` is the time since the newest data in seconds; None for a configured model that has never sent any.
    """

    stream: Stream
    state: str
    reasons: tuple[str, ...]
    figures: tuple[tuple[str, str], ...]
    silent_for: float | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the states of all streams are made of, read once."""

    open_alerts: Sequence[Alert]
    suppressions: Mapping[str, str]
    rejected: Sequence[Refused]
    targets: Mapping[Stream, Sequence[TargetPeriod]]
    versions: Mapping[Stream, Sequence[str]]
    configured: Configured
    base_seconds: int
    now: float


_DAMAGED = "stored rows of this model are damaged, see the log: keep a backup, and run `watchkeeper doctor`"


def overview(
    connection: Connection,
    base_seconds: int,
    now: float,
    client: str = "",
    configured: Configured = NOTHING_CONFIGURED,
) -> list[StreamStatus]:
    """Every stream, worst first, with configured models that have sent nothing, and the daemon if it has a problem."""
    open_alerts = alerts.load_open(connection)
    known = [one for one in streams.figures_of_all(connection) if client in ("", one.stream.client)]
    facts = _Facts(
        open_alerts,
        suppressed(open_alerts, silences.load(connection, now), now, configured.alerts),
        quarantine.summary(connection, now - DAY, now + HOUR, client or None),
        target_rows.current(connection, client),
        version_notes(connection, [one.stream for one in known], now),
        configured,
        base_seconds,
        now,
    )
    lines: list[StreamStatus] = []
    for figures in known:
        line = StreamStatus(figures.stream, "unknown", (_DAMAGED,), (), None, ())
        with faults_of(connection).isolate("status", str(figures.stream)):
            line = _line(connection, figures, facts)
        lines.append(line)
    lines += _without_data(client, configured, {one.stream for one in known})
    itself = _itself(connection, open_alerts, configured.mistakes, now)
    lines += [itself] if itself and client in ("", DAEMON.client) else []
    rank = {"critical": 0, "warning": 1, "info": 2, "unknown": 3, "ok": 4}
    return sorted(lines, key=lambda line: (rank[line.state], line.stream))


def _without_data(client: str, configured: Configured, known: Collection[Stream]) -> list[StreamStatus]:
    """Configured models that have never sent data. Their state is unknown, as the client's page shows them waiting."""
    return [
        StreamStatus(stream, "unknown", ("has not sent any data yet",), (), None, ())
        for key, models in configured.models.items()
        if client in ("", key)
        for stream in client_state.without_data(key, models, known)
    ]


def _itself(
    connection: Connection, open_alerts: Sequence[Alert], mistakes: Sequence[str], now: float
) -> StreamStatus | None:
    """The state of the daemon: its open alerts, errors in rule files, and quarantined items."""
    open_of_stream = [alert for alert in open_alerts if alert.stream == DAEMON]
    skipped = faults.load(connection, now)
    if not open_of_stream and not mistakes and not skipped:
        return None
    notes = [
        f"error in a rule file, so the daemon keeps its previous rules: {mistake}" for mistake in mistakes
    ]
    notes += [
        f"skipped since {iso(one.since)}: {one.part} {one.subject}: {one.reason}"
        for one in skipped[:MOST_SKIPPED]
    ]
    notes += [f"and {len(skipped) - MOST_SKIPPED:,} more"] if len(skipped) > MOST_SKIPPED else []
    evaluated_at = max((a.evaluated_at or 0.0 for a in alerts.load(connection).values()), default=0.0)
    return StreamStatus(
        DAEMON,
        _worst(open_of_stream) if open_of_stream else Severity.WARNING.value,
        tuple(f"{alert.rule}: {alert.annotation('summary') or alert.reason}" for alert in open_of_stream),
        (),
        max(0.0, now - evaluated_at) if evaluated_at else 0.0,
        tuple(notes),
    )


def _line(connection: Connection, figures: StreamFigures, facts: _Facts) -> StreamStatus:
    stream, configured, now = figures.stream, facts.configured, facts.now
    agreed = facts.targets.get(stream, ())
    open_of_stream = [alert for alert in facts.open_alerts if alert.stream == stream]
    base = measurements.latest(connection, stream, facts.base_seconds)
    hour = measurements.latest(connection, stream, HOUR)
    silent = max(0.0, now - figures.data_until)
    stale_after = configured.stale_after.get(stream.client, HOUR)
    is_waiting = silent > (max(stale_after, SITE_STALE_AFTER) if figures.site else stale_after)
    is_known = bool(base or hour) and not is_waiting
    state = _worst(open_of_stream) if open_of_stream else "ok" if is_known else "unknown"
    return StreamStatus(
        stream,
        with_targets(state, agreed),
        (
            *(
                f"{_named(alert, facts.suppressions.get(alert.fingerprint, ''))}: {alert.reason}"
                for alert in open_of_stream
            ),
            *_targets(agreed, wrong=True),
            *([f"has not sent data for {format_duration(round(silent))}"] if is_waiting else []),
        ),
        tuple(_shown(base, hour)),
        silent,
        (
            *unknown_model(stream, configured.models),
            *_targets(agreed, wrong=False),
            *facts.versions.get(stream, ()),
            *_notes(connection, figures, facts, hour),
            *_unjudged(stream, facts, base, hour),
            *_rejections(stream, facts.rejected),
        ),
    )


def _notes(
    connection: Connection, figures: StreamFigures, facts: _Facts, hour: Sequence[Measurement]
) -> Sequence[str]:
    """The notes on a stream; a damaged row must not take its state away."""
    with faults_of(connection).isolate("status", f"{figures.stream}: notes"):
        return notes(connection, figures, facts.base_seconds, hour, facts.now, facts.configured)
    return (_DAMAGED,)


def _unjudged(
    stream: Stream, facts: _Facts, base: Sequence[Measurement], hour: Sequence[Measurement]
) -> Sequence[str]:
    rules = facts.configured.rules
    return unjudged(rules, stream, base, hour, facts.base_seconds, facts.now) if rules else ()


def _worst(open_of_stream: Sequence[Alert]) -> str:
    return min((alert.severity for alert in open_of_stream), key=list(Severity).index).value


def with_targets(state: str, agreed: Sequence[TargetPeriod]) -> str:
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


def _shown(base: list[Measurement], hour: list[Measurement]) -> list[tuple[str, str]]:
    shown = []
    for metric in SHOWN:
        # Metrics of outcomes are often missing in the last minute, but measured in the hour.
        measured = [m for m in (*base, *hour) if m.metric == metric and not m.labels and m.value is not None]
        if measured:
            first = measured[0]
            over = format_duration(first.window.seconds)
            shown.append((metric, f"{figure(first.value, first.unit)} in {over}"))
    return shown


def _rejections(stream: Stream, rejected: Sequence[Refused]) -> list[str]:
    """Rejected records of the last 24 hours. They are matched by client and model only."""
    of_stream = [one for one in rejected if (one.client, one.model) == (stream.client, stream.model)]
    return [
        f"{one.count:,} {'record' if one.count == 1 else 'records'} rejected in the last 24 hours ({one.reason}), "
        f"for example: {one.example}"
        for one in of_stream
    ]

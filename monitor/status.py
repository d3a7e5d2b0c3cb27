"""How everything stands, for somebody at a terminal: each stream's state, figures and what is still missing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from monitor.clock import iso
from monitor.durations import format_duration
from monitor.records import DAEMON, Alert, Measurement, Severity, Stream
from monitor.rules.wording import figure
from monitor.store import (
    alerts,
    baselines,
    drift,
    history,
    measurements,
    outcomes,
    profiles,
    quarantine,
    register,
)
from monitor.store.quarantine import Refused
from monitor.store.register import StreamFigures
from monitor.windows.baseline import DEFAULT

SHOWN = (
    "volume",
    "latency_p95",
    "error_rate",
    "availability",
    "accuracy",
    "automation_rate",
    "drifted_share",
)
"""The figures of a line, from the last closed base window or the running hour."""
HOUR = 3600
DAY = 86_400
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """One line: `state` is ok, unknown, info, warning or critical; `notes` say what is not measured yet, and why."""

    stream: Stream
    state: str
    reasons: tuple[str, ...]
    figures: tuple[tuple[str, str], ...]
    silent_for: float
    notes: tuple[str, ...]


def overview(
    connection: Connection, base_seconds: int, now: float, client: str = "", mistakes: Sequence[str] = ()
) -> list[StreamStatus]:
    """Every stream, worst first; the daemon itself where something is wrong with it.

    `mistakes` are those of the rule files as they are on disk now, which a running daemon refuses to read.
    """
    open_alerts = alerts.load_open(connection, client)
    known = [
        figures for figures in register.figures_of_all(connection) if client in ("", figures.stream.client)
    ]
    refused = quarantine.summary(connection, now - DAY, now + HOUR, client or None)
    lines = [_line(connection, figures, open_alerts, refused, base_seconds, now) for figures in known]
    itself = _itself(connection, open_alerts, mistakes, now)
    lines += [itself] if itself and client in ("", DAEMON.client) else []
    rank = {"critical": 0, "warning": 1, "info": 2, "unknown": 3, "ok": 4}
    return sorted(lines, key=lambda line: (rank[line.state], line.stream))


def _itself(
    connection: Connection, open_alerts: Sequence[Alert], mistakes: Sequence[str], now: float
) -> StreamStatus | None:
    """A line on the daemon: its own open alerts, and rule files that it would refuse."""
    own = [alert for alert in open_alerts if alert.stream == DAEMON]
    if not own and not mistakes:
        return None
    notes = [f"the rule files have mistakes, so a daemon keeps its old rules: {one}" for one in mistakes]
    looked = max((a.evaluated_at or 0.0 for a in alerts.load(connection).values()), default=0.0)
    return StreamStatus(
        DAEMON,
        own[0].severity.value if own else Severity.WARNING.value,
        tuple(f"{alert.rule}: {alert.annotation('summary') or alert.reason}" for alert in own),
        (),
        max(0.0, now - looked) if looked else 0.0,
        tuple(notes),
    )


def _line(
    connection: Connection,
    figures: StreamFigures,
    open_alerts: list[Alert],
    refused: list[Refused],
    base_seconds: int,
    now: float,
) -> StreamStatus:
    stream = figures.stream
    own = [alert for alert in open_alerts if alert.stream == stream]
    base = measurements.latest(connection, stream, base_seconds)
    hour = measurements.latest(connection, stream, HOUR)
    state = own[0].severity.value if own else "ok" if base or hour else "unknown"
    return StreamStatus(
        stream,
        state,
        tuple(f"{_named(alert)}: {alert.reason}" for alert in own),
        tuple(_shown(base, hour)),
        max(0.0, now - figures.last_received),
        (*notes(connection, figures, base_seconds, hour), *_refusals(stream, refused)),
    )


def _named(alert: Alert) -> str:
    """The rule, and of what the alert is: which feature, which output."""
    of = ", ".join(value for _, value in alert.instance)
    return f"{alert.rule} ({of})" if of else alert.rule


def _comparable(connection: Connection, stream: Stream, base_seconds: int, layout: str) -> list[str]:
    """From when on windows were counted as the present baseline has it, where there are older ones."""
    extent = profiles.extent(connection, stream, base_seconds)
    since = profiles.first_of(connection, stream, base_seconds, layout)
    told = []
    if extent is not None and since is None:
        told.append("no window was counted by the present baseline yet: nothing can be compared with it")
    elif extent is not None and since is not None and since > extent[0]:
        told.append(
            f"figures can be compared with the baseline from {iso(since)} on; "
            "older windows were counted before it"
        )
    if outdated := history.outdated(connection, stream, layout):
        told.append(
            f"{outdated:,} windows of history were counted before the present baseline: profile them again"
        )
    return told


_CHANGES = {
    "added": "{} not in the baseline",
    "filled": "{} without any value in the baseline, and with values now",
    "vanished": "{} without any value now",
    "type": "{} with texts where the baseline has numbers, or vectors of another length",
}


def _schema(hour: Iterable[Measurement]) -> list[str]:
    """Features that came, went or changed their type, as the newest hour has it."""
    found: dict[str, list[str]] = {}
    for one in hour:
        if one.metric == "schema_changes" and one.label("feature"):
            found.setdefault(one.label("change"), []).append(one.label("feature"))
    told = [
        _CHANGES[change].format(_listed(sorted(features)))
        for change, features in sorted(found.items())
        if change in _CHANGES
    ]
    return [f"features in the last hour: {'; '.join(told)}"] if told else []


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def _outcomes(connection: Connection, stream: Stream) -> list[str]:
    """Outcomes that have not found their predictions."""
    counts = outcomes.counts(connection, stream)
    if not counts.waiting and not counts.unmatched:
        return []
    return [
        f"outcomes: {counts.received:,} came in, {counts.waiting:,} wait for their prediction, "
        f"{counts.unmatched:,} were given up"
    ]


def _shown(base: list[Measurement], hour: list[Measurement]) -> list[tuple[str, str]]:
    shown = []
    for metric in SHOWN:
        # Rows come in every minute, outcomes later: what the last minute cannot tell, the hour may.
        found = [m for m in (*base, *hour) if m.metric == metric and not m.labels and m.value is not None]
        if found:
            shown.append((metric, figure(found[0].value, found[0].unit)))
    return shown


def notes(
    connection: Connection, figures: StreamFigures, base_seconds: int, hour: Iterable[Measurement]
) -> list[str]:
    """What else there is to know of a stream: what is not measured yet and why, what waits, from when on figures can
    be compared. `hour` is what was measured of its newest hour.
    """
    notes = []
    held_against = baselines.current(connection, figures.stream, DEFAULT)
    if held_against is None:
        notes.append("no baseline yet: drift and comparisons are not measured")
    else:
        notes += _comparable(connection, figures.stream, base_seconds, held_against.layout)
        notes += _schema(hour)
    notes += _outcomes(connection, figures.stream)
    learned = drift.calibration(connection, figures.stream)
    if learned is None:
        notes.append("drift goes to the digest only, until a week of windows was seen")
    else:
        notes += [f"drift: {text}" for text in (learned.note, learned.meaning) if text]
    for at, since, author in drift.acceptances(connection, figures.stream)[:1]:
        notes.append(
            f"drift: what came in since {iso(since)} is the normal state: {author} said so at {iso(at)}"
        )
    return notes


def _refusals(stream: Stream, refused: list[Refused]) -> list[str]:
    """The quarantine knows a record's client and model; its environment need not have been readable."""
    own = [one for one in refused if (one.client, one.model) == (stream.client, stream.model)]
    return [
        f"{one.count:,} of its records were refused in the last 24 hours ({one.reason}), such as: {one.example}"
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
    """A line on the model, and one for each reason and note. Icon and word, for whoever cannot see colours."""
    icon = {"ok": "✔", "unknown": "?", "info": "✔"}.get(line.state, "✖")
    figures = "  ".join(f"{name} {value}" for name, value in line.figures) or "nothing measured yet"
    age = format_duration(round(line.silent_for))
    first = f"{icon} {line.state:<8}  {line.stream}  {figures}  (newest data {age} old)"
    return [first, *(f"    {text}" for text in (*line.reasons, *line.notes))]

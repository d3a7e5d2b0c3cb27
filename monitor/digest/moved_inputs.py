"""Which inputs of a model moved in a period, by name and with the size of the change."""

from collections.abc import Collection, Iterable, Mapping

from sqlalchemy import Connection

from monitor.alerts.diagnosis.columns import ColumnShift, changes
from monitor.config.units import DAY, format_signed
from monitor.records import Alert, State, Stream, Transition, Window
from monitor.store import drift
from monitor.visible import one_line
from monitor.windows.baseline import Baseline
from monitor.windows.profile import Profile
from monitor.windows.rolling import Rolling

MOST_NAMED = 3
LONGEST_NAME = 60


def moved_names(
    connection: Connection,
    stream: Stream,
    transitions: Iterable[Transition],
    alerts: Mapping[str, Alert],
    start: float,
    end: float,
) -> set[str]:
    """The inputs about which an alert fired, or that belonged to a drift incident, in `[start, end)`."""
    names = {
        name
        for transition in transitions
        if transition.stream == stream and transition.to is State.FIRING
        if (name := _feature(alerts.get(transition.fingerprint)))
    }
    names |= {
        name
        for alert in alerts.values()
        if alert.stream == stream and alert.is_open and (alert.fired_at or end) < end
        if (name := _feature(alert))
    }
    for incident in drift.incidents(connection, stream):
        if incident.since < end and (incident.closed is None or incident.closed > start):
            names |= {
                column.removeprefix("features.")
                for column in incident.columns
                if column.startswith("features.")
            }
    return names


def _feature(alert: Alert | None) -> str:
    return next((value for name, value in alert.instance if name == "feature"), "") if alert else ""


def of_last_day(connection: Connection, stream: Stream, base_seconds: int, end: float) -> Profile:
    """What came in during the last day before `end`."""
    last = int(end // base_seconds) * base_seconds
    rolling = Rolling(connection, base_seconds, settled=float("-inf"))  # reading never writes
    return rolling.profile(stream, Window(last - DAY, last))


def words(names: Collection[str], baseline: Baseline, after: Profile) -> str:
    """`39 of 64 inputs, most: pixel_21 +0.9 sd, pixel_3 -0.8 sd`. Sizes are those of `after` beside the baseline."""
    if not names:
        return ""
    known = {column.feature for column in baseline.layout.features}
    mine = [name for name in names if name in known] or sorted(names)
    changed = {one.column: one for one in changes(baseline.profile.overall, after.overall, least=0.0)}
    sized = [(*_size(name, baseline.profile, after, changed.get(name)), name) for name in mine]
    sized.sort(key=lambda one: (-one[0], one[2]))
    named = ", ".join(f"{_short(name)} {text}".strip() for _, text, name in sized[:MOST_NAMED])
    most = ", most" if len(mine) > MOST_NAMED else ""
    of = f" of {len(known)}" if known else ""
    noun = "input" if max(len(known), len(mine)) == 1 else "inputs"
    return f"{len(mine)}{of} {noun}{most}: {named}"


def _size(name: str, before: Profile, after: Profile, change: ColumnShift | None) -> tuple[float, str]:
    """How far an input moved, to order them by, and in words; 0 and empty if that is unknown.

    The mean in standard deviations, or the change of a share (missing, new, a label) where that is larger.
    """
    column, effect = f"features.{name}", 0.0
    if before.overall.has(column) and after.overall.has(column):
        old, new = before.overall.column(column), after.overall.column(column)
        if old.mean is not None and new.mean is not None and old.deviation:
            effect = (new.mean - old.mean) / old.deviation
    if change is not None and change.size > abs(effect):
        return change.size, change.words.removeprefix(f"{name} ")
    return abs(effect), f"{format_signed(effect, 2)} sd" if effect else ""


def _short(name: str) -> str:
    name = one_line(name)
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"

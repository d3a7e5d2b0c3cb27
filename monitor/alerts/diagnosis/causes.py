"""What changed shortly before a problem began: a version, the inputs, the volume, other models. Pure.

These are possible causes: they are near in time. Nothing is named that did not change.
"""

from collections.abc import Iterable, Sequence

from monitor.alerts.diagnosis.affected_slices import listed, shortened
from monitor.alerts.diagnosis.columns import changes
from monitor.clock import minute
from monitor.config.units import HOUR
from monitor.records import DAEMON, Alert
from monitor.rules.language.wording import figure
from monitor.store.model_versions import Version
from monitor.visible import counted
from monitor.windows.profile import Profile

BEFORE = float(HOUR)
"""Seconds before the onset in which a change may be the cause."""
SLACK = 60.0
"""Seconds by which the onset may be later than it is known to be."""
MOST_COLUMNS = 3
VOLUME = 2.0
"""A rate of requests that changed by this factor is a change."""
LEAST_BEFORE = 600.0
"""Seconds of traffic before the onset, for its rate to be usual: a model that has just begun has none."""
LEAST_ROWS = 50
_ABOUT_VOLUME = frozenset(("volume", "throughput", "silence_seconds"))
NONE_FOUND = "none found: no new version and no change of inputs or volume in the hour before"
_WITHOUT_VOLUME = (
    "none found: no new version and no change of inputs in the hour before (the volume is not compared: "
)
NONE_FOUND_IN_A_PAST = f"{_WITHOUT_VOLUME}the predictions before were loaded as a past)"
NONE_FOUND_SO_SOON = f"{_WITHOUT_VOLUME}the model sent nothing earlier than ten minutes before)"


def versions_before(versions: Sequence[Version], since: float, now: float) -> list[str]:
    """`version 7 is serving since 14:01 UTC (before: 6)` for each version that is new at the onset."""
    sentences = []
    for version in versions:
        older = [one for one in versions if one.first_seen < version.first_seen and one.version]
        if not older or not version.version or not since - BEFORE <= version.first_seen <= since + SLACK:
            continue
        last = max(older, key=lambda one: (one.last_seen, one.first_seen))
        new, old = shortened(version.version), shortened(last.version)
        sentences.append(f"version {new} is serving since {minute(version.first_seen, now)} (before: {old})")
    return sentences[::-1]


def inputs_changed(before: Profile | None, after: Profile, part: float = 1.0, without: str = "") -> list[str]:
    """The features that changed most between two profiles, except the one that the alert is about.

    `part` is the share of the rows of `after` that came since the onset.
    """
    if before is None:
        return []
    changed = [one for one in changes(before.overall, after.overall, part=part) if one.column != without]
    return [f"input {one.words}" for one in changed[:MOST_COLUMNS]]


def volume_changed(before: float, after: float, rows: int, metric: str) -> list[str]:
    """A rate of requests (per second) that doubled or halved; `rows` are those since the onset."""
    if metric in _ABOUT_VOLUME or rows < LEAST_ROWS or before <= 0:
        return []
    if 1 / VOLUME < after / before < VOLUME:
        return []
    verb = "rose" if after > before else "fell"
    is_fast = min(before, after) >= 1
    was, is_now = (_rate(value, is_fast=is_fast) for value in (before, after))
    return [f"the volume {verb} to {is_now} ({was} before)"]


def elsewhere(alert: Alert, alerts: Iterable[Alert], since: float) -> list[str]:
    """Other models with the same alert since about the same time. Those of other clients are counted, not named:
    whoever reads of this client may be a stranger to them.
    """
    models = {
        (one.stream.client, one.stream.model)
        for one in alerts
        if one.rule == alert.rule and one.is_open and one.stream not in (alert.stream, DAEMON)
        and abs((one.fired_at or 0.0) - max(since, alert.fired_at or since)) <= 5 * SLACK
    }  # fmt: skip
    own = sorted(f"{client}/{model}" for client, model in models if client == alert.stream.client)
    others = len(models) - len(own)
    parts = [listed(own)] if own else []
    parts += [f"{counted(others, 'model')} of other clients"] if others else []
    if not parts:
        return []
    have = "has" if len(models) == 1 else "have"
    return [f"{' and '.join(parts)} {have} {alert.rule} since about the same time: what do they share?"]


def _rate(per_second: float, *, is_fast: bool) -> str:
    return f"{figure(per_second, '')}/s" if is_fast else f"{figure(per_second * 60, '')}/min"

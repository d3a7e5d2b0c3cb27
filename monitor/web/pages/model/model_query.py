"""What the address of a model's page asks for: the time range, what it is compared with, and by what it is split."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from monitor.config.units import DAY, HOUR
from monitor.errors import InputError
from monitor.records import Alert, Severity
from monitor.web.api import time_range
from monitor.web.api.time_range import TimeRange

BEFORE, AFTER = HOUR, 2 * HOUR
"""What is shown around the beginning of an alert, in seconds."""
RECENT = DAY
"""An open alert that fired within this time decides the range that the page opens with."""
COMPARED = {"day": "the day before", "week": "the week before", "none": "nothing"}
SHIFTS = {"day": DAY, "week": 7 * DAY}
VERSION, SEGMENT = "version", "segment:"
_LONGEST = 1_000
_SHORT = 200


@dataclass(frozen=True, slots=True)
class ModelQuery:
    """What an address asks for. `alert` is the fingerprint of one around which the page opens; `metric` and `of` name a
    measurement that is drawn besides; `split` is empty, `version` or `segment:` and the token of the segment's name.
    """

    metric: str = ""
    of: str = ""
    split: str = ""
    compare: str = ""
    alert: str = ""

    def having(self, shown: TimeRange, **changed: str) -> str:
        """The query string of the same view with some fields changed; `shown` is the time range."""
        values = {one.name: getattr(self, one.name) for one in fields(self)} | changed
        set_ones = {one.name: values[one.name] for one in fields(self) if values[one.name] != one.default}
        # The range stands in the address; around which alert it was chosen, no longer matters.
        set_ones.pop("alert", None)
        return f"?{urlencode(set_ones)}{'&' if set_ones else ''}{shown.query}"


def parse(asked: Mapping[str, str]) -> ModelQuery:
    """The query of an address; unknown fields are ignored.

    Raises:
        InputError: there is no such comparison or split.
    """
    texts = {one.name: str(asked[one.name])[:_LONGEST] for one in fields(ModelQuery) if asked.get(one.name)}
    compare, split = texts.get("compare", ""), texts.get("split", "")
    if compare and compare not in COMPARED:
        raise InputError(f"unknown comparison: {compare[:40]!r}", hint=f"use {', '.join(COMPARED)}")
    if split not in ("", VERSION) and not split.startswith(SEGMENT):
        raise InputError(f"unknown split: {split[:40]!r}", hint="use version, or segment: and its name")
    return ModelQuery(**texts)


def comparison(query: ModelQuery, shown: TimeRange) -> str:
    """With what a range is compared: the choice, else the day before (up to a day) or the week (up to a week)."""
    if query.compare:
        return query.compare
    return "day" if shown.seconds <= DAY else "week" if shown.seconds <= 7 * DAY else "none"


def token(name: str) -> str:
    """A name in an address: as it is, or a digest of a long one and of one with characters that no address may have."""
    if len(name) <= _SHORT and name.isprintable() and not name.startswith("~"):
        return name
    return f"~{sha256(name.encode(errors='surrogatepass')).hexdigest()[:16]}"


def opening(
    asked: Mapping[str, Any], query: ModelQuery, alerts: Sequence[Alert], now: float, zone: ZoneInfo
) -> tuple[TimeRange, Alert | None]:
    """The time range that is shown, and the alert that it was chosen around.

    What the address says; else the time around the named alert, or around the newest open one that fired within a day
    and is more than information; else the last day.

    Raises:
        InputError: a time cannot be read.
    """
    named = next((alert for alert in alerts if query.alert and alert.fingerprint == query.alert), None)
    if any(asked.get(name) for name in ("span", "from", "to")):
        return time_range.time_range_of(asked, now, zone), named
    chosen = named or _newest(alerts, now)
    began = began_at(chosen) if chosen is not None else None
    if began is None or not 0 < began <= now:
        return time_range.usual("", now), None
    return around(began, now), chosen


def _newest(alerts: Sequence[Alert], now: float) -> Alert | None:
    urgent = [
        alert
        for alert in alerts
        if alert.is_open and alert.severity is not Severity.INFO and (alert.fired_at or 0.0) > now - RECENT
    ]
    return max(urgent, key=lambda one: (one.fired_at or 0.0, one.fingerprint), default=None)


def began_at(alert: Alert) -> float | None:
    """When what an alert tells of began, as far as it is known: its condition, before it fired."""
    fired = alert.fired_at
    if fired is None or not math.isfinite(fired):
        return None
    since = alert.diagnosis.since if alert.diagnosis is not None else fired
    return since if fired - DAY < since < fired else fired


def around(began: float, now: float) -> TimeRange:
    """Three hours around the beginning of an alert, in base windows."""
    end = max(min(now, began + AFTER), began + 60)
    return TimeRange(began - BEFORE, end, 0)

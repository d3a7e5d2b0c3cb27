"""What staff read of what the daemon reads and sends: sources, gauges, exporters, sites, reports, the audit log.

Fields may be added, never removed; times are ISO 8601 in UTC.
"""

from typing import Any

import msgspec


class SourceAnswer(msgspec.Struct, frozen=True):
    """A source over all daemons that read it. `state` is `works`, `fails` or `not read`; null is not known."""

    name: str
    kind: str
    state: str
    error: str
    waiting: int | None
    oldest_seconds: float | None
    accepted: int
    rejected: int
    positions: dict[str, str]


class FigureAnswer(msgspec.Struct, frozen=True):
    """A figure of a gauge; `value` is null, with a reason, if it is not known."""

    metric: str
    resource: str
    gauge: str
    value: float | None
    unit: str
    reason: str


class GaugeAnswer(msgspec.Struct, frozen=True):
    """A gauge with its figures of the last minutes."""

    name: str
    kind: str
    stream: str
    figures: list[FigureAnswer]


class ExporterAnswer(msgspec.Struct, frozen=True):
    """A system to which metrics are sent; `failure` is empty while that works."""

    exporter: str
    kind: str
    host: str
    every: str
    failure: str


class SiteAnswer(msgspec.Struct, frozen=True):
    """What has arrived of a site: as a row of a table, as fields and as a sentence."""

    row: list[str]
    fields: dict[str, Any]
    sentence: str
    is_failing: bool


class SitesAnswer(msgspec.Struct, frozen=True):
    """How far this site has come, null if it is none, and what has arrived of others."""

    site: dict[str, Any] | None
    sites: list[SiteAnswer]


class EntryAnswer(msgspec.Struct, frozen=True):
    """An entry of the audit log."""

    at: str
    who: str
    address: str
    action: str
    client: str
    target: str
    outcome: int
    times: int


class LettersAnswer(msgspec.Struct, frozen=True):
    """A digest or a service report, as text and as HTML."""

    text: str
    html: str

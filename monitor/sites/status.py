"""What `watchkeeper site status` shows: how far this site has come, and what has arrived of others."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from monitor.clock import iso
from monitor.config.units import format_duration
from monitor.sites.completeness import bundles, completeness
from monitor.sites.outbox import Outbox
from monitor.sites.settings import KnownSite, SiteSettings
from monitor.store import site_state, site_windows
from monitor.windows.rolling import current_layout


@dataclass(frozen=True, slots=True)
class SiteView:
    """One site as a row of a table and as JSON; `is_failing`: it is silent, or bundles are missing."""

    row: tuple[str, ...]
    fields: dict[str, Any]
    sentence: str
    is_failing: bool


def of_this(connection: Connection, settings: SiteSettings) -> dict[str, Any] | None:
    """How far this site has come; None if it is none."""
    state = site_state.load(connection) if settings.name else None
    if state is None:
        return None
    outbox = Outbox(Path(settings.outbox))
    return {
        "site": state.site,
        "epoch": state.number,
        "last bundle": state.seq,
        "windows to bundle": site_state.waiting(connection),
        "bundles to send": len(outbox.waiting()),
        "bundles sent and kept": len(outbox.sent()),
    }


def of_others(connection: Connection, sites: Mapping[str, KnownSite], now: float) -> list[SiteView]:
    """What has arrived of each configured site."""
    delivered = site_windows.delivered(connection)
    streams = site_windows.streams_of(connection)
    views = []
    for name, site in sites.items():
        complete = completeness(name, [one for one in delivered if one.site == name], site.every, now)
        last = complete.last
        arrived = iso(last.received_at) if last else "never"
        until = iso(last.until) if last and last.until is not None else ""
        missing = bundles(complete.missing) if complete.missing else ""
        others = _of_other_layouts(connection, name, streams.get(name, []))
        sentence = "; ".join([complete.sentence, *others])
        fields = {
            "site": name, "client": site.client, "last_bundle": last.seq if last else None,
            "received_at": last.received_at if last else None, "until": last.until if last else None,
            "missing": list(complete.missing), "missing_of_earlier_epochs": complete.missing_before,
            "silence": complete.silence, "models": [str(one) for one in streams.get(name, [])],
            "sentence": sentence,
        }  # fmt: skip
        row = (name, site.client, str(last.seq) if last else "", arrived, until, missing)
        is_failing = bool(complete.missing_bundles) or (complete.silence or 0.0) > 1
        views.append(SiteView(row, fields, sentence, is_failing))
    return views


def _of_other_layouts(connection: Connection, site: str, streams: list[Any]) -> list[str]:
    """Warnings about models whose newest windows were counted with another baseline than the one in force here."""
    lines = []
    for stream in streams:
        layout = current_layout(connection, stream)
        if not site_windows.has_layout(connection, stream, site, layout.id):
            lines.append(
                f"all windows of {stream} were counted with another baseline than the one in force here: "
                "they are kept, and not compared"
            )
    return lines


def elsewhere(settings: SiteSettings, sites: Mapping[str, KnownSite], client: str) -> list[str]:
    """Where data of a client lies besides this daemon's database, in sentences for whoever erases it."""
    lines = [
        f"the site {name} keeps its own records: run the same erasure there"
        for name, site in sites.items()
        if site.client == client
    ]
    if settings.name:
        kept = format_duration(round(settings.kept))
        lines.append(
            f"bundles in {settings.outbox} hold counts, and no records; those that were sent are kept for {kept}"
        )
        lines.append("the agency has merged the counts of bundles that were sent")
    lines.append(
        "relays, if records of this client come through any, hold requests until they are sent: run the same erasure "
        "again when `watchkeeper relay status` says that nothing waits, or `watchkeeper relay erase` there"
    )
    return lines

"""Reads what staff read of sources, gauges, exporters, sites, digests and the audit log.

For the API, and for commands that have no daemon to ask.
"""

from collections.abc import Mapping

from sqlalchemy import Connection

from monitor import __version__
from monitor.clock import iso
from monitor.digest import Sender, render
from monitor.digest.service import page, periods, report
from monitor.errors import NotFoundError
from monitor.evaluation.gauge_metrics import GaugeMetrics
from monitor.exporters.push.exporter import ExporterSettings
from monitor.exporters.push.registry import kind_of
from monitor.exporters.push.runner import PART
from monitor.exporters.push.trial import place_of
from monitor.gauges.settings import GaugeSettings
from monitor.health.client_state import local_date
from monitor.health.settings import ClientSettings
from monitor.records import Measurement
from monitor.sites.settings import KnownSite, SiteSettings
from monitor.sites.status import of_others, of_this
from monitor.store import audit, source_positions, source_states
from monitor.store import faults as stored_faults
from monitor.store.db import Store
from monitor.store.source_states import SourceState
from monitor.web.api.staff import operation_schemas as schemas


def sources(connection: Connection, now: float, counts_all: Mapping[str, bool]) -> list[schemas.SourceAnswer]:
    """The configured sources by name, with whether each of several daemons counts all messages that wait."""
    states = source_states.load(connection, now)
    return [
        _source(
            name,
            [state for state in states if state.source == name],
            source_positions.load(connection, name),
            is_whole=is_whole,
        )
        for name, is_whole in counts_all.items()
    ]


def _source(
    name: str, states: list[SourceState], positions: dict[str, str], *, is_whole: bool
) -> schemas.SourceAnswer:
    errors = [state.error for state in states if state.error]
    waiting = [state.waiting for state in states if state.waiting is not None]
    ages = [state.oldest_seconds for state in states if state.oldest_seconds is not None]
    total = max if is_whole else sum
    return schemas.SourceAnswer(
        name,
        states[0].kind if states else "",
        "not read" if not states else "fails" if errors else "works",
        errors[0] if errors else "",
        total(waiting) if waiting else None,
        max(ages) if ages else None,
        sum(state.accepted for state in states),
        sum(state.rejected for state in states),
        positions,
    )


def gauges(
    store: Store, now: float, configured: Mapping[str, GaugeSettings], client: str
) -> list[schemas.GaugeAnswer]:
    """The configured gauges of a client, or of all, with the figures of the last minutes."""
    chosen = {
        name: section for name, section in configured.items() if client in ("", section.watched_stream.client)
    }
    measured = GaugeMetrics(store, chosen).measure(now)
    figures = [one for some in measured.values() for one in some]
    return [
        schemas.GaugeAnswer(
            name,
            getattr(section, "kind", ""),
            str(section.watched_stream),
            [_figure(figure) for figure in figures if _is_of(figure, name)],
        )
        for name, section in chosen.items()
    ]


def _is_of(one: Measurement, gauge: str) -> bool:
    return one.label("gauge").partition("/")[0] == gauge and bool(one.label("resource"))


def _figure(one: Measurement) -> schemas.FigureAnswer:
    return schemas.FigureAnswer(
        one.metric, one.label("resource"), one.label("gauge"), one.value, one.unit, one.reason
    )


def exporters(
    connection: Connection, now: float, configured: Mapping[str, ExporterSettings]
) -> list[schemas.ExporterAnswer]:
    """The configured exporters, with the failures that a running daemon reports."""
    failing = {one.subject: one.reason for one in stored_faults.load(connection, now) if one.part == PART}
    return [
        schemas.ExporterAnswer(
            name, kind_of(section), place_of(section), f"{section.every:g}s", failing.get(name, "")
        )
        for name, section in configured.items()
    ]


def sites(
    connection: Connection, now: float, own: SiteSettings, configured: Mapping[str, KnownSite]
) -> schemas.SitesAnswer:
    """How far this site has come, and what has arrived of others."""
    others = of_others(connection, configured, now)
    return schemas.SitesAnswer(
        of_this(connection, own),
        [schemas.SiteAnswer(list(one.row), one.fields, one.sentence, one.is_failing) for one in others],
    )


def entries(
    connection: Connection, wanted: audit.AuditFilter, most: int, offset: int = 0
) -> list[schemas.EntryAnswer]:
    """At most `most` entries of the audit log, newest first, from the one with number `offset` on."""
    return [
        schemas.EntryAnswer(
            iso(one.at), one.who, one.address, one.action, one.client, one.target, one.outcome, one.times
        )
        for one in audit.find(connection, wanted, offset, most)
    ]


def digest(sender: Sender, client: str, kind: str, now: float) -> schemas.LettersAnswer:
    """The digest of a client that would be sent now.

    Raises:
        NotFoundError: nothing is known of it.
    """
    built = sender.preview(client, now, kind)
    if built is None:
        raise NotFoundError(
            f"no data for the client '{client}'", hint="check that it sends predictions: watchkeeper status"
        )
    return schemas.LettersAnswer(
        render.text(built, __version__), render.html(built, __version__, is_alone=True)
    )


def service_report(
    connection: Connection, client: str, settings: ClientSettings, period: str, now: float
) -> schemas.LettersAnswer:
    """The service report of a client on a period such as 2026-10 or 2026-W43; if none is named, on the last month.

    Raises:
        InputError: it is no period.
        NotFoundError: the client has no models, or the period has not begun.
    """
    last = periods.containing("monthly", local_date(now, settings)).previous()
    chosen = periods.parse(period) if period else last
    built = report.read(connection, client, settings, chosen, now)
    if built is None:
        raise NotFoundError(
            f"no data of '{client}' in {chosen.key}",
            hint="the client has no models, or the period has not begun",
        )
    return schemas.LettersAnswer(page.text(built, __version__), page.html(built, __version__))

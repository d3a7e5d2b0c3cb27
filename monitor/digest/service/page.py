"""A service report as one HTML file that prints on A4, and as text. The file loads nothing and runs no script."""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from monitor.digest.service.periods import Period
from monitor.digest.service.report import MOST_INCIDENTS, ServiceReport
from monitor.health import wording
from monitor.health.model_state import ClientIncident
from monitor.visible import JOINERS, one_line, visible

_FOLDER = Path(__file__).parents[1] / "templates"
_TEMPLATES = Environment(
    loader=FileSystemLoader(_FOLDER),
    autoescape=select_autoescape(enabled_extensions=("html",), disabled_extensions=("txt",)),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    auto_reload=False,
)
_TEMPLATES.filters["joined"] = wording.joined
STYLE = (_FOLDER / "service_report.css").read_text(encoding="utf-8")
STYLE_HASH = f"sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}"
"""What a Content-Security-Policy allows the style of a report by."""
_WIDTH, _HEIGHT = 720, 90


def html(report: ServiceReport, version: str, back: str = "", leave: tuple[str, str] | None = None) -> str:
    """The report as a file. In a browser, `back` is the address that leads back to the client's page, and `leave` the
    address that signs out, with the token of its form.
    """
    values = _values(report, version)
    page = _TEMPLATES.get_template("service_report.html").render(
        **values, style=STYLE, back=back, leave=leave
    )
    return visible(page, keep="\n\t" + JOINERS)


def text(report: ServiceReport, version: str) -> str:
    """The report as text."""
    return _TEMPLATES.get_template("service_report.txt").render(**_values(report, version))


def _values(report: ServiceReport, version: str) -> dict[str, object]:
    zone = report.settings.zone
    periods = [one.period for one in report.trend]
    return {
        "report": report,
        "title": f"Service report, {report.period.title}",
        "version": version,
        "zone": zone.key,
        "made": f"{wording.day(report.made_at, zone)} {wording.clock(report.made_at, zone)}",
        "until": f"{wording.day(report.until, zone)} {wording.clock(report.until, zone)}",
        "figures": _figures(report),
        "incidents": [_incident(incident, report) for incident in report.incidents[:MOST_INCIDENTS]],
        "more": max(0, len(report.incidents) - MOST_INCIDENTS),
        "versions": [
            (_moment(one.at, report), one.sentence(report.settings.title(one.stream.model)))
            for one in report.versions[:MOST_INCIDENTS]
        ],
        "heads": [period.short for period in periods],
        "trend": _trend(report),
        "bars": _bars([one.decisions for one in report.trend]),
        "size": (_WIDTH, _HEIGHT),
        "bars_words": _bars_words(report),
        "one_line": one_line,
        "wide": f"{periods[0].title} to {periods[-1].title}",
    }


def _figures(report: ServiceReport) -> list[tuple[str, str, str]]:
    """Name, value and comparison of the figures on top."""
    now, before = report.trend[-1], report.trend[-2]
    of = "the month before" if report.period.kind == "monthly" else "the week before"
    earlier = wording.figure("volume", before.decisions)
    change = wording.change(now.decisions, before.decisions, "volume")
    compared = f"{of} {earlier} ({change})" if change != wording.NOTHING else f"no figure from {of}"
    if not report.is_complete:
        compared = "so far; " + (f"no figure from {of}" if before.decisions is None else f"{of} {earlier}")
    return [
        (_decisions(report), wording.figure("volume", now.decisions), compared),
        ("Answered", wording.figure("availability", now.answered), "of all requests"),
        (
            "Within limits",
            "—" if now.within is None else wording.share(now.within),
            "of the time, all models",
        ),
        ("Incidents", str(len(report.incidents)), f"{now.incidents} began in this period"),
    ]


def _decisions(report: ServiceReport) -> str:
    return "Decisions (some sampled)" if report.settings.sampled else "Decisions"


def _incident(one: ClientIncident, report: ServiceReport) -> dict[str, object]:
    zone, now = report.settings.zone, report.made_at
    seconds = (now if one.ended is None else one.ended) - one.started
    return {
        "title": one.title,
        "health": one.health,
        "since": _moment(one.started, report),
        "until": "ongoing" if one.ended is None else _moment(one.ended, report),
        "length": wording.span(seconds),
        "sentence": one.full_sentence,
        "cause": one.cause,
        "notes": [(_moment(note.at, report), note.text) for note in one.notes],
        "zone": zone,
    }


def _moment(at: float, report: ServiceReport) -> str:
    zone = report.settings.zone
    return f"{wording.day(at, zone)}, {wording.clock(at, zone).split()[0]}"


def _trend(report: ServiceReport) -> list[tuple[str, list[str]]]:
    """The rows of the table of the trend."""
    rows = [
        (_decisions(report), [wording.figure("volume", one.decisions) for one in report.trend]),
        ("Answered", [wording.figure("availability", one.answered) for one in report.trend]),
        ("Within limits", ["—" if one.within is None else wording.share(one.within) for one in report.trend]),
        (
            "Incidents",
            [wording.NOTHING if one.incidents is None else str(one.incidents) for one in report.trend],
        ),
    ]
    rows += [(f"{one.model}: {one.name.lower()}", list(one.values)) for one in report.quality]
    return rows


def _bars(values: Sequence[float | None]) -> list[tuple[float, float, float, float]]:
    """Left, top, width and height of each bar."""
    highest = max((value for value in values if value), default=0.0) or 1.0
    step = _WIDTH / len(values)
    heights = [(value or 0.0) / highest * (_HEIGHT - 4) for value in values]
    return [
        (round((index + 0.15) * step, 1), round(_HEIGHT - height, 1), round(0.7 * step, 1), round(height, 1))
        for index, height in enumerate(heights)
    ]


def _bars_words(report: ServiceReport) -> str:
    known = [(one.decisions, one.period) for one in report.trend if one.decisions is not None]
    if not known:
        return "No decisions in these periods."
    if len(known) == 1:
        value, only = known[0]
        return (
            f"{_decisions(report)}: {wording.count(value)} in {only.title}; the other periods have no data."
        )
    low, high = min(known, key=lambda one: one[0]), max(known, key=lambda one: one[0])
    ends = (("lowest", low), ("highest", high))
    parts = [f"{word} {wording.count(value)} ({one.short})" for word, (value, one) in ends]
    return f"{_decisions(report)}: {', '.join(parts)}, last {wording.figure('volume', report.trend[-1].decisions)}."


def address(public_url: str, report: ServiceReport) -> str:
    """Where the report is on the client's page."""
    return f"{public_url.rstrip('/')}/c/{quote(report.client, safe='')}/reports/{report.period.key}"


def file_name(client: str, period: Period) -> str:
    """`service-report-acme-2026-10.html`: only characters that a header and every file system takes."""
    plain = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "-_.") else "-" for letter in client
    )
    return f"service-report-{plain[:60]}-{period.key}.html"

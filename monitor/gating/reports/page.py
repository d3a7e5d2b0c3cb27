"""A gate's result as HTML: for notebooks (`fragment`), and as a complete page (`page`). No script, and no address of
another host.
"""

from collections.abc import Sequence
from html import escape

from monitor.comparison.report import STYLE, whole_page
from monitor.gating.records import StoredResult
from monitor.gating.reports import tables
from monitor.visible import one_line

_CLASSES = {"fail": "bad", "inconclusive": "mid"}
_MOST_SEGMENTS = 100
_VERDICT, _WHY = 1, 9


def fragment(result: StoredResult) -> str:
    """The result for a notebook."""
    summary = f"<p><b>{escape(tables.headline(result))}</b></p>"
    return f'<style>{STYLE}</style><div class="wk">{summary}<p>{escape(tables.about(result))}</p>{_body(result)}</div>'


def page(result: StoredResult) -> str:
    """The result as a complete page."""
    title = f"Gate: {one_line(result.name)}"
    return whole_page(title, tables.about(result), tables.headline(result), _body(result))


def _body(result: StoredResult) -> str:
    parts = []
    if result.metrics:
        rows = [_in_order(tables.metric_row(metric)) for metric in result.metrics]
        parts.append(_table("Metrics", _in_order(tables.METRIC_HEADER), rows))
    if findings := tables.findings(result):
        parts.append("<ul>" + "".join(f"<li>{escape(finding)}</li>" for finding in findings) + "</ul>")
    if result.segments:
        shown = [tables.segment_row(segment) for segment in result.segments[:_MOST_SEGMENTS]]
        parts.append("<p>Segments that lost most (they never decide):</p>")
        parts.append(_table("Segments", tables.SEGMENT_HEADER, shown))
    extra = [tables.small_segments(result), tables.needed(result), *result.notes, tables.legend(result)]
    return "".join([*parts, *(f'<p class="note">{escape(one_line(one))}</p>' for one in extra if one)])


def _in_order(row: Sequence[str]) -> list[str]:
    """Metric, verdict and reason first, since narrow screens show only these."""
    rest = [cell for place, cell in enumerate(row) if place not in (0, _VERDICT, _WHY)]
    return [row[0], row[_VERDICT], row[_WHY], *rest]


def _table(label: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(
        f'<th scope="col"{_class(place)}>{escape(title)}</th>' for place, title in enumerate(header)
    )
    body = "".join(
        "<tr>"
        + "".join(f"<td{_class(place, cell)}>{escape(cell)}</td>" for place, cell in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll" role="region" aria-label="{label}" tabindex="0"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _class(place: int, cell: str = "") -> str:
    if place == 1:
        return f' class="l {_CLASSES.get(cell, "")}"'
    return ' class="w"' if place == 2 else ""

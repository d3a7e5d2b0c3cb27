"""A comparison as HTML: for notebooks (`fragment`), and as a complete page (`page`). Worst columns first.

It has no script, no style attribute and no address of another host, so a content security policy only needs to allow
its one style sheet by hash.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from monitor.comparison.distribution import QUANTILES, LabelShares, NumberHistograms, NumberSide
from monitor.comparison.drawing import draw, number, percent
from monitor.visible import counted

_VERDICTS = {"drifted": "bad", "moved": "mid", "vanished": "bad"}
_NAMES = ("min", *(f"{share:.0%}".replace("%", " %") for share in QUANTILES), "max")

STYLE = """
.wk{--a:#7d8ba0;--b:#d9771e;--bad:#d0453f;--mid:#b9770e;font-size:13px;line-height:1.45}
.wk table{border-collapse:collapse}.wk .scroll{overflow-x:auto;max-width:100%}
.wk th,.wk td{padding:3px 9px;border-bottom:1px solid rgba(128,128,128,.25);text-align:right;white-space:nowrap;
font-variant-numeric:tabular-nums}
.wk td:first-child,.wk th:first-child,.wk .l{text-align:left}
.wk td:first-child{max-width:24em;overflow:hidden;text-overflow:ellipsis}
.wk .w{text-align:left;white-space:normal;min-width:7em}
.wk .bad{color:var(--bad);font-weight:600}.wk .mid{color:var(--mid);font-weight:600}
.wk .cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,340px),1fr));gap:12px;margin:16px 0;
align-items:start}
.wk details{border:1px solid rgba(128,128,128,.35);border-radius:6px;padding:8px 12px;min-width:0}
.wk summary{cursor:pointer;overflow-wrap:anywhere}.wk summary b{margin-right:6px}
.wk svg{display:block;width:100%;max-width:420px;height:auto;margin:8px 0}
.wk svg text{font-size:10.5px;fill:currentColor}
.wk .a,.wk .aq{fill:var(--a);fill-opacity:.5;stroke:none}.wk .aw,.wk .am{stroke:var(--a);stroke-width:2;fill:none}
.wk .b{fill:none;stroke:var(--b);stroke-width:2}.wk .bq{fill:var(--b);fill-opacity:.75}
.wk .bw,.wk .bm{stroke:var(--b);stroke-width:2;fill:none}.wk .x{stroke:currentColor;stroke-opacity:.4;fill:none}
.wk .key{display:inline-block;width:12px;height:10px;vertical-align:-1px;margin:0 4px 0 12px}
.wk .key rect{fill-opacity:1}.wk .note{opacity:.8;overflow-wrap:anywhere}
"""
_PAGE_STYLE = """
html{color-scheme:light dark}body{margin:0 auto;padding:16px;max-width:1180px;font-family:system-ui,sans-serif;
background:#fff;color:#1b2430}h1{font-size:20px;margin:0 0 4px;overflow-wrap:anywhere}
@media(prefers-color-scheme:dark){body{background:#12161d;color:#e6eaf0}
.wk{--a:#93a3ba;--b:#f0953f;--bad:#ff7b72;--mid:#e3b341}}
"""


@dataclass(frozen=True, slots=True)
class ShownColumn:
    """One column of a report: `cells` are those of its row in the table; the last one is the verdict."""

    cells: Sequence[str]
    effect: str
    picture: NumberHistograms | LabelShares | None
    is_open: bool


@dataclass(frozen=True, slots=True)
class ComparisonReport:
    """The content of a report. `changes` are those of the schema, `notes` are shown at the end."""

    summary: str
    header: Sequence[str]
    columns: Sequence[ShownColumn]
    pictures: int
    changes: Sequence[tuple[str, str]]
    notes: Sequence[str]
    left_out: int


def fragment(report: ComparisonReport) -> str:
    """The report for a notebook."""
    return (
        f'<style>{STYLE}</style><div class="wk"><p><b>{escape(report.summary)}</b></p>{_body(report)}</div>'
    )


def page(report: ComparisonReport, title: str, subtitle: str) -> str:
    """The report as a complete page."""
    return whole_page(title, subtitle, report.summary, _body(report))


def whole_page(title: str, subtitle: str, summary: str, body: str) -> str:
    """A page with the one style sheet, which its own policy allows by its hash."""
    style = STYLE + _PAGE_STYLE
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{digest}'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head>"
        f'<body><main class="wk"><h1>{escape(title)}</h1><p class="note">{escape(subtitle)}</p>'
        f"<p><b>{escape(summary)}</b></p>{body}</main></body></html>\n"
    )


def _body(report: ComparisonReport) -> str:
    titles = _ordered(report.header, "change")
    head = "".join(f'<th scope="col"{_class(i)}>{escape(title)}</th>' for i, title in enumerate(titles))
    rows = "".join(_row(column) for column in report.columns)
    more = (
        f"<p>{counted(report.left_out, 'more column')}, all less different, are in <code>.to_pandas()</code>.</p>"
        if report.left_out
        else ""
    )
    listed = "".join(f"<li><b>{escape(name)}</b> {escape(change)}</li>" for name, change in report.changes)
    schema = f"<p>Changes of the schema:</p><ul>{listed}</ul>" if report.changes else ""
    cards = "".join(
        _card(column) for column in report.columns[: report.pictures] if column.picture is not None
    )
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in report.notes)
    return (
        f'<div class="scroll" role="region" aria-label="All columns" tabindex="0"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>{more}{schema}<p>{_key('a')}reference{_key('b')}current. "
        "Boxes: 5 %, 25 %, median, 75 %, 95 %.</p>"
        f'<div class="cards">{cards}</div>{notes}'
    )


def _key(name: str) -> str:
    box = f'<rect class="{name}q" width="12" height="10"/>'
    return f'<svg class="key" viewBox="0 0 12 10" aria-hidden="true">{box}</svg>'


def _ordered(cells: Sequence[str], effect: str) -> list[str]:
    """A row of the table: name, verdict and change first, because narrow screens show only these."""
    name, *middle, verdict = cells
    return [name, verdict, effect, *middle]


def _row(column: ShownColumn) -> str:
    cells = []
    for i, cell in enumerate(_ordered(column.cells, column.effect)):
        whole = f' title="{escape(cell)}"' if i == 0 else ""
        cells.append(f"<td{_class(i, _verdict(cell) if i == 1 else '')}{whole}>{escape(cell)}</td>")
    return f"<tr>{''.join(cells)}</tr>"


def _class(i: int, name: str = "") -> str:
    if i == 1:
        return f' class="w {name}"' if name else ' class="w"'
    return ' class="l"' if i in (2, 3) else ""


def _verdict(text: str) -> str:
    return _VERDICTS.get(text.partition(";")[0], "")


def _card(column: ShownColumn) -> str:
    name, kind, verdict = column.cells[0], column.cells[1], column.cells[-1]
    assert column.picture is not None
    picture = draw(column.picture, f"{name}: {column.effect or verdict}")
    inner = picture + _quantiles(column.picture)
    return (
        f"<details{' open' if column.is_open else ''}><summary><b>{escape(name)}</b>{escape(kind)}, "
        f'<span class="{_verdict(verdict)}">{escape(verdict)}</span></summary>'
        f"<div>{escape(column.effect)}</div>{inner}</details>"
    )


def _quantiles(shown: NumberHistograms | LabelShares) -> str:
    if isinstance(shown, LabelShares):
        before, after = shown.missing
        return f"<div>missing: {percent(before)} → {percent(after)}</div>" if before or after else ""
    head = '<tr class="q"><th></th><th>reference</th><th>current</th></tr>'
    rows = zip((*_NAMES, "mean", "missing"), _figures(shown.before), _figures(shown.after), strict=True)
    lines = (f'<tr class="q"><td>{name}</td><td>{one}</td><td>{two}</td></tr>' for name, one, two in rows)
    return f"<table>{head}{''.join(lines)}</table>"


def _figures(side: NumberSide) -> list[str]:
    """Quantiles, mean and share of missing values, as texts."""
    values = [float(value) for value in side.quantiles] if side.n else [None] * len(_NAMES)
    cells = ["" if value is None else escape(number(value)) for value in (*values, side.mean)]
    return [*cells, percent(side.missing)]

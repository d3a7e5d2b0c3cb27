"""A rehearsal as HTML for notebooks: a time line with the incidents, and a table of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT, _LINE = 720, 64, 30
_STYLE = """
.wkr{font-size:13px;line-height:1.45}.wkr svg{display:block;width:100%;max-width:900px;height:auto;margin:8px 0}
.wkr svg text{font-size:11px;fill:currentColor}.wkr .l{fill:#7d8ba0;fill-opacity:.35}
.wkr .j{fill:#7d8ba0;fill-opacity:.12}
.wkr .i{fill:#d0453f;fill-opacity:.85}.wkr .x{stroke:currentColor;stroke-opacity:.4}
.wkr table{border-collapse:collapse}.wkr .s{overflow-x:auto}
.wkr td,.wkr th{padding:3px 9px;border-bottom:1px solid rgba(128,128,128,.25);text-align:left;vertical-align:top}
"""


@dataclass(frozen=True, slots=True)
class ShownIncident:
    """A drawn incident: seconds since the epoch, and the cells of its row."""

    start: float
    end: float
    cells: Sequence[str]


@dataclass(frozen=True, slots=True)
class TimeLine:
    """The drawn periods: the one that was learned from, and the evaluated one; `ends` are their times as texts."""

    learned: tuple[float, float]
    judged: tuple[float, float]
    ends: tuple[str, str]
    incidents: Sequence[ShownIncident]


def html(line: TimeLine, facts: Sequence[tuple[str, str]]) -> str:
    """The rehearsal for a notebook; no script, and no address of another host."""
    paragraphs = "".join(f"<p><b>{escape(name)}</b> {escape(text)}</p>" for name, text in facts)
    head = "".join(f"<th>{title}</th>" for title in ("alarm", "columns", "since", "end", "reason"))
    rows = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in incident.cells)}</tr>"
        for incident in line.incidents
    )
    table = (
        f'<div class="s"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
        if rows
        else ""
    )
    return f'<style>{_STYLE}</style><div class="wkr">{paragraphs}{_draw(line)}{table}</div>'


def _draw(line: TimeLine) -> str:
    first, last = min(line.learned[0], line.judged[0]), max(line.learned[1], line.judged[1])
    length = max(last - first, 1.0)

    def x(at: float) -> float:
        return (min(max(at, first), last) - first) / length * _WIDTH

    def bar(name: str, start: float, end: float, y: int, height: int, title: str) -> str:
        width = max(x(end) - x(start), 2.0)
        return (
            f'<rect class="{name}" x="{x(start):.1f}" y="{y}" width="{width:.1f}" height="{height}">'
            f"<title>{escape(title)}</title></rect>"
        )

    count = len(line.incidents)
    label = f"{count:,} {'incident' if count == 1 else 'incidents'} on the time line"
    bars = "".join(
        bar("i", incident.start, incident.end, 8, _LINE - 8, ", ".join(incident.cells[:2]))
        for incident in line.incidents
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">'
        f"{bar('l', *line.learned, 4, _LINE, 'learned')}{bar('j', *line.judged, 4, _LINE, 'judged')}{bars}"
        f'<path class="x" d="M0 {_LINE + 4}H{_WIDTH}"/><text x="0" y="{_HEIGHT - 12}">{escape(line.ends[0])}</text>'
        f'<text x="{x(line.judged[0]):.1f}" y="{_HEIGHT}" text-anchor="middle">evaluated from here on</text>'
        f'<text x="{_WIDTH}" y="{_HEIGHT - 12}" text-anchor="end">{escape(line.ends[1])}</text></svg>'
    )

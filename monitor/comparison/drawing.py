"""A comparison as a table in HTML, for notebooks: worst columns first, the distance as a bar, verdicts in words."""

from collections.abc import Iterator, Sequence
from html import escape

_CELL = "padding:2px 10px;border-bottom:1px solid rgba(128,128,128,.25);white-space:nowrap;"
_NUMBER = _CELL + "text-align:right;font-variant-numeric:tabular-nums;"
_TEXT = _CELL + "text-align:left;"
_VERDICTS = {"drifted": "#d64541", "moved": "#b9770e", "alike": "inherit"}
_BAR = "rgba(192,57,43,.28)"
_FIRST_NUMBER, _DISTANCE = 2, 2


def html(
    summary: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    shares: Sequence[float],
    changes: Sequence[tuple[str, str]],
    notes: Sequence[str],
    left_out: int,
) -> str:
    """The table. `shares` say how far each row's distance is on its way to the line, 0 to 1; the last cell of a row is
    its verdict, the first two are texts, all others numbers. `notes` stand below.
    """
    last = len(header) - 1
    head = "".join(f'<th style="{_style(i, last)}">{escape(title)}</th>' for i, title in enumerate(header))
    body = "".join(_row(row, share) for row, share in zip(rows, shares, strict=True))
    more = (
        f"<p>{left_out:,} more columns, all less different, are in <code>.to_pandas()</code>.</p>"
        if left_out
        else ""
    )
    listed = "".join(f"<li><b>{escape(name)}</b> {escape(change)}</li>" for name, change in changes)
    schema = f"<p>Changes of the schema:</p><ul>{listed}</ul>" if changes else ""
    return (
        f'<div style="font-size:13px"><p><b>{escape(summary)}</b></p>'
        f'<table style="border-collapse:collapse"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        f"{more}{schema}{''.join(f'<p>{escape(note)}</p>' for note in notes)}</div>"
    )


def _row(row: Sequence[str], share: float) -> str:
    return f"<tr>{''.join(_cells(row, share))}</tr>"


def _cells(row: Sequence[str], share: float) -> Iterator[str]:
    last = len(row) - 1
    for i, cell in enumerate(row):
        style = _style(i, last)
        if i == _DISTANCE and share > 0:
            style += f"background:linear-gradient(to left,{_BAR} {min(share, 1):.0%},transparent 0);"
        if i == last and cell in _VERDICTS:
            style += f"color:{_VERDICTS[cell]};" + ("font-weight:600;" if cell == "drifted" else "")
        whole = f' title="{escape(cell)}"' if i == 0 else ""
        yield f'<td style="{style}"{whole}>{escape(cell)}</td>'


def _style(i: int, last: int) -> str:
    if i == last:  # a reason may be long
        return _TEXT + "white-space:normal;min-width:16em;"
    if i == 0:
        return _TEXT + "max-width:24em;overflow:hidden;text-overflow:ellipsis;"
    return _TEXT if i < _FIRST_NUMBER else _NUMBER

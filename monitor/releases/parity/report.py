"""A comparison of two environments as JSON, as lines of a table, and as a page without scripts."""

import re
from collections.abc import Sequence
from html import escape
from typing import Any

from monitor.records import Stream
from monitor.releases.parity.compare import differs, summary
from monitor.releases.parity.row import ParityRow, ParityStanding
from monitor.text_limits import shortened
from monitor.visible import visible

_LONGEST = 200
_DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")
SIGNS = {
    ParityStanding.DIFFERS: "✖",
    ParityStanding.UNKNOWN: "?",
    ParityStanding.AGREED: "◆",
    ParityStanding.EQUAL: "✔",
}
_STYLE = """
html{color-scheme:light dark}body{margin:0 auto;padding:16px;max-width:1180px;font:15px/1.45 system-ui,sans-serif}
table{border-collapse:collapse;width:100%}.scroll{overflow-x:auto}
th,td{padding:6px 10px;border-bottom:1px solid #8886;text-align:left;vertical-align:top;overflow-wrap:anywhere}
"""


def as_json(left: Stream, right: Stream, rows: Sequence[ParityRow]) -> dict[str, Any]:
    """The comparison as printed with `--json`. Keys may be added, never removed."""
    return {
        "schema": "watchkeeper.parity/1",
        "left": str(left),
        "right": str(right),
        "differs": differs(rows),
        "rows": [
            {
                "point": row.point,
                "name": row.name,
                "level": row.level.value,
                "standing": row.standing.value,
                "left": row.left,
                "right": row.right,
                "note": row.note,
            }
            for row in rows
        ],
    }


def cells(row: ParityRow) -> tuple[str, ...]:
    """A row as texts without characters that cannot be seen: standing, point, name, both sides, note."""
    texts = (
        f"{SIGNS[row.standing]} {row.standing.value}",
        row.point,
        row.name,
        row.left,
        row.right,
        row.note,
    )
    return tuple(shortened(visible(_DIGEST.sub(r"\1...", text)), _LONGEST) for text in texts)


def columns(left: Stream, right: Stream) -> tuple[str, ...]:
    """The heads of the table."""
    return ("standing", "point", "what", visible(left.environment), visible(right.environment), "note")


def page(left: Stream, right: Stream, rows: Sequence[ParityRow]) -> str:
    """The comparison as one HTML file."""
    title = escape(visible(f"{left.client}/{left.model}: {left.environment} and {right.environment}"))
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns(left, right))
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells(row))}</tr>\n" for row in rows)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{title}</title>'
        f"<style>{_STYLE}</style></head>\n<body><h1>{title}</h1><p>{escape(summary(rows))}</p>\n"
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>'
        "</body></html>\n"
    )

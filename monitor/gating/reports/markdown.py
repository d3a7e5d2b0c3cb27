"""A gate's result as Markdown: for a step summary of GitHub, a comment on a merge request, a wiki."""

import re
from collections.abc import Sequence

from monitor.gating.records import StoredResult
from monitor.gating.reports import tables
from monitor.rollouts.verdict import Outcome
from monitor.text_limits import shortened
from monitor.visible import one_line

MOST_BYTES = 60_000
"""GitHub drops a comment of more than 64 kB, and a summary of more than 1 MiB, as a whole."""
_ICONS = {Outcome.PASS: "✅", Outcome.FAIL: "❌", Outcome.INCONCLUSIVE: "⚠️"}
_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+!|~@&:$-])")
_MOST_NOTES, _MOST_FINDINGS, _LONGEST = 10, 50, 400


def markdown(result: StoredResult) -> str:
    """The result as Markdown, of at most `MOST_BYTES`."""
    icon = _ICONS[result.outcome]
    parts = [
        f"## {icon} {plain(result.name)}: {result.outcome.value}",
        f"{plain(result.reason)}.",
        f"{plain(tables.about(result))}.",
    ]
    if result.metrics:
        rows = [tables.metric_row(metric) for metric in result.metrics]
        icons = [_ICONS[metric.outcome] for metric in result.metrics]
        rows = [(row[0], f"{icons[at]} {row[1]}", *row[2:]) for at, row in enumerate(rows)]
        parts.append(_table(tables.METRIC_HEADER, rows))
    if findings := tables.findings(result):
        parts.append("\n".join(f"- {plain(finding)}" for finding in findings[:_MOST_FINDINGS]))
    if result.segments:
        shown = result.segments[: tables.MOST_SEGMENTS]
        rows = [tables.segment_row(one) for one in shown]
        parts += ["Segments that lost most (they never decide):", _table(tables.SEGMENT_HEADER, rows)]
    extra = [tables.small_segments(result), tables.needed(result), *result.notes[:_MOST_NOTES]]
    parts += [*(plain(one) for one in extra if one), f"<sub>{plain(tables.legend(result))}</sub>"]
    return _cut(parts)


def plain(text: str) -> str:
    """Text from outside as Markdown that shows it: no markup, no mention of a user, no reference to an issue. Long
    texts are cut.
    """
    return (
        _SPECIAL.sub(r"\\\1", shortened(one_line(text), _LONGEST))
        .replace("\\@", "@\u200b")
        .replace("\\#", "#\u200b")
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *([plain(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cut(parts: Sequence[str]) -> str:
    """As many parts as fit; a part that does not is replaced by a sentence."""
    text = ""
    for part in parts:
        if len((text + part).encode()) > MOST_BYTES - 100:
            return f"{text}More does not fit here: see the JSON output.\n"
        text += f"{part}\n\n"
    return text

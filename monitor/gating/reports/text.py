"""A gate's result for the terminal."""

from collections.abc import Sequence

from monitor.gating.records import StoredResult
from monitor.gating.reports import tables
from monitor.visible import one_line


def text(result: StoredResult) -> str:
    """The result as text: verdict, metrics, targets, rules, segments, notes."""
    parts = [tables.headline(result), tables.about(result)]
    if result.metrics:
        parts += [
            "",
            *_aligned(tables.METRIC_HEADER, [tables.metric_row(metric) for metric in result.metrics]),
        ]
    if findings := tables.findings(result):
        parts += ["", *findings]
    shown = result.segments[: tables.MOST_SEGMENTS]
    if shown:
        parts += ["", "Segments that lost most (they never decide):"]
        parts += _aligned(tables.SEGMENT_HEADER, [tables.segment_row(one) for one in shown])
    extra = [tables.small_segments(result), tables.needed(result), *map(one_line, result.notes)]
    return "\n".join([*parts, "", *filter(None, extra), tables.legend(result)])


def _aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns of equal width; columns without a value are left out."""
    kept = [place for place in range(len(header)) if any(row[place] for row in rows)]
    lines = [[line[place] for place in kept] for line in (header, *rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(kept))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]

"""Values that are missing, unreadable, never seen before, or out of the baseline's range; columns that come or go."""

from collections.abc import Iterator

from monitor.metrics import intervals
from monitor.metrics.drift.features import where
from monitor.metrics.subject import MetricInfo, Subject, too_few
from monitor.records import Better, Labels, Measurement, labels
from monitor.windows import extra
from monitor.windows.layout import Column, Kind
from monitor.windows.profile import ColumnCounts, Slice

_WHERE = ("feature", "output")
MISSING_SHARE = MetricInfo(
    "missing_share", "share", Better.LOWER, "Share of the rows without a usable value.", _WHERE,
    "(missing + NaN + unreadable) / rows, Wilson interval", "features or answers",
)  # fmt: skip
NEW_CATEGORY_SHARE = MetricInfo(
    "new_category_share", "share", Better.LOWER, "Share of the rows with a label that the baseline never saw.",
    _WHERE, "rows with a new label / rows", "a baseline; labels",
)  # fmt: skip
OUT_OF_RANGE_SHARE = MetricInfo(
    "out_of_range_share", "share", Better.LOWER, "Share of the values outside of the baseline's range.",
    _WHERE, "(below + above) / rows with a value", "a baseline; numbers",
)  # fmt: skip
UNREADABLE_SHARE = MetricInfo(
    "unreadable_share", "share", Better.LOWER, "Share of the rows with a text where a number belongs.", _WHERE,
    "unreadable / rows", "a baseline; numbers",
)  # fmt: skip
SCHEMA_CHANGES = MetricInfo(
    "schema_changes", "features", Better.LOWER, "How many features appeared, vanished or changed their type.",
    ("feature", "change"), "features not in the baseline + features without any value + features mostly unreadable",
    "a baseline",
)  # fmt: skip
INFO = (MISSING_SHARE, NEW_CATEGORY_SHARE, OUT_OF_RANGE_SHARE, UNREADABLE_SHARE, SCHEMA_CHANGES)


def measure(subject: Subject) -> Iterator[Measurement]:
    """Shares of each watched column, and the changes of the schema."""
    part = subject.profile.overall
    base = _comparable(subject)
    changes: list[tuple[str, str]] = []
    for column in subject.profile.layout.columns:
        if column.name in ("prediction", "confidence") or column.feature:
            counts = part.column(column.name)
            usual = base.column(column.name) if base is not None else None
            yield from _shares(subject, part, column, counts, usual)
            if column.feature and counts.rows >= subject.settings.min_rows:
                changes += _changed(column, counts, usual)
    if base is None:
        yield subject.not_measured(SCHEMA_CHANGES, "no baseline")
        return
    changes += [(name, "added") for name in extra.unknown_features(dict(part.tallies))]
    yield subject.ok(SCHEMA_CHANGES, float(len(changes)), part.rows)
    for feature, change in changes:
        yield subject.ok(SCHEMA_CHANGES, 1.0, part.rows, where=labels(feature=feature, change=change))


def _comparable(subject: Subject) -> Slice | None:
    baseline = subject.baseline
    if baseline is None or baseline.layout.id != subject.profile.layout.id:
        return None
    return baseline.profile.overall


def _shares(
    subject: Subject, part: Slice, column: Column, counts: ColumnCounts, usual: ColumnCounts | None
) -> Iterator[Measurement]:
    labelled = where(column)
    design = max(part.design, 1.0) if column.feature else 1.0
    rows, before = counts.rows / design, usual.rows if usual is not None else 0.0

    def share(info: MetricInfo, amount: float, of: float, base_amount: float, base_of: float) -> Measurement:
        return _share(subject, info, labelled, amount / design, of, base_amount, base_of)

    yield share(MISSING_SHARE, counts.missing, rows, usual.missing if usual else 0.0, before)
    if usual is None or column.kind in (Kind.IDENTIFIER, Kind.EMPTY):
        return
    if column.labelled:
        if not column.open_ended:
            yield share(NEW_CATEGORY_SHARE, counts.new, rows, usual.new, before)
        return
    outside, usual_outside = counts.below + counts.above, usual.below + usual.above
    yield share(OUT_OF_RANGE_SHARE, outside, counts.n / design, usual_outside, usual.n)
    yield share(UNREADABLE_SHARE, counts.unreadable, rows, usual.unreadable, before)


def _share(
    subject: Subject,
    info: MetricInfo,
    at: Labels,
    amount: float,
    of: float,
    base_amount: float,
    base_of: float,
) -> Measurement:
    needed = subject.settings.min_rates
    if of < needed:
        return subject.not_measured(info, too_few(of, needed), of, where=at)
    p_value = intervals.two_shares(amount, of, base_amount, base_of) if base_of > 0 else None
    return subject.ok(
        info,
        amount / of,
        of,
        where=at,
        interval=intervals.wilson(amount, of),
        p_value=p_value,
        baseline=base_amount / base_of if base_of > 0 else None,
    )


def _changed(column: Column, counts: ColumnCounts, usual: ColumnCounts | None) -> list[tuple[str, str]]:
    if counts.unreadable > counts.rows / 2:
        return [(column.feature, "type")]
    if counts.n == 0 and usual is not None and usual.n > 0:
        return [(column.feature, "vanished")]
    if column.kind is Kind.EMPTY and counts.n > 0:
        return [(column.feature, "filled")]
    return []

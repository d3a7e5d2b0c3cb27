"""The result of a comparison: worst columns first, as text, HTML, or a frame."""

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from monitor.comparison.distribution import LabelShares, NumberHistograms, distribution
from monitor.comparison.drawing import number, percent
from monitor.comparison.report import ComparisonReport, ShownColumn, fragment, page
from monitor.records import Measurement
from monitor.visible import counted
from monitor.windows.layout.layout import ColumnKind
from monitor.windows.profile import ColumnCounts

if TYPE_CHECKING:
    import pandas
    import polars

_SHOWN = (
    ("psi", "PSI"),
    ("jensen_shannon", "JS"),
    ("kolmogorov_smirnov", "KS"),
    ("wasserstein", "Wasserstein"),
    ("mean_shift", "mean shift"),
    ("missing_share", "missing"),
    ("new_category_share", "new labels"),
)
_UNREADABLE = {
    ColumnKind.EMBEDDING: "are vectors of another length or with gaps",
    ColumnKind.TIME: "are not times",
}
"""How unreadable values are described; by default as texts."""
_SHARES = ("missing_share", "new_category_share")
_SMALLEST_P = 0.001
_WIDEST = 80
_MOST = 100
"""Maximum number of columns that a notebook shows."""
_MOST_LISTED = 400
"""Maximum number of columns in the table of a page."""
_MOST_PICTURES = 60
_OPEN = 12
"""Maximum number of pictures that are not folded, if their columns differ at all."""


@dataclass(frozen=True, slots=True)
class ColumnResult:
    """One column's measurements. `expected_psi` is the PSI that chance alone gives.

    `counts` are those of the reference and of the current table, kept for the most different columns.
    """

    name: str
    kind: ColumnKind
    measurements: tuple[Measurement, ...]
    expected_psi: float
    note: str = ""
    counts: tuple[ColumnCounts, ColumnCounts] | None = field(default=None, repr=False, compare=False)

    def value(self, metric: str) -> float | None:
        """The value of a metric; None if it was not measured."""
        measurement = self.measurement(metric)
        return None if measurement is None else measurement.value

    def measurement(self, metric: str) -> Measurement | None:
        """The measurement of a metric; None if it does not apply to the column."""
        return next((m for m in self.measurements if m.metric == metric), None)

    @property
    def source(self) -> str:
        """The column of the table that this is, or is derived from."""
        return self.name.partition("#")[0]

    @property
    def distance(self) -> float:
        """PSI beyond chance, by which columns are ranked."""
        return max((self.value("psi") or 0.0) - self.expected_psi, 0.0)

    @property
    def distribution(self) -> NumberHistograms | LabelShares | None:
        """The values before and after; None without values, or if they were not kept."""
        return distribution(*self.counts) if self.counts is not None else None

    @property
    def reason(self) -> str:
        """Why the column was not measured, or an empty string."""
        psi = self.measurement("psi")
        return psi.reason if psi is not None else self.note or "the reference has no value of this kind"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The columns, worst first (vanished ones before all others, unmeasured ones last), and changes of the schema.

    `notes` are about the tables, such as unreadable lines.
    """

    columns: tuple[ColumnResult, ...]
    schema: tuple[Measurement, ...]
    reference_rows: int
    current_rows: int
    drifted_psi: float
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        vanished = self._vanished
        ranked = sorted(
            self.columns,
            key=lambda one: (one.source not in vanished, bool(one.reason), -one.distance, one.name),
        )
        object.__setattr__(self, "columns", tuple(ranked))

    def __getitem__(self, name: str) -> ColumnResult:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def measurements(self) -> list[Measurement]:
        """Every measurement, worst column first."""
        return [m for column in self.columns for m in column.measurements] + list(self.schema)

    @property
    def drifted(self) -> list[ColumnResult]:
        """The columns whose PSI is beyond the line, after subtracting what chance alone gives."""
        return [column for column in self.columns if column.distance >= self.drifted_psi]

    @property
    def has_drifted(self) -> bool:
        """Whether a column drifted or vanished."""
        return bool(self.drifted or self._vanished)

    @property
    def summary(self) -> str:
        """One sentence."""
        count = len(self.schema)
        changes = f", {count} {'change' if count == 1 else 'changes'} of the schema" if count else ""
        vanished = self._vanished
        unmeasured = sum(bool(column.reason) and column.source not in vanished for column in self.columns)
        unmeasured_words = f", {unmeasured:,} could not be measured" if unmeasured else ""
        return (
            f"{len(self.drifted):,} of {counted(len(self.columns), 'column')} drifted{unmeasured_words} "
            f"({counted(self.reference_rows, 'reference row')}, {counted(self.current_rows, 'current row')}{changes})"
        )

    def rows(self) -> list[list[str]]:
        """One row per column, as in the tables: name, kind, the metrics, p-value, verdict."""
        vanished = self._vanished
        return [self._row(column, is_there=column.source not in vanished) for column in self.columns]

    @property
    def header(self) -> list[str]:
        """The titles of the columns of `rows`."""
        return ["column", "kind", *(title for _, title in _SHOWN), "p", "verdict"]

    def to_dicts(self) -> list[dict[str, Any]]:
        """All measurements of each column as plain values by name, worst column first."""
        names = [
            field.name for field in fields(Measurement) if field.name not in ("stream", "window", "labels")
        ]
        return [
            {"column": column.name, **{name: getattr(m, name) for name in names}, "better": str(m.better)}
            for column in self.columns
            for m in column.measurements
        ]

    def to_arrow(self) -> pa.Table:
        """The same as one Arrow table."""
        return pa.Table.from_pylist(self.to_dicts())

    def to_pandas(self) -> "pandas.DataFrame":
        """All measurements as a pandas frame."""
        return self.to_arrow().to_pandas()

    def to_polars(self) -> "polars.DataFrame":
        """All measurements as a Polars frame."""
        import polars

        return polars.DataFrame(self.to_arrow())

    def text(self, most: int | None = None) -> str:
        """The columns as lines, worst first; at most `most` of them."""
        rows = [[_one_line(cell) for cell in row] for row in self.rows()[:most]]
        lines = [self.header, *rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.header))]
        texts = [
            "  ".join(
                cell.ljust(width) if i < 2 or i == len(widths) - 1 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]
        left_out = len(self.columns) - len(rows)
        remaining = (
            [f"({counted(left_out, 'more column')}, all less different: .to_pandas() has them)"]
            if left_out
            else []
        )
        changes = [f"{_one_line(feature)}: {change}" for feature, change in self._changes()]
        return "\n".join([self.summary, "", *texts, *remaining, *changes, *self.notes])

    def __repr__(self) -> str:
        return self.text(_MOST)

    def _repr_html_(self) -> str:
        return fragment(self._report(_MOST))

    def to_html(self, title: str = "Comparison", subtitle: str = "") -> str:
        """A complete page without script or addresses of other hosts."""
        return page(self._report(_MOST_LISTED), title, subtitle)

    def _report(self, most: int) -> ComparisonReport:
        half = self.drifted_psi / 2
        shown = []
        for place, (column, cells) in enumerate(zip(self.columns[:most], self.rows()[:most], strict=True)):
            picture = column.distribution if place < _MOST_PICTURES else None
            is_open = place < _OPEN and (column.distance >= half or column.source in self._vanished)
            shown.append(ShownColumn(cells, _effect(column, picture), picture, is_open))
        left_out = max(0, len(self.columns) - most)
        notes = [self._legend, *self.notes]
        return ComparisonReport(
            self.summary, self.header, shown, _MOST_PICTURES, self._changes(), notes, left_out
        )

    @property
    def _legend(self) -> str:
        line = self.drifted_psi
        return f"drifted: PSI beyond chance is {line:g} or more; moved: {line / 2:g} or more."

    @property
    def _vanished(self) -> set[str]:
        return {feature for feature, change in self._changes() if change == "vanished"}

    def _changes(self) -> list[tuple[str, str]]:
        return [(m.label("feature"), m.label("change")) for m in self.schema]

    def _row(self, column: ColumnResult, *, is_there: bool) -> list[str]:
        cells = [_written(metric, column.value(metric)) for metric, _ in _SHOWN]
        psi = column.measurement("psi")
        p_value = psi.p_value if psi is not None else None
        return [
            column.name,
            column.kind.value,
            *cells,
            _written("p", p_value),
            self._verdict(column) if is_there else "vanished",
        ]

    def _verdict(self, column: ColumnResult) -> str:
        share = column.value("unreadable_share") or 0.0
        kind_of_values = _UNREADABLE.get(column.kind, "are texts, not numbers")
        verdict = self._judged(column)
        return f"{verdict}; {share:.1%} {kind_of_values}" if share else verdict

    def _judged(self, column: ColumnResult) -> str:
        if column.distance >= self.drifted_psi:
            return "drifted"
        if column.distance >= self.drifted_psi / 2:
            return "moved"
        return column.reason.removeprefix(f"{column.source} ") or "alike"


def _effect(column: ColumnResult, picture: NumberHistograms | LabelShares | None) -> str:
    """How large the change is, with its 95 % interval."""
    return "; ".join(part for part in (_moved(column, picture), _more_missing(column)) if part)


def _more_missing(column: ColumnResult) -> str:
    """The change of the share of missing values, if it is significantly a point or more."""
    now = column.measurement("missing_share")
    if now is None or now.value is None or now.baseline is None or now.low is None or now.high is None:
        return ""
    if abs(now.value - now.baseline) < 0.01 or now.low <= now.baseline <= now.high:
        return ""
    return f"missing: {percent(now.baseline)} → {percent(now.value)}"


def _moved(column: ColumnResult, picture: NumberHistograms | LabelShares | None) -> str:
    """The change of the mean, or of the label that changed most, with its 95 % interval."""
    shift = column.measurement("mean_shift")
    if isinstance(picture, LabelShares) and shift is None:
        place = picture.largest_change
        low, high = picture.interval(place)
        before, after = picture.before[place], picture.after[place]
        return (
            f"{_one_line(picture.names[place])}: {percent(before)} → {percent(after)} "
            f"({(after - before) * 100:+.1f} points [{low * 100:.1f}, {high * 100:.1f}])"
        )
    if shift is None or shift.value is None or shift.low is None or shift.high is None:
        return ""
    size = f"{shift.value:+.2f} sd [{shift.low:.2f}, {shift.high:.2f}]"
    means = [one.mean for one in column.counts or ()]
    shown = [number(mean) for mean in means if mean is not None]
    return f"mean {' → '.join(shown)} ({size})" if len(shown) == 2 else f"mean {size}"


def _one_line(text: str) -> str:
    """A name or reason on one line, with unprintable characters escaped."""
    printable = text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return printable if len(printable) <= _WIDEST else printable[: _WIDEST - 1] + "…"


def _written(metric: str, value: float | None) -> str:
    """A value as text: shares in percent, p-values not below a readable minimum."""
    if value is None:
        return ""
    if metric == "p":
        return f"{value:.3f}" if value >= _SMALLEST_P else f"< {_SMALLEST_P:g}"
    if metric in _SHARES:
        return f"{value:.1%}"
    return f"{value:.2g}" if 0 < abs(value) < 0.001 or abs(value) >= 1e6 else f"{value:.3f}"

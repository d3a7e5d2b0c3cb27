"""Compares what two environments received and answered: volumes, schema, rules, answers, distributions. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from monitor.metrics import MetricSettings, Subject
from monitor.metrics.drift import column_drift
from monitor.records import Window
from monitor.releases.parity.pairs import FEATURES, Pair, pairs
from monitor.releases.parity.row import ParityLevel, ParityRow, ParityStanding
from monitor.releases.parity.side import PERIOD, EnvironmentState
from monitor.releases.settings import ParitySettings
from monitor.rules.rule import Rule
from monitor.text_limits import number_in
from monitor.visible import counted
from monitor.windows.baseline_from_table import from_table
from monitor.windows.kernel.count_rows import count

LEAST_ROWS, LEAST_PAIRS = 100, 30
_SIGNIFICANT = 0.001
_NO_ROWS = "send predictions of both environments; the last seven days are compared"


def volumes(left: EnvironmentState, right: EnvironmentState, settings: ParitySettings) -> ParityRow:
    """How many predictions a day each side receives."""
    point, level = "data volumes", ParityLevel.DISTRIBUTION
    shown = (_a_day(left), _a_day(right))
    if not left.per_day or not right.per_day:
        return ParityRow(point, "volume", level, ParityStanding.UNKNOWN, *shown, _NO_ROWS)
    factor = max(left.per_day, right.per_day) / min(left.per_day, right.per_day)
    standing = ParityStanding.DIFFERS if factor > settings.volume_factor else ParityStanding.EQUAL
    note = f"{factor:,.1f} times as many; {settings.volume_factor:g} times are agreed"
    return ParityRow(point, "volume", level, standing, *shown, note)


def _a_day(side: EnvironmentState) -> str:
    return "" if side.per_day is None else f"{side.per_day:,.0f} a day"


def schema(left: EnvironmentState, right: EnvironmentState) -> Iterator[ParityRow]:
    """The inputs that only one side receives, or with values of another type."""
    if left.rows is None or right.rows is None:
        yield ParityRow("schema", "inputs", ParityLevel.EQUIVALENT, ParityStanding.UNKNOWN, note=_NO_ROWS)
        return
    one, other = (_types(side.rows) for side in (left, right))
    differing = [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]
    for name in differing:
        shown = (one.get(name, "none"), other.get(name, "none"))
        yield ParityRow("schema", f"inputs.{name}", ParityLevel.EQUIVALENT, ParityStanding.DIFFERS, *shown)
    if not differing:
        yield ParityRow(
            "schema",
            "inputs",
            ParityLevel.EQUIVALENT,
            ParityStanding.EQUAL,
            counted(len(one), "input"),
            counted(len(other), "input"),
        )


def rules(left: EnvironmentState, right: EnvironmentState) -> Iterator[ParityRow]:
    """The rules that only one side has, and those with other limits. A lower tier in one of them is agreed."""
    differing = [
        name for name in sorted({*left.rules, *right.rules}) if left.rules.get(name) != right.rules.get(name)
    ]
    for name in differing:
        yield _rule(name, left.rules.get(name), right.rules.get(name))
    if not differing:
        shown = (counted(len(left.rules), "rule"), counted(len(right.rules), "rule"))
        yield ParityRow("rules", "rules", ParityLevel.EQUIVALENT, ParityStanding.EQUAL, *shown)


def _rule(name: str, one: Rule | None, other: Rule | None) -> ParityRow:
    if one is None or other is None:
        shown = (
            "none" if one is None else one.severity.value,
            "none" if other is None else other.severity.value,
        )
        return ParityRow(
            "rules",
            f"rules.{name}",
            ParityLevel.EQUIVALENT,
            ParityStanding.DIFFERS,
            *shown,
            "only one side has this rule",
        )
    if (one.condition, one.wait, one.keep, one.needed, one.of) == (
        other.condition, other.wait, other.keep, other.needed, other.of,
    ):  # fmt: skip
        shown = (one.severity.value, other.severity.value)
        note = "the same limits; who is notified differs"
        return ParityRow(
            "thresholds", f"thresholds.{name}", ParityLevel.EQUIVALENT, ParityStanding.AGREED, *shown, note
        )
    shown = (one.source, other.source)
    return ParityRow(
        "thresholds",
        f"thresholds.{name}",
        ParityLevel.EQUIVALENT,
        ParityStanding.DIFFERS,
        *shown,
        "the limits differ",
    )


def stored_answers(left: EnvironmentState, right: EnvironmentState) -> list[Pair]:
    """The answers of both sides to the same inputs, as far as they are stored."""
    if left.rows is None or right.rows is None:
        return []
    return list(pairs([left.rows, *left.same_inputs], [right.rows, *right.same_inputs]))


def answers(
    left: EnvironmentState,
    right: EnvironmentState,
    settings: ParitySettings,
    replayed: Sequence[Pair] | None = None,
) -> ParityRow:
    """The answers of both sides to the same inputs: those that are stored, or those of a replay."""
    point, name, level = "behaviour", "answers", ParityLevel.BEHAVIOURAL
    known = stored_answers(left, right) if replayed is None else replayed
    if len(known) < LEAST_PAIRS:
        note = f"{len(known)} of {LEAST_PAIRS} inputs are known from both: replay inputs of {right.stream.environment}"
        note += f" in {left.stream.environment}, with the same features, or with --replay and --command"
        return ParityRow(point, name, level, ParityStanding.UNKNOWN, note=note)
    equal = sum(_is_equal(one, other, settings.tolerance) for one, other in known)
    numbers = [
        (a, b)
        for one, other in known
        if (a := _number(one)) is not None and (b := _number(other)) is not None
    ]
    largest = max((abs(a - b) for a, b in numbers), default=None)
    share = equal / len(known)
    note = f"{share:.2%} of {len(known):,} answers to the same inputs are equal"
    note += "" if largest is None else f"; the largest difference is {largest:g}"
    note += f"; {settings.equal_answers:.2%} are agreed"
    standing = ParityStanding.EQUAL if share >= settings.equal_answers else ParityStanding.DIFFERS
    return ParityRow(point, name, level, standing, note=note)


def distributions(
    left: EnvironmentState, right: EnvironmentState, settings: ParitySettings
) -> Iterator[ParityRow]:
    """The distance of each input and output of the left side from the right one."""
    point, level = "distribution", ParityLevel.DISTRIBUTION
    sizes = [0 if side.rows is None else side.rows.num_rows for side in (left, right)]
    if left.rows is None or right.rows is None or min(sizes) < LEAST_ROWS:
        shown = (counted(sizes[0], "row"), counted(sizes[1], "row"))
        yield ParityRow(
            point,
            "distribution",
            level,
            ParityStanding.UNKNOWN,
            *shown,
            f"{_NO_ROWS}; {LEAST_ROWS} are needed",
        )
        return
    baseline = from_table(right.stream, pa.Table.from_batches([right.rows]), 0.0)
    window = Window(0, int(PERIOD))
    profile = count(left.rows, baseline.layout)
    subject = Subject(left.stream, window, profile, baseline, MetricSettings(min_rows=LEAST_ROWS))
    measured = [one for one in column_drift.measure(subject) if one.metric == "psi" and one.value is not None]
    far = [
        one for one in measured if (one.value or 0.0) >= settings.psi and (one.p_value or 0.0) < _SIGNIFICANT
    ]
    for one in far:
        name = f"distribution.{one.label('feature') or one.label('output')}"
        note = f"distance (PSI) {one.value:.3g}; less than {settings.psi:g} is agreed"
        yield ParityRow(point, name, level, ParityStanding.DIFFERS, note=note)
    if not far and measured:
        note = f"closer than {settings.psi:g} (PSI): {counted(len(measured), 'column')}"
        yield ParityRow(
            point,
            "distribution",
            level,
            ParityStanding.EQUAL,
            counted(sizes[0], "row"),
            counted(sizes[1], "row"),
            note,
        )
    if not measured:
        yield ParityRow(
            point, "distribution", level, ParityStanding.UNKNOWN, note="no input could be compared"
        )


def _types(rows: pa.RecordBatch) -> Mapping[str, str]:
    return {
        field.name.removeprefix(FEATURES): _kind(field.type)
        for field in rows.schema
        if field.name.startswith(FEATURES) and rows.column(field.name).null_count < rows.num_rows
    }


def _kind(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return "number"
    return "list" if pa.types.is_nested(kind) and not pa.types.is_dictionary(kind) else "text"


def _is_equal(one: Any, other: Any, tolerance: float) -> bool:
    a, b = _number(one), _number(other)
    if a is None or b is None:
        return bool(one == other)
    return a == b or abs(a - b) <= tolerance * max(abs(a), abs(b))


def _number(value: Any) -> float | None:
    return number_in(value) if isinstance(value, str) else float(value)

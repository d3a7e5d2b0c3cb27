"""Builds a layout from the columns of a baseline table."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from monitor.predictions.log import arrays
from monitor.predictions.log.columns import names, numbers
from monitor.predictions.log.hashing import hash_texts
from monitor.times.order import evidence
from monitor.times.reading import DateOrder
from monitor.windows.layout import (
    column_kinds,
    derived_columns,
    edges,
    label_set_columns,
    new_labels,
    relations,
)
from monitor.windows.layout.answer_kind import kind_of_answers
from monitor.windows.layout.build import assemble
from monitor.windows.layout.layout import LABEL_SETS, NEW, SIGNALS, Column, ColumnKind, Layout

MOST_CLASSES = 20
"""Maximum number of classes whose probabilities are counted separately by truth."""


MOST_KNOWN = 200
"""Values of a segment that are known to be frequent, and names of segments."""
_RELATED = frozenset({ColumnKind.NUMBER, ColumnKind.INTEGER})
_SEGMENTS = "segments."
_LABELS = frozenset({ColumnKind.CATEGORY, ColumnKind.BOOLEAN})


class TableColumns(Protocol):
    """The part of a table that building a layout needs: a table in memory, or one whose columns are read on demand."""

    @property
    def schema(self) -> Any:
        """The schema; only its `names` are used."""

    def column(self, which: int | str) -> Any:
        """A column, by index or name."""


def bare() -> Layout:
    """The layout without a baseline: latency, confidence and outcomes have fixed buckets, features have none."""
    return assemble(_fixed(), ())


def of(
    table: TableColumns,
    overrides: Mapping[str, ColumnKind] | None = None,
    notes_before: Iterable[str] = (),
    dates: DateOrder | None = None,
    *,
    with_relations: bool = False,
) -> Layout:
    """The layout of a baseline table whose columns are named as in a prediction batch.

    `overrides` sets the type of single columns (`features.amount`, or just `amount`) whose values mislead.
    `notes_before` are further hints for users. `dates` is the order of day and month in dates such as 10/11/2026;
    without it, the values of each column determine the order. `with_relations` adds the strongest relations of columns.
    """
    chosen = dict(overrides or {})
    features: list[Column] = []
    notes = [*notes_before, *_duplicates(table.schema.names)]
    classes = _classes(table)
    outputs: list[Column] = []
    candidates = relations.Candidates()
    names_of_columns = table.schema.names
    places = {name: place for place, name in reversed(list(enumerate(names_of_columns)))}
    for name in dict.fromkeys(names_of_columns):
        if with_relations and name.startswith(_SEGMENTS):
            candidates.add_labels(name, column_kinds.plain(table.column(places[name])))
        if name == LABEL_SETS:
            features.extend(label_set_columns.describe(column_kinds.plain(table.column(places[name]))))
        if not (name == "prediction" or name.startswith(("features.", "probabilities.", SIGNALS))):
            continue
        column = column_kinds.plain(table.column(places[name]))
        kind = chosen.get(name) or chosen.get(name.removeprefix("features."))
        if name == "prediction" and kind is None:
            kind = kind_of_answers(column, table)
        described, note = describe(name, column, kind, dates)
        if name.startswith("probabilities.") and len(classes) == 2:
            described = [edges.odds_score(name)]  # the buckets of `truth.`: for estimates
        (features if name.startswith(("features.", SIGNALS)) else outputs).extend(described)
        notes += note
        if with_relations and name.startswith("features."):
            if _is_related(described):
                candidates.add(name, column)
            elif _has_labels(described):
                candidates.add_labels(name, column)
    core = [*_fixed(), *outputs]
    columns = [*features, *candidates.chosen(), *_by_truth(classes)]
    segments = _frequent(table, [name for name in places if name.startswith(_SEGMENTS)])
    return assemble(core, columns, notes, classes, sought_relations=with_relations, segments=segments)


def _frequent(table: TableColumns, segments: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The frequent values of each segment, the most frequent first; first the segments that most rows have."""
    rows: dict[str, int] = {}
    values: dict[str, tuple[str, ...]] = {}
    for name in segments:
        column = names(column_kinds.plain(table.column(name)))
        labels = column.dictionary.to_pylist()
        counts = arrays.code_counts(column)[:-1].tolist()
        ordered = sorted((-count, label) for count, label in zip(counts, labels, strict=True) if count)
        rows[name], values[name] = sum(counts), tuple(label for _, label in ordered[:MOST_KNOWN])
    return {
        name: values[name]
        for name in sorted(rows, key=lambda name: (-rows[name], name))[:MOST_KNOWN]
        if rows[name]
    }


def _is_related(described: list[Column]) -> bool:
    """Whether relations of a column can be counted: one column of numbers."""
    return len(described) == 1 and described[0].kind in _RELATED and not described[0].part


def _has_labels(described: list[Column]) -> bool:
    """Whether relations with labels of a column can be counted."""
    return len(described) == 1 and described[0].kind in _LABELS


def describe(
    name: str, column: pa.Array, kind: ColumnKind | None = None, dates: DateOrder | None = None
) -> tuple[list[Column], list[str]]:
    """The buckets of one column (several for texts, times and embeddings), and hints for users about it."""
    if name.startswith("probabilities."):
        return [edges.score(name)], []
    written = evidence(column)
    order = dates or written.order
    notes = (
        [f"{written.doubt(name)}: they are not read as times"] if order is None and written.is_open else []
    )
    kind = kind or column_kinds.find(column, order)
    if kind is ColumnKind.IDENTIFIER:
        nameless = Column(name, kind, cells=(0, NEW), open_ended=True)
        return [nameless], [*notes, f"{name} looks like an identifier: only its missing values are watched"]
    if kind in (ColumnKind.TEXT, ColumnKind.TIME, ColumnKind.EMBEDDING):
        return derived_columns.describe(name, column, kind, order), notes
    if kind in (ColumnKind.CATEGORY, ColumnKind.BOOLEAN):
        return [labels(name, column, kind)], notes
    if kind is ColumnKind.EMPTY:
        return [edges.numbers(name, np.empty(0))], [f"{name} has no value in the baseline"]
    if kind is ColumnKind.DURATION:
        return [edges.duration(name, 1e-4, 1e8)], []
    if kind is ColumnKind.SCORE:
        return [edges.score(name)], []
    values = arrays.floats(column) if pa.types.is_float64(column.type) else numbers(column).values
    return [edges.numbers(name, values, kind)], []


def labels(name: str, column: pa.Array, kind: ColumnKind = ColumnKind.CATEGORY) -> Column:
    """A column with a place for each of the most frequent labels; rarer labels are known by their hash."""
    encoded = names(column)
    texts = encoded.dictionary
    counts = arrays.code_counts(encoded)
    written = texts.to_pylist()
    order = sorted((i for i in range(len(written)) if counts[i]), key=lambda i: (-counts[i], written[i]))
    frequent = tuple(written[i] for i in order[: edges.MOST_LABELS])
    rare = order[edges.MOST_LABELS :]
    rare_indices = arrays.places(np.array(rare[: edges.MOST_KNOWN], np.int64))
    known = np.sort(hash_texts(texts.take(rare_indices))) if rare else None
    first = arrays.code_counts(encoded.slice(0, new_labels.first_part(len(encoded))))
    return Column(
        name,
        kind,
        labels=frequent,
        known=np.empty(0, np.uint64) if known is None else known,
        cells=edges.label_cells(len(frequent)),
        open_ended=len(rare) > edges.MOST_KNOWN,
        novelty=new_labels.novelty(counts[:-1]),
        turnover=new_labels.turnover(counts[:-1], first[:-1]) if rare else 0.0,
    )


def _fixed() -> list[Column]:
    return [
        edges.duration("latency_ms", 0.01, 1e7),
        edges.score("confidence"),
        edges.score("confidence.right"),
        edges.score("confidence.wrong"),
        edges.score("entropy"),
        edges.score("margin"),
        edges.duration("outcome.delay", 0.1, 1e8, width=0.1),
    ]


def _classes(table: TableColumns) -> tuple[str, ...]:
    named = [n.removeprefix("probabilities.") for n in table.schema.names if n.startswith("probabilities.")]
    return tuple(sorted(named)[:MOST_CLASSES])


def _by_truth(classes: Iterable[str]) -> list[Column]:
    return [edges.odds_score(f"truth.{name}.{side}") for name in classes for side in ("positive", "negative")]


def _duplicates(names_of_columns: list[str]) -> list[str]:
    seen: set[str] = set()
    twice = {name for name in names_of_columns if name in seen or seen.add(name)}  # type: ignore[func-returns-value]
    return [f"{name} occurs more than once; the first one is watched" for name in sorted(twice)]


BARE = bare()

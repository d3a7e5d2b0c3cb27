"""From the columns of a baseline table to a layout."""

from collections.abc import Iterable, Mapping

import numpy as np
import pyarrow as pa

from monitor.predictions import arrays
from monitor.predictions.columns import names, numbers
from monitor.predictions.hashing import hash_texts
from monitor.windows import derived, edges, kinds
from monitor.windows.assembly import assemble
from monitor.windows.layout import NEW, Column, Kind, Layout

MOST_CLASSES = 10


def bare() -> Layout:
    """The layout before any baseline: latency, confidence and outcomes have fixed buckets; features have none yet."""
    return assemble(_fixed(), ())


def of(
    table: pa.Table, overrides: Mapping[str, Kind] | None = None, notes_before: Iterable[str] = ()
) -> Layout:
    """The layout of a baseline table, whose columns are named as in a prediction batch.

    `overrides` names the kind of single columns (`features.amount`, or just `amount`) where the values mislead.
    `notes_before` is what a person should know besides.
    """
    chosen = dict(overrides or {})
    features: list[Column] = []
    notes = [*notes_before, *_duplicates(table.schema.names)]
    outputs: list[Column] = []
    found = table.schema.names
    places = {name: place for place, name in reversed(list(enumerate(found)))}
    for name in dict.fromkeys(found):
        if not (name == "prediction" or name.startswith(("features.", "probabilities."))):
            continue
        column = kinds.plain(table.column(places[name]))
        kind = chosen.get(name) or chosen.get(name.removeprefix("features."))
        made, note = describe(name, column, kind)
        (features if name.startswith("features.") else outputs).extend(made)
        notes += note
    classes = _classes(table)
    core = [*_fixed(), *outputs]
    return assemble(core, [*features, *_by_truth(classes)], notes, classes)


def describe(name: str, column: pa.Array, kind: Kind | None = None) -> tuple[list[Column], list[str]]:
    """The buckets of one column (several for texts, times and embeddings), and what a person should know about it."""
    if name.startswith("probabilities."):
        return [edges.score(name)], []
    kind = kind or kinds.find(column)
    if kind is Kind.IDENTIFIER:
        nameless = Column(name, kind, cells=(0, NEW), open_ended=True)
        return [nameless], [f"{name} looks like an identifier: only its missing values are watched"]
    if kind in (Kind.TEXT, Kind.TIME, Kind.EMBEDDING):
        return derived.describe(name, column, kind), []
    if kind in (Kind.CATEGORY, Kind.BOOLEAN):
        return [labels(name, column, kind)], []
    if kind is Kind.EMPTY:
        return [edges.numbers(name, np.empty(0))], [f"{name} has no value in the baseline"]
    if kind is Kind.DURATION:
        return [edges.duration(name, 1e-4, 1e8)], []
    if kind is Kind.SCORE:
        return [edges.score(name)], []
    values = arrays.floats(column) if pa.types.is_float64(column.type) else numbers(column).values
    return [edges.numbers(name, values, kind)], []


def labels(name: str, column: pa.Array, kind: Kind = Kind.CATEGORY) -> Column:
    """The most frequent labels get a place each; rarer ones are known by their hash."""
    encoded = names(column)
    texts = encoded.dictionary
    counts = arrays.code_counts(encoded)
    written = texts.to_pylist()
    order = sorted((i for i in range(len(written)) if counts[i]), key=lambda i: (-counts[i], written[i]))
    frequent = tuple(written[i] for i in order[: edges.MOST_LABELS])
    rare = order[edges.MOST_LABELS :]
    taken = arrays.places(np.array(rare[: edges.MOST_KNOWN], np.int64))
    known = np.sort(hash_texts(texts.take(taken))) if rare else None
    return Column(
        name,
        kind,
        labels=frequent,
        known=np.empty(0, np.uint64) if known is None else known,
        cells=edges.label_cells(len(frequent)),
        open_ended=len(rare) > edges.MOST_KNOWN,
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


def _classes(table: pa.Table) -> tuple[str, ...]:
    named = [n.removeprefix("probabilities.") for n in table.schema.names if n.startswith("probabilities.")]
    return tuple(sorted(named)[:MOST_CLASSES])


def _by_truth(classes: Iterable[str]) -> list[Column]:
    return [edges.odds_score(f"truth.{name}.{side}") for name in classes for side in ("positive", "negative")]


def _duplicates(found: list[str]) -> list[str]:
    seen: set[str] = set()
    twice = {name for name in found if name in seen or seen.add(name)}  # type: ignore[func-returns-value]
    return [f"{name} occurs more than once; the first one is watched" for name in sorted(twice)]


BARE = bare()

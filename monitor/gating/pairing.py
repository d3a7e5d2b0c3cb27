"""Joins the items of candidate and baseline by id, with their truths, segments and groups."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.errors import InputError
from monitor.gating.inputs import ColumnRoles
from monitor.predictions.log.columns import names
from monitor.visible import counted, one_line
from monitor.windows.layout.notation import written

TRUTH = "outcome.truth"
_SHOWN = 3


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """The items that both sides answered, sorted by id, so that the order of the rows in the files changes nothing.

    `candidate` and `baseline` have one row per item, named as in the prediction log, and the same `outcome.truth` where
    it is known. `segments` are labels per item by column (null: none), and `groups` is the number of the group of each
    item, int64 (n,), if the items are grouped. `notes` tell what was left out.
    """

    candidate: pa.Table
    baseline: pa.Table
    segments: dict[str, pa.Array]
    groups: np.ndarray | None
    notes: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """The number of items."""
        return int(self.candidate.num_rows)

    @property
    def group_count(self) -> int:
        """The number of groups; of items, if they are not grouped."""
        return self.n if self.groups is None else int(self.groups.max(initial=-1)) + 1


def pair(candidate: pa.Table, baseline: pa.Table, truths: pa.Table | None, columns: ColumnRoles) -> Items:
    """The items of both sides.

    Raises:
        InputError: no item is in both, the sides name different truths of an item, or a segment or the group is no
            column.
    """
    ids, *rows = _common(candidate, baseline)
    sides = [side.take(chosen) for side, chosen in zip((candidate, baseline), rows, strict=True)]
    others = [] if truths is None else [_aligned(truths, ids)]
    truth = _truth(ids, sides, others)
    notes = [*_only_in_one(candidate, baseline, len(ids)), *_truth_notes(truth, others, truths)]
    attributes = {name: _attribute(name, [*sides, *others]) for name in columns.wanted}
    mine, theirs = (_named_as_in_the_log(side, truth, columns) for side in sides)
    return Items(
        mine,
        theirs,
        segments={name: attributes[name] for name in columns.segments},
        groups=_groups(attributes[columns.group], columns.group) if columns.group else None,
        notes=tuple(notes),
    )


def _common(candidate: pa.Table, baseline: pa.Table) -> tuple[pa.Array, pa.Array, pa.Array]:
    """The common ids, sorted, and their rows on both sides."""
    ids = candidate.column("id").combine_chunks().cast(pa.string())
    other = baseline.column("id").combine_chunks().cast(pa.string())
    places = pc.index_in(ids, value_set=other)
    both = places.is_valid()
    mine = pa.array(np.flatnonzero(np.asarray(both)))
    common, theirs = ids.filter(both), places.filter(both)
    if not len(common):
        raise InputError(
            "no item is in both files: their ids have nothing in common",
            hint=f"such as {one_line(ids[0].as_py())!r} here and {one_line(other[0].as_py())!r} there",
        )
    order = pc.sort_indices(common)
    return common.take(order), mine.take(order), theirs.take(order)


def _aligned(truths: pa.Table, ids: pa.Array) -> pa.Table:
    places = pc.index_in(ids, value_set=truths.column("id").combine_chunks().cast(pa.string()))
    return truths.take(places)


def _truth(ids: pa.Array, sides: Sequence[pa.Table], others: Sequence[pa.Table]) -> pa.Array | None:
    """The truth of each item; that of a file of truths goes before those beside the predictions.

    Raises:
        InputError: candidate and baseline name different truths.
    """
    truths = [
        table.column(TRUTH).combine_chunks()
        for table in (*others, *sides)
        if TRUTH in table.column_names and table.column(TRUTH).null_count < table.num_rows
    ]
    if not truths:
        return None
    if len(truths) == 1 or others:
        return truths[0] if len(truths) == 1 else _coalesced(truths)
    texts = [_texts(column) for column in truths]
    differ = np.asarray(pc.not_equal(*texts).fill_null(False))
    for row in np.flatnonzero(differ)[:1].tolist():
        pair_of_truths = [text[row].as_py() for text in texts]
        if len(set(map(written, pair_of_truths))) > 1:
            shown = " and ".join(repr(one_line(str(text))) for text in pair_of_truths)
            raise InputError(
                f"item {one_line(ids[row].as_py())!r} has two truths, {shown} (candidate, baseline)",
                hint="pass the right ones by --truth FILE",
            )
    return _coalesced(truths)


def _coalesced(columns: Sequence[pa.Array]) -> pa.Array:
    kinds = {column.type for column in columns}
    return pc.coalesce(*(columns if len(kinds) == 1 else map(_texts, columns)))


def _texts(column: pa.Array) -> pa.Array:
    if pa.types.is_string(column.type):
        return pc.if_else(column.is_valid(), _each_written(column), None)
    return names(column).cast(pa.string())


def _each_written(column: pa.Array) -> pa.Array:
    encoded = column.dictionary_encode()
    labels = pa.array([written(text) for text in encoded.dictionary.to_pylist()], pa.string())
    return labels.take(encoded.indices)


def _only_in_one(candidate: pa.Table, baseline: pa.Table, both: int) -> list[str]:
    notes = []
    for table, name in ((candidate, "candidate"), (baseline, "baseline")):
        if only := table.num_rows - both:
            notes.append(f"only in the {name}, and left out: {only:,} of {counted(table.num_rows, 'item')}")
    return notes


def _truth_notes(truth: pa.Array | None, others: Sequence[pa.Table], truths: pa.Table | None) -> list[str]:
    if truth is None:
        return ["no item has a known truth: quality cannot be compared"]
    notes = []
    if truth.null_count:
        notes.append(f"without a known truth: {truth.null_count:,} of {counted(len(truth), 'item')}")
    if truths is not None:
        known = len(others[0]) - others[0].column("id").null_count
        if unused := truths.num_rows - known:
            notes.append(f"of no item that both sides answered: {counted(unused, 'truth')}")
    return notes


def _attribute(name: str, tables: Sequence[pa.Table]) -> pa.Array:
    """The labels of a segment or group, from the first table that has the column."""
    for table in tables:
        for column in (f"segments.{name}", name):
            if column in table.column_names:
                return names(table.column(column).combine_chunks()).cast(pa.string())
    known = sorted({column for table in tables for column in table.column_names} - {"timestamp"})
    raise InputError(f"there is no column {one_line(name)!r}", hint=f"the columns are {', '.join(known)}")


def _groups(labels: pa.Array, name: str) -> np.ndarray:
    """The number of each item's group, in the order of the groups' names; an item without one is refused."""
    if labels.null_count:
        raise InputError(
            f"without a value in the group {one_line(name)!r}: {labels.null_count:,} of {counted(len(labels), 'item')}",
            hint="give each of them its own group, or leave them out",
        )
    encoded = labels.dictionary_encode()
    ranks = np.argsort(np.argsort(np.array(encoded.dictionary.to_pylist(), dtype=object)))
    return np.asarray(ranks[np.asarray(encoded.indices)], np.int64)


def _named_as_in_the_log(side: pa.Table, truth: pa.Array | None, columns: ColumnRoles) -> pa.Table:
    """A side with the truths, without ids and groups."""
    dropped = {"id", TRUTH, f"segments.{columns.group}"}
    rows = side.select([name for name in side.column_names if name not in dropped])
    rows = pa.table([column.combine_chunks() for column in rows.columns], names=rows.column_names)
    return rows if truth is None else rows.append_column(TRUTH, truth)

"""Counts lists of items (`ranking`), and how good they were once it is known which items were chosen (`relevant`).

All are exact sums over lists. A list's figures are counted at several lengths, so that the length that is shown can be
changed later. What was known of a list before is taken back when more becomes known. No item's name is kept: items are
counted by a hash. Lists are read some at a time, since each item takes hundreds of bytes while it is counted.

Binary figures take each item with a grade above 0 as relevant, as ranx and trec_eval do; NDCG takes the grade as gain,
as scikit-learn does. An item that occurs twice in a list counts at its first place; the second place is taken, and
is never relevant.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from monitor.predictions.log.hashing import hash_texts
from monitor.predictions.log.item_lists import MOST_KNOWN, grades_of, in_parts, items_of
from monitor.windows.kernel.exact_sums import exact_sum
from monitor.windows.kernel.tally import Tally, add, bounded

CUTS = (1, 3, 5, 10, 20, 50, 100)
"""The lengths at which lists are judged."""
HIT, PRECISION, RECALL, AVERAGE_PRECISION, RECIPROCAL_RANK, NDCG = (
    "hit", "precision", "recall", "average precision", "reciprocal rank", "ndcg",
)  # fmt: skip
OF_RELEVANT = frozenset((RECALL, AVERAGE_PRECISION, NDCG))
"""Figures that only lists with a relevant item have."""
LISTS, EMPTY, PLACES, REPEATED, SHOWN = (
    f"ranking {what}" for what in ("lists", "empty", "places", "repeated", "shown")
)
"""Lists, those without an item, places, those that repeat an item of their list, and the others."""
JUDGED, WITH_RELEVANT, RELEVANT, ELSEWHERE = (
    f"ranking {what}" for what in ("judged", "with relevant", "relevant", "elsewhere")
)
"""Lists with an outcome, those with a relevant item, relevant items, and those that their list did not have."""
TOO_MANY = "ranking too many"
"""Lists that are not judged, because more items were chosen from them than are kept (`MOST_KNOWN`)."""
ITEMS, GROUPS = "ranking items", "ranking groups"
"""Tallies: in how many lists an item stood, by its hash; and the same for groups of items, of which none is dropped."""
MOST_GROUPS = 128
_GROUP_BITS = np.uint64(57)
_KNOWN = ("outcome.relevant", "outcome.relevant_before")


def sum_of(figure: str, cut: int) -> str:
    """The name of the sum of a figure of lists at a length."""
    return f"ranking {figure}@{cut}"


def square_of(figure: str, cut: int) -> str:
    """The name of the sum of its squares."""
    return f"{sum_of(figure, cut)} squared"


def count(rows: pa.RecordBatch, *, with_items: bool) -> tuple[dict[str, int], dict[str, Tally]]:
    """The sums of the lists of predictions, and tallies of their items; empty without lists."""
    totals: dict[str, int] = {}
    tallies: dict[str, Tally] = {}
    for part in in_parts(rows, ["ranking"]):
        of_part, items = _count(part, with_items=with_items)
        _add(totals, of_part)
        tallies |= {name: add([tallies.get(name, {}), tally]) for name, tally in items.items()}
    return totals, tallies


def _add(totals: dict[str, int], more: dict[str, int], sign: int = 1) -> None:
    for name, total in more.items():
        totals[name] = totals.get(name, 0) + sign * total


def _count(rows: pa.RecordBatch, *, with_items: bool) -> tuple[dict[str, int], dict[str, Tally]]:
    lists = _lists(rows, "ranking")
    if not lists:
        return {}, {}
    sizes = np.array([len(one) for one in lists])
    hashes = hash_texts(pa.array([item for one in lists for item in one], pa.string()))
    owner = np.repeat(np.arange(len(lists)), sizes)
    order = np.lexsort((hashes, owner))
    hashes, owner = hashes[order], owner[order]
    is_repeat = np.zeros(hashes.size, bool)
    is_repeat[1:] = (hashes[1:] == hashes[:-1]) & (owner[1:] == owner[:-1])
    totals = _whole(
        {
            LISTS: len(lists),
            EMPTY: np.count_nonzero(sizes == 0),
            PLACES: hashes.size,
            REPEATED: np.count_nonzero(is_repeat),
            SHOWN: np.count_nonzero(~is_repeat),
        }
    )
    return totals, _tallies(hashes[~is_repeat]) if with_items else {}


def _tallies(hashes: np.ndarray) -> dict[str, Tally]:
    if not hashes.size:
        return {}
    different, amounts = np.unique(hashes, return_counts=True)
    items = {f"{h:016x}": float(n) for h, n in zip(different.tolist(), amounts.tolist(), strict=True)}
    in_group = np.bincount((hashes >> _GROUP_BITS).astype(np.int64), minlength=MOST_GROUPS)
    groups = {str(group): float(in_group[group]) for group in np.flatnonzero(in_group).tolist()}
    return {ITEMS: bounded(items), GROUPS: groups}


def count_relevant(joined: pa.RecordBatch) -> dict[str, int]:
    """The sums of lists whose relevant items have become known, minus those of what was known of them before."""
    names = joined.schema.names
    if "ranking" not in names or "outcome.relevant" not in names:
        return {}
    change: dict[str, int] = {}
    for part in in_parts(joined, ("ranking", *_KNOWN)):
        for column, sign in zip(_KNOWN, (1, -1), strict=True):
            if column in names:
                _add(change, _judged(part, column), sign)
    return {name: total for name, total in change.items() if total}


def _lists(rows: pa.RecordBatch, name: str) -> list[list[str]]:
    if name not in rows.schema.names:
        return []
    return [items_of(text) for text in rows.column(name).drop_null().to_pylist()]


def _judged(joined: pa.RecordBatch, column: str) -> dict[str, int]:
    rows = joined.filter(pa.array(_both(joined, "ranking", column)))
    if not rows.num_rows:
        return {}
    all_grades = [grades_of(text) for text in rows.column(column).to_pylist()]
    judged = [len(grades) <= MOST_KNOWN for grades in all_grades]
    lists = _lists(rows.filter(pa.array(judged)), "ranking")
    grades = [all_grade for all_grade in all_grades if len(all_grade) <= MOST_KNOWN]
    hits, ideal = _hits(lists, grades), _ideal(grades)
    relevant = np.bincount(ideal.row, minlength=len(lists)).astype(np.float64)
    totals = _whole(
        {
            JUDGED: len(lists),
            TOO_MANY: len(judged) - len(lists),
            WITH_RELEVANT: np.count_nonzero(relevant),
            RELEVANT: ideal.row.size,
            ELSEWHERE: ideal.row.size - hits.row.size,
        }
    )
    for cut in CUTS:
        for figure, values in _figures(hits, ideal, relevant, cut).items():
            totals[sum_of(figure, cut)] = exact_sum(values)
            totals[square_of(figure, cut)] = exact_sum(values * values)
    return {name: total for name, total in totals.items() if total}


def _both(rows: pa.RecordBatch, one: str, other: str) -> np.ndarray:
    both: np.ndarray = np.logical_and(rows.column(one).is_valid(), rows.column(other).is_valid())
    return both


def _whole(amounts: dict[str, int | np.intp]) -> dict[str, int]:
    return {name: exact_sum(np.array([float(amount)])) for name, amount in amounts.items() if amount}


@dataclass(frozen=True, slots=True)
class _Places:
    """Relevant items: their list, their place in it from 0, and their grade, each of shape (items,), by list and place.
    `nth` counts those of a list from 1.
    """

    row: np.ndarray
    place: np.ndarray
    grade: np.ndarray

    @property
    def nth(self) -> np.ndarray:
        starts = np.searchsorted(self.row, self.row)
        return np.arange(self.row.size) - starts + 1


def _places(places: Sequence[tuple[int, int, float]]) -> _Places:
    table = np.array(places, np.float64).reshape(-1, 3)
    return _Places(table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2])


def _hits(lists: Sequence[list[str]], grades: Sequence[dict[str, float]]) -> _Places:
    """The relevant items that their list has, each at its first place."""
    places: list[tuple[int, int, float]] = []
    for row, (items, of_item) in enumerate(zip(lists, grades, strict=True)):
        first = {item: place for place, item in reversed([*enumerate(items)])}
        chosen = [(first[item], grade) for item, grade in of_item.items() if grade > 0 and item in first]
        places.extend((row, place, grade) for place, grade in sorted(chosen))
    return _places(places)


def _ideal(grades: Sequence[dict[str, float]]) -> _Places:
    """All relevant items in the best order."""
    return _places(
        [
            (row, place, grade)
            for row, of_item in enumerate(grades)
            for place, grade in enumerate(sorted((one for one in of_item.values() if one > 0), reverse=True))
        ]
    )


def _figures(hits: _Places, ideal: _Places, relevant: np.ndarray, cut: int) -> dict[str, np.ndarray]:
    """The figures of each list at a length, shape (lists,)."""
    inside, best = hits.place < cut, ideal.place < cut
    has_relevant, n = relevant > 0, len(relevant)

    def of_lists(places: _Places, chosen: np.ndarray, values: np.ndarray) -> np.ndarray:
        return np.asarray(np.bincount(places.row[chosen], values[chosen], n))

    def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
        result = np.zeros(n)
        result[has_relevant] = part[has_relevant] / whole[has_relevant]
        return result

    entries = of_lists(hits, inside, np.ones(hits.row.size))
    gain = of_lists(hits, inside, hits.grade / np.log2(hits.place + 2.0))
    most = of_lists(ideal, best, ideal.grade / np.log2(ideal.place + 2.0))
    precisions = of_lists(hits, inside, hits.nth / (hits.place + 1.0))
    first = of_lists(hits, inside & (hits.nth == 1), 1.0 / (hits.place + 1.0))
    return {
        HIT: (entries > 0).astype(np.float64),
        PRECISION: entries / cut,
        RECALL: share(entries, relevant),
        AVERAGE_PRECISION: share(precisions, relevant),
        RECIPROCAL_RANK: first,
        NDCG: share(gain, most),
    }

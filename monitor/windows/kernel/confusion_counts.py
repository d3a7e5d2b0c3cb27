"""How often each truth occurs with each answer, as counts that add.

`confusion` holds pairs of truth and answer. A tally keeps at most 1,024 of them. How often each class is the truth, the
answer, or both is therefore counted separately, and exact for as many classes. The flag `classed` counts all rows, so
the sums show whether pairs were dropped.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from monitor.predictions.log import arrays
from monitor.predictions.log.columns import name_of, names
from monitor.windows.kernel.tally import Tally, bounded
from monitor.windows.layout.notation import Joins, is_whole, written

PAIR = "\x1f"
"""Separates truth and answer in the labels of the tally `confusion`."""
PAIRS, TRUTHS, ANSWERS, RIGHT = "confusion", "classes.truth", "classes.answer", "classes.right"
"""The tallies: pairs, and per class how often it was the truth, the answer, and both."""
_MARGINS = (TRUTHS, ANSWERS, RIGHT)
_FEW_DIGITS = 2


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """A column as codes, shape (n,), into its labels, which are normalized by `monitor.windows.layout.notation`."""

    codes: np.ndarray
    texts: list[str]


def labels_of(column: pa.Array) -> Labels:
    """The labels of a column without missing values."""
    if pa.types.is_float64(column.type):
        values, codes = np.unique(arrays.floats(column), return_inverse=True)
        return Labels(codes, [written(str(name_of(value))) for value in values.tolist()])
    encoded = names(column)
    return Labels(arrays.codes(encoded, 0), [written(text) for text in encoded.dictionary.to_pylist()])


def count_pairs(
    truth: Labels, answer: Labels, joins: Joins, *, sparse: bool
) -> tuple[np.ndarray, dict[str, Tally]]:
    """Which answers were correct, bool, shape (n,), and the tallies.

    `sparse` drops pairs of large integers: they may be counts predicted by a regressor, and would be too many.
    """
    texts = sorted({*truth.texts, *answer.texts})
    index_of = {text: index for index, text in enumerate(texts)}
    t, a = (
        np.array([index_of[text] for text in side.texts], np.int64)[side.codes] for side in (truth, answer)
    )
    pairs, totals = np.unique(t * len(texts) + a, return_counts=True)
    large = [sparse and len(text) > _FEW_DIGITS and is_whole(text) for text in texts]
    confusion: Tally = {}
    correct: Tally = {}
    for pair, n in zip(pairs.tolist(), totals.tolist(), strict=True):
        true_index, answer_index = divmod(pair, len(texts))
        if true_index == answer_index:
            correct[texts[true_index]] = float(n)
        if not (large[true_index] and large[answer_index]):
            confusion[f"{texts[true_index]}{PAIR}{texts[answer_index]}"] = float(n)
    margins = {TRUTHS: _margin(t, texts), ANSWERS: _margin(a, texts), RIGHT: correct}
    keys = {key: index for index, key in enumerate(dict.fromkeys(map(joins.key, texts)))}
    same = np.array([keys[joins.key(text)] for text in texts], np.int64)
    tallies = {PAIRS: bounded(confusion)} | {name: bounded(tally) for name, tally in margins.items()}
    return np.asarray(same[t] == same[a]), tallies


def is_whole_table(tallies: Mapping[str, Tally], rows: float) -> bool:
    """Whether the pairs contain all rows."""
    return sum(tallies.get(PAIRS, {}).values()) == rows


def has_all_classes(tallies: Mapping[str, Tally], rows: float) -> bool:
    """Whether the counts of the classes contain all rows."""
    return all(sum(tallies.get(name, {}).values()) == rows for name in (TRUTHS, ANSWERS))


def margins_of(pairs: Tally) -> dict[str, Tally]:
    """The counts of the classes, computed from all pairs."""
    margins: dict[str, Tally] = {name: {} for name in _MARGINS}
    for pair, n in pairs.items():
        truth, _, answer = pair.partition(PAIR)
        margins[TRUTHS][truth] = margins[TRUTHS].get(truth, 0.0) + n
        margins[ANSWERS][answer] = margins[ANSWERS].get(answer, 0.0) + n
        if truth == answer:
            margins[RIGHT][truth] = n
    return margins


def compact(tallies: Mapping[str, Tally]) -> dict[str, Tally]:
    """The tallies without those that can be computed from the pairs: most classifiers have few classes."""
    rows = tallies.get("flags", {}).get("classed", 0.0)
    if not is_whole_table(tallies, rows):
        return dict(tallies)
    return {name: tally for name, tally in tallies.items() if name not in _MARGINS}


def restored(tallies: dict[str, Tally]) -> dict[str, Tally]:
    """The inverse of `compact`. Also reads older tallies without counts of the classes, whose pairs may be
    incomplete.
    """
    flags = tallies.get("flags", {})
    if PAIRS in tallies and "classed" not in flags:
        classed = flags.get("judged", 0.0) - flags.get("residuals", 0.0)
        tallies = tallies | {"flags": flags | {"classed": classed}}
    if PAIRS in tallies and TRUTHS not in tallies and is_whole_table(tallies, tallies["flags"]["classed"]):
        tallies = tallies | margins_of(tallies[PAIRS])
    return tallies


def _margin(codes: np.ndarray, texts: list[str]) -> Tally:
    counts = np.bincount(codes, minlength=len(texts))
    return {texts[index]: float(counts[index]) for index in np.flatnonzero(counts).tolist()}

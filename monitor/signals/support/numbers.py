"""Numbers in an answer that stand neither in its context nor in its input, allowing for notation and rounding."""

import re
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from monitor.signals.batch import CallBatch
from monitor.signals.form.refusal import refuses
from monitor.signals.signal import Signal, Unit
from monitor.signals.words import Codes, Occurrences, Words, contained, per_row, words_of

_NUMBER = re.compile(r"[0-9](?:[0-9.,'\u2019]{0,24}[0-9])?")
_LIST_MARK = r"^\(?[0-9]{1,2}[.)]$"
_SMALL = {"0", "1"}
"""Numbers that texts use without stating a fact."""
_LONGEST = 40
_NAMED = {
    word: str(value)
    for names in (
        "zero one two three four five six seven eight nine ten eleven twelve",
        "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf",
        "zéro un deux trois quatre cinq six sept huit neuf dix onze douze",
        "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce",
    )
    for value, word in enumerate(names.split())
}
_SCALES = np.array([1.0, 1e3, 1e6, 1e9])


def readings(number: str) -> list[str]:
    """What a number may be: `1.234` is 1.234 or 1234, as a point and a comma separate decimals or thousands."""
    digits = re.sub("['\u2019]", "", number)
    decimals = max(digits.rfind("."), digits.rfind(","))
    written = [re.sub("[.,]", "", digits)]
    if decimals > 0:
        written.insert(0, re.sub("[.,]", "", digits[:decimals]) + "." + digits[decimals + 1 :])
    return [_canonical(one) for one in written]


def _canonical(number: str) -> str:
    whole, _, fraction = number.partition(".")
    fraction = fraction.rstrip("0")
    return (whole.lstrip("0") or "0") + (f".{fraction}" if fraction else "")


class WordNumbers:
    """The numbers of a batch's words: each reading of each number of a word has a code."""

    def __init__(self, words: Words) -> None:
        self.words = words
        self.values: list[str] = []
        codes: dict[str, int] = {}
        places, numbers = [], []
        for word in np.flatnonzero(words.has_digits):
            for one in _NUMBER.findall(words.vocabulary[int(word)].as_py()[:_LONGEST]):
                for reading in readings(one):
                    places.append(int(word))
                    numbers.append(codes.setdefault(reading, len(codes)))
        named = np.flatnonzero(
            np.asarray(pc.is_in(words.plain, value_set=pa.array(list(_NAMED)))).astype(bool)
        )
        for word in named:
            places.append(int(word))
            numbers.append(codes.setdefault(_NAMED[words.plain[int(word)].as_py()], len(codes)))
        self.values = list(codes)
        self._starts = np.searchsorted(sorted_places := np.sort(places), np.arange(len(words.vocabulary) + 1))
        self._codes = np.array(numbers, np.int64)[np.argsort(places, kind="stable")]
        assert len(sorted_places) == len(self._codes)

    @cached_property
    def is_stated(self) -> npt.NDArray[np.bool_]:
        """Whether a word of the vocabulary states a number: it has digits, and is no mark of a list."""
        is_mark = np.asarray(pc.match_substring_regex(self.words.vocabulary, _LIST_MARK)).astype(bool)
        is_stated: npt.NDArray[np.bool_] = self.words.has_digits & ~is_mark & (np.diff(self._starts) > 0)
        return is_stated

    def expanded(self, some: Occurrences) -> tuple[Occurrences, Codes]:
        """The numbers of words, and for each the place of its word in `some`."""
        counts = self._starts[some.codes + 1] - self._starts[some.codes]
        places = np.repeat(np.arange(len(some.codes)), counts)
        offsets = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
        codes = self._codes[self._starts[some.codes[places]] + offsets]
        return Occurrences(some.rows[places], codes), places


def _is_unsupported(batch: CallBatch) -> pa.Array:
    words = batch.of(words_of)
    numbers = WordNumbers(words)
    stated = words.answers.where(numbers.is_stated[words.answers.codes])
    said, places = numbers.expanded(stated)
    given, _ = numbers.expanded(words.given)
    hit = contained(said, given, len(numbers.values))
    is_small = np.array([value in _SMALL for value in numbers.values], bool)
    is_supported = np.zeros(len(stated.rows), bool)
    is_supported[places[hit | is_small[said.codes]]] = True
    is_supported[_rounded(numbers, stated, np.flatnonzero(~is_supported), given)] = True
    flags = np.zeros(words.n, bool)
    flags[stated.rows[~is_supported]] = True
    is_measured = (per_row(stated, words.n) > 0) & (per_row(words.contexts, words.n) > 0)
    return pa.array(flags, mask=~is_measured | batch.of(refuses))


def _rounded(numbers: WordNumbers, stated: Occurrences, places: Codes, given: Occurrences) -> Codes:
    """Those of `places` in `stated` that a given number rounds to, also in thousands, millions or billions."""
    values = np.array([float(value) for value in numbers.values], np.float64)
    steps = np.array([_step(value) for value in numbers.values], np.float64)
    said, within = numbers.expanded(Occurrences(stated.rows[places], stated.codes[places]))
    is_large = values[said.codes] >= 1
    rows, codes, owners = said.rows[is_large], said.codes[is_large], places[within[is_large]]
    if not len(rows) or not len(given.rows):
        return np.zeros(0, np.int64)
    least, most = values[codes] - steps[codes], values[codes] + steps[codes]
    ends = np.stack([np.outer(_SCALES, least).ravel(), np.outer(_SCALES, most).ravel()])
    below, not_above = _counts_below(given.rows, values[given.codes], np.tile(rows, len(_SCALES)), ends)
    is_hit = (not_above > below).reshape(len(_SCALES), len(rows)).any(axis=0)
    return owners[is_hit]


def _step(said: str) -> float:
    """Half a unit of the last decimal, with room for the error of floating point."""
    return 0.5 * 10.0 ** -len(said.partition(".")[2]) * (1 + 1e-9)


def _counts_below(
    rows: Codes, values: npt.NDArray[np.float64], asked: Codes, ends: npt.NDArray[np.float64]
) -> tuple[Codes, Codes]:
    """For each interval, how many values of its row or an earlier one lie below it, and how many not above it.

    All are sorted together, so that many numbers in one text cost no more than in many.
    """
    n = len(asked)
    kinds = np.repeat([0, 1, 2], [n, len(rows), n])  # where they are equal: lower ends, values, upper ends
    order = np.lexsort(
        (kinds, np.concatenate([ends[0], values, ends[1]]), np.concatenate([asked, rows, asked]))
    )
    counts = np.empty(len(order), np.int64)
    counts[order] = np.cumsum(kinds[order] == 1)
    return counts[:n], counts[n + len(rows) :]


SIGNALS = (
    Signal(
        "unsupported_numbers",
        Unit.FLAG,
        ("output", "context"),
        "The answer states a number that neither the context nor the input has, nor one that rounds to it.",
        _is_unsupported,
        languages=("en",),
    ),
)

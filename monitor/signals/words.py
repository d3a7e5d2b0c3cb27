"""The words of a batch's texts, as codes of one vocabulary: what is known of a word is computed once for each word."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from monitor.signals.batch import CallBatch, answers, inputs
from monitor.signals.folding import folded
from monitor.signals.languages import STOP_WORDS, stop_words_of
from monitor.signals.lists import parts, rows_of_parts
from monitor.signals.matching import matches

Codes = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_STEM = 5
_AROUND_WORDS = " \t.,;:!?\"'`()[]{}<>«»„“”\u2018\u2019…*_#|/\\-+=~"
_LETTER_OR_DIGIT = r"[\pL\pN]"
_BLOCK = 1 << 22
"""Cells of a table of membership that are held at once."""


@dataclass(frozen=True, slots=True)
class Occurrences:
    """The words of one column in the order of the texts: the row and the code of each."""

    rows: Codes
    codes: Codes

    def where(self, flags: Flags) -> "Occurrences":
        """The words whose flag is set."""
        return Occurrences(self.rows[flags], self.codes[flags])


class Words:
    """The words of answers, inputs and contexts (documents and results of tools) in one vocabulary.

    A word is what stands between white space. `vocabulary` holds them as they are written.
    """

    def __init__(self, batch: CallBatch) -> None:
        self.n = len(batch)
        columns = [_split(batch.of(folded_answers)), _split(batch.of(folded_inputs))]
        for name, folded_parts in (("context", folded_context), ("tool_results", folded_tool_results)):
            tokens, rows = _split(batch.of(folded_parts))
            columns.append((tokens, rows_of_parts(batch.column(name)).astype(np.int64)[rows]))
        encoded = pa.concat_arrays([tokens for tokens, _ in columns]).dictionary_encode()
        self.vocabulary: pa.StringArray = encoded.dictionary
        codes = np.asarray(encoded.indices).astype(np.int64)
        ends = np.cumsum([len(tokens) for tokens, _ in columns])[:-1]
        occurrences = [
            Occurrences(rows, some) for (_, rows), some in zip(columns, np.split(codes, ends), strict=True)
        ]
        self.answers, self.inputs = occurrences[0], occurrences[1]
        self.contexts = Occurrences(
            np.concatenate([occurrences[2].rows, occurrences[3].rows]),
            np.concatenate([occurrences[2].codes, occurrences[3].codes]),
        )

    @cached_property
    def plain(self) -> pa.StringArray:
        """Each word of the vocabulary in lower case, without punctuation around it."""
        return self.plain_of(self.vocabulary)

    @cached_property
    def _plain_words(self) -> list[str]:
        words: list[str] = self.plain.to_pylist()
        return words

    @staticmethod
    def plain_of(words: pa.StringArray) -> pa.StringArray:
        """Words in lower case, without punctuation around them; empty if they have no letter or digit."""
        plain = pc.utf8_lower(pc.utf8_trim(words, _AROUND_WORDS))
        return pc.if_else(pa.array(matches(plain, _LETTER_OR_DIGIT)), plain, "")

    @cached_property
    def hashes(self) -> npt.NDArray[np.uint64]:
        """A hash of each word of the vocabulary, of its plain form."""
        return hashes_of(self._plain_words)

    @cached_property
    def stems(self) -> Codes:
        """A code for the first letters of each word of the vocabulary."""
        stems = pc.utf8_slice_codeunits(self.plain, 0, _STEM).dictionary_encode()
        return np.asarray(stems.indices).astype(np.int64)

    @cached_property
    def has_digits(self) -> Flags:
        """Whether a word of the vocabulary has a digit."""
        return np.asarray(pc.match_substring_regex(self.vocabulary, "[0-9]")).astype(bool)

    @cached_property
    def is_content(self) -> Flags:
        """Whether a word of the vocabulary carries meaning: no stop word, number or punctuation."""
        is_empty = pc.is_in(self.plain, value_set=_NOT_CONTENT)
        is_content: Flags = ~np.asarray(is_empty).astype(bool) & ~self.has_digits
        return is_content

    @cached_property
    def stop_words(self) -> Flags:
        """Which languages have each word of the vocabulary as a stop word."""
        return stop_words_of(self._plain_words)

    @cached_property
    def given(self) -> Occurrences:
        """The words of contexts and inputs."""
        return Occurrences(
            np.concatenate([self.contexts.rows, self.inputs.rows]),
            np.concatenate([self.contexts.codes, self.inputs.codes]),
        )


_NOT_CONTENT = pa.array(sorted({"", *STOP_WORDS}), pa.string())


def folded_answers(batch: CallBatch) -> pa.StringArray:
    """The answers that have any text, folded."""
    return folded(batch.of(answers))


def folded_inputs(batch: CallBatch) -> pa.StringArray:
    """The inputs that have any text, folded."""
    return folded(batch.of(inputs))


def folded_context(batch: CallBatch) -> pa.StringArray:
    """The documents of all calls, folded."""
    return folded(parts(batch.column("context")))


def folded_tool_results(batch: CallBatch) -> pa.StringArray:
    """The results of tools of all calls, folded."""
    return folded(parts(batch.column("tool_results")))


def hashes_of(words: Sequence[str]) -> npt.NDArray[np.uint64]:
    """The hash of each word."""
    return np.fromiter((zlib.crc32(word.encode()) for word in words), np.uint64, len(words))


def words_of(batch: CallBatch) -> Words:
    """The words of a batch."""
    return Words(batch)


def contained(some: Occurrences, others: Occurrences, n_codes: int) -> Flags:
    """For each of `some`, whether `others` has the same code in the same row. Rows need no order."""
    is_contained = np.zeros(len(some.rows), bool)
    if not len(some.rows) or not len(others.rows):
        return is_contained
    by_row, others_by_row = np.argsort(some.rows, kind="stable"), np.argsort(others.rows, kind="stable")
    rows, other_rows = some.rows[by_row], others.rows[others_by_row]
    height = max(1, min(_BLOCK // max(n_codes, 1), int(rows[-1] - rows[0]) + 1))
    table = np.zeros(height * n_codes, bool)
    for first in range(int(rows[0]), int(rows[-1]) + 1, height):
        mine = by_row[slice(*np.searchsorted(rows, (first, first + height)))]
        theirs = others_by_row[slice(*np.searchsorted(other_rows, (first, first + height)))]
        if not len(mine) or not len(theirs):
            continue
        cells = (others.rows[theirs] - first) * n_codes + others.codes[theirs]
        table[cells] = True
        is_contained[mine] = table[(some.rows[mine] - first) * n_codes + some.codes[mine]]
        table[cells] = False
    return is_contained


def per_row(occurrences: Occurrences, n: int) -> Codes:
    """How many there are in each of `n` rows."""
    return np.bincount(occurrences.rows, minlength=n).astype(np.int64)


def _split(texts: pa.StringArray) -> tuple[pa.StringArray, Codes]:
    lists = pc.ascii_split_whitespace(texts)
    tokens, rows = parts(lists), rows_of_parts(lists).astype(np.int64)
    is_word = pc.not_equal(tokens, "")
    if pc.all(is_word).as_py() in (True, None):
        return tokens, rows
    return tokens.filter(is_word), rows[np.asarray(is_word).astype(bool)]

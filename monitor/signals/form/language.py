"""The language of answers and inputs, and whether the answer speaks another language than the question."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from monitor.signals.batch import CallBatch
from monitor.signals.languages import LANGUAGES, SCRIPTS, UNKNOWN, decided
from monitor.signals.signal import Signal, Unit
from monitor.signals.words import Occurrences, Words, folded_answers, folded_inputs, words_of

_SHARE_OF_SCRIPT = 0.3
_GERMAN = LANGUAGES.index("de")


def answer_languages(batch: CallBatch) -> npt.NDArray[np.int64]:
    """The place in `LANGUAGES` of each answer's language, a place after them for a script, or `UNKNOWN`."""
    words = batch.of(words_of)
    return _languages(words, words.answers, batch.of(folded_answers))


def input_languages(batch: CallBatch) -> npt.NDArray[np.int64]:
    """The same of each input."""
    words = batch.of(words_of)
    return _languages(words, words.inputs, batch.of(folded_inputs))


def context_languages(batch: CallBatch) -> npt.NDArray[np.int64]:
    """The same of each context, by stop words alone."""
    words = batch.of(words_of)
    return decided(_counts(words, words.contexts))


def is_german(batch: CallBatch) -> npt.NDArray[np.bool_]:
    """Whether the answer is in German, which writes all nouns like names."""
    return np.asarray(batch.of(answer_languages) == _GERMAN)


def _languages(words: Words, some: Occurrences, texts: pa.StringArray) -> npt.NDArray[np.int64]:
    languages = decided(_counts(words, some))
    is_open = (languages == UNKNOWN) & ~np.asarray(pc.fill_null(pc.string_is_ascii(texts), True)).astype(bool)
    rows = np.flatnonzero(is_open)
    if len(rows):
        languages[rows] = _scripts(texts.take(pa.array(rows)))
    return languages


def _counts(words: Words, some: Occurrences) -> npt.NDArray[np.int64]:
    flags = words.stop_words[some.codes]
    counts = [np.bincount(some.rows[own], minlength=words.n) for own in flags.T]
    return np.stack(counts, axis=1).astype(np.int64)


def _scripts(texts: pa.StringArray) -> npt.NDArray[np.int64]:
    letters = np.asarray(pc.count_substring_regex(texts, r"\p{L}"))
    languages = np.full(len(texts), UNKNOWN, np.int64)
    for place, script in enumerate(SCRIPTS.values()):
        share = np.asarray(pc.count_substring_regex(texts, script)) / np.maximum(letters, 1)
        languages[(languages == UNKNOWN) & (share >= _SHARE_OF_SCRIPT)] = len(LANGUAGES) + place
    return languages


def _is_other_language(batch: CallBatch) -> pa.Array:
    asked, answered = batch.of(input_languages), batch.of(answer_languages)
    is_known = (asked != UNKNOWN) & (answered != UNKNOWN)
    return pa.array(asked != answered, mask=~is_known)


SIGNALS = (
    Signal(
        "other_language",
        Unit.FLAG,
        ("output", "input"),
        "The answer is in another language than the input; not measured for texts of a few words.",
        _is_other_language,
        languages=LANGUAGES,
    ),
)

"""Names in an answer that stand neither in its context nor in its input."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.signals.batch import CallBatch
from monitor.signals.form.language import is_german
from monitor.signals.form.refusal import refuses
from monitor.signals.matching import matches
from monitor.signals.signal import Signal, Unit
from monitor.signals.words import Occurrences, contained, per_row, words_of

_NAME = r"^[\"'(\[*_\x{201C}\x{2018}\x{AB}]*\p{Lu}\p{L}{2}"
_ENDS_SENTENCE = r"[.!?:;\x{2026}][\"')\]*_\x{201D}\x{2019}\x{BB}]*$|^[-*#>|\x{2022}]+$|^\(?[0-9]{1,2}[.)]$"


def _is_unsupported(batch: CallBatch) -> pa.Array:
    words = batch.of(words_of)
    vocabulary = words.vocabulary
    may_be_name = words.is_content & np.asarray(pc.not_equal(vocabulary, pc.utf8_lower(vocabulary)))
    may_be_name[may_be_name] = matches(vocabulary.filter(pa.array(may_be_name)), _NAME)
    ends = np.asarray(pc.match_substring_regex(vocabulary, _ENDS_SENTENCE)).astype(bool)
    answers = words.answers
    is_inside = np.zeros(len(answers.rows), bool)
    is_inside[1:] = (answers.rows[1:] == answers.rows[:-1]) & ~ends[answers.codes[:-1]]
    names = answers.where(is_inside & may_be_name[answers.codes])
    given = words.given
    is_contained = contained(
        Occurrences(names.rows, words.stems[names.codes]),
        Occurrences(given.rows, words.stems[given.codes]),
        int(words.stems.max(initial=-1)) + 1,
    )
    flags = np.zeros(words.n, bool)
    flags[names.rows[~is_contained]] = True
    has_both = (per_row(names, words.n) > 0) & (per_row(words.contexts, words.n) > 0)
    return pa.array(flags, mask=~has_both | batch.of(is_german) | batch.of(refuses))


SIGNALS = (
    Signal(
        "unsupported_names",
        Unit.FLAG,
        ("output", "context"),
        "The answer has a capitalised word inside a sentence that neither the context nor the input has; not measured "
        "in German, which capitalises all nouns.",
        _is_unsupported,
        languages=("en",),
    ),
)

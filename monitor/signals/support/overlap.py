"""How many of an answer's words stand in what the model was given. A proxy: paraphrase lowers it, and a denial of the
context keeps it high.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from monitor.signals.batch import CallBatch
from monitor.signals.form.language import answer_languages, context_languages
from monitor.signals.form.refusal import refuses
from monitor.signals.languages import UNKNOWN
from monitor.signals.signal import Signal, Unit
from monitor.signals.words import Occurrences, contained, per_row, words_of

_FEWEST_WORDS = 3
OFF_TOPIC = 0.35
"""An answer of which fewer words than this stand in its context is off the topic."""


def _support(batch: CallBatch) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """The share of supported words, and where it is measured."""
    words = batch.of(words_of)
    answers = words.answers.where(words.is_content[words.answers.codes])
    given = words.given
    n_stems = int(words.stems.max(initial=-1)) + 1
    is_contained = contained(
        Occurrences(answers.rows, words.stems[answers.codes]),
        Occurrences(given.rows, words.stems[given.codes]),
        n_stems,
    )
    total = per_row(answers, words.n)
    share = np.bincount(answers.rows[is_contained], minlength=words.n) / np.maximum(total, 1)
    asked, answered = batch.of(context_languages), batch.of(answer_languages)
    is_translated = (asked != UNKNOWN) & (answered != UNKNOWN) & (asked != answered)
    has_context = per_row(words.contexts, words.n) >= _FEWEST_WORDS
    return share, (total >= _FEWEST_WORDS) & has_context & ~is_translated & ~batch.of(refuses)


def _word_support(batch: CallBatch) -> pa.Array:
    share, is_measured = batch.of(_support)
    return pa.array(share, mask=~is_measured)


def _is_off_topic(batch: CallBatch) -> pa.Array:
    return pc.less(_word_support(batch), OFF_TOPIC)


_NEEDS = ("output", "context")
_LANGUAGES = ("en",)
SIGNALS = (
    Signal(
        "word_support",
        Unit.RATIO,
        _NEEDS,
        "Share of the answer's content words (by their first five letters) that stand in the context or the input.",
        _word_support,
        languages=_LANGUAGES,
    ),
    Signal(
        "off_topic",
        Unit.FLAG,
        _NEEDS,
        f"Fewer than {OFF_TOPIC:.0%} of the answer's content words stand in the context or the input.",
        _is_off_topic,
        languages=_LANGUAGES,
    ),
)

"""How long answers are, and whether they are empty or were cut."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.signals.batch import CallBatch, answers
from monitor.signals.signal import Signal, Unit
from monitor.signals.words import per_row, words_of

_CUT = ("length", "max_tokens", "max_output_tokens", "model_length", "incomplete", "content_filter")
"""Reasons for which OpenAI, Anthropic, Google and vLLM stop before the answer is complete."""


def _characters(batch: CallBatch) -> pa.Array:
    return pc.utf8_length(batch.of(answers)).cast(pa.float64())


def _words(batch: CallBatch) -> pa.Array:
    words = batch.of(words_of)
    counts = per_row(words.answers, words.n).astype(np.float64)
    return pa.array(counts, mask=np.asarray(pc.is_null(batch.of(answers))))


def _is_empty(batch: CallBatch) -> pa.Array:
    sent = batch.column("output")
    return pc.if_else(pc.is_valid(sent), pc.is_null(batch.of(answers)), None)


def _is_cut(batch: CallBatch) -> pa.Array:
    reason = pc.ascii_lower(batch.column("finish_reason"))
    return pc.if_else(pc.is_valid(reason), pc.is_in(reason, value_set=pa.array(_CUT)), None)


SIGNALS = (
    Signal("answer_characters", Unit.CHARACTERS, ("output",), "Length of the answer.", _characters),
    Signal("answer_words", Unit.WORDS, ("output",), "Words of the answer, separated by spaces.", _words),
    Signal("empty_answer", Unit.FLAG, ("output",), "The answer has no visible character.", _is_empty),
    Signal(
        "cut_answer",
        Unit.FLAG,
        ("finish_reason",),
        "The model stopped before its answer was complete.",
        _is_cut,
    ),
)

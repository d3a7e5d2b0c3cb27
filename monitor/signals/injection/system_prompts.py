"""Answers that repeat the system prompt: runs of six words in both, compared by hashes.

A client registers hashes, never the prompt. Of its runs, one in each four neighbours is kept (winnowing: the least), so
that nobody who has the hashes can guess the prompt word by word; a passage of nine words or more always holds one.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from monitor.signals.batch import CallBatch, answers
from monitor.signals.folding import fold
from monitor.signals.signal import Signal, Unit
from monitor.signals.words import Occurrences, Words, hashes_of, words_of

RUN, WINDOW = 6, 4
"""Words in a run, and neighbouring runs of which one is kept."""
SHORTEST_PASSAGE = RUN + WINDOW - 1
"""Words of a passage that is always found."""
_FACTOR = np.uint64(0x9E3779B97F4A7C15)

Hashes = npt.NDArray[np.uint64]


def _runs(hashes: Hashes) -> Hashes:
    """The hash of each run of words."""
    n = max(len(hashes) - RUN + 1, 0)
    runs = np.zeros(n, np.uint64)
    for place in range(RUN):
        runs = (runs ^ (runs >> np.uint64(31))) * _FACTOR + hashes[place : place + n]
    return runs ^ (runs >> np.uint64(29))


def shingles(prompt: str) -> frozenset[int]:
    """The hashes that stand for a system prompt; none if it has fewer than `SHORTEST_PASSAGE` words."""
    runs = _runs(_hashes(prompt))
    if len(runs) < WINDOW:
        return frozenset()
    neighbours = np.lib.stride_tricks.sliding_window_view(runs, WINDOW)
    return frozenset(neighbours.min(axis=1).tolist())


def _hashes(text: str) -> Hashes:
    from_text = pa.array([fold(text)])
    words = Words.plain_of(pc.ascii_split_whitespace(from_text).flatten())
    return hashes_of([word for word in words.to_pylist() if word])


def _sent_prompts(batch: CallBatch) -> frozenset[int]:
    """The hashes of the system prompts that were sent with the calls."""
    sent = pc.unique(batch.column("system")).to_pylist()
    return frozenset().union(*(shingles(one) for one in sent if one))


def _repeats(words: Words, some: Occurrences, known: Hashes) -> tuple[npt.NDArray[np.int64], Hashes]:
    """The rows and hashes of runs that are known, of words without those that are only punctuation."""
    is_word = np.asarray(pc.not_equal(words.plain, "")).astype(bool)
    kept = some.where(is_word[some.codes])
    runs = _runs(words.hashes[kept.codes])
    is_one_text = kept.rows[: len(runs)] == kept.rows[RUN - 1 :][: len(runs)]
    is_known = np.asarray(pc.is_in(pa.array(runs), value_set=pa.array(known))).astype(bool) & is_one_text
    return kept.rows[: len(runs)][is_known], runs[is_known]


def _is_leak(batch: CallBatch) -> pa.Array:
    known = batch.registered.prompt_shingles | _sent_prompts(batch)
    is_open = pc.is_null(batch.of(answers))
    if not known:
        return pa.nulls(len(batch), pa.bool_())
    hashes = np.fromiter(known, np.uint64, len(known))
    words = batch.of(words_of)
    rows, runs = _repeats(words, words.answers, hashes)
    asked_rows, asked = _repeats(words, words.inputs, hashes)
    said_by_user = set(zip(asked_rows.tolist(), asked.tolist(), strict=True))
    flags = np.zeros(len(batch), bool)
    for row, run in zip(rows.tolist(), runs.tolist(), strict=True):
        flags[row] |= (row, run) not in said_by_user
    return pa.array(flags, mask=np.asarray(is_open).astype(bool))


SIGNALS = (
    Signal(
        "system_prompt_leak",
        Unit.FLAG,
        ("output",),
        f"The answer repeats {RUN} to {SHORTEST_PASSAGE} words or more in a row of a registered system prompt, or of "
        "the one sent with the call, that the input does not have.",
        _is_leak,
        is_leak=True,
    ),
)

"""How far several answers to the same question agree: a model that guesses says something else each time."""

import re
from itertools import combinations

import pyarrow as pa

from monitor.signals.batch import CallBatch, answers
from monitor.signals.languages import STOP_WORDS
from monitor.signals.signal import Signal, Unit

_MOST_SAMPLES, _MOST_CHARACTERS = 10, 20_000
_WORD = re.compile(r"[^\W_]+(?:[.,][0-9]+)*")


def _words(text: str) -> frozenset[str]:
    words = {
        word if word[0].isdigit() else word[:5] for word in _WORD.findall(text[:_MOST_CHARACTERS].lower())
    }
    return frozenset(words - STOP_WORDS)


def _likeness(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one or other else 1.0


def agreement(texts: list[str]) -> float | None:
    """The mean Jaccard index of the content words of each two texts; None of fewer than two."""
    bags = [_words(text) for text in texts if text and text.strip()][:_MOST_SAMPLES]
    pairs = [_likeness(one, other) for one, other in combinations(bags, 2)]
    return sum(pairs) / len(pairs) if pairs else None


def _agreement(batch: CallBatch) -> pa.Array:
    samples = batch.column("samples")
    if samples.null_count == len(samples):
        return pa.nulls(len(samples), pa.float64())
    rows = zip(batch.of(answers).to_pylist(), samples.to_pylist(), strict=True)
    return pa.array([agreement([answer, *(others or [])]) for answer, others in rows], pa.float64())


SIGNALS = (
    Signal(
        "sample_agreement",
        Unit.RATIO,
        ("samples",),
        f"How alike the answer and its samples are: mean Jaccard index of their content words, of up to "
        f"{_MOST_SAMPLES} texts.",
        _agreement,
    ),
)

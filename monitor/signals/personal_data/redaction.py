"""Texts without personal data and secrets: each is replaced by its kind, such as `[mail]`."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.signals.folding import fold, folded, spans_in
from monitor.signals.lists import of_parts, parts
from monitor.signals.personal_data.candidates import candidates
from monitor.signals.personal_data.finding import find_all
from monitor.signals.personal_data.kinds import KINDS, PersonalDataKind

_MOST_PASSES, _DROPPED = 8, "[redacted]"


def redact(texts: pa.Array) -> pa.Array:
    """The texts (string or list<string>) with personal data and secrets replaced. Redacting twice changes nothing."""
    if pa.types.is_list(texts.type):
        return of_parts(texts, redact(parts(texts)))
    some = candidates(folded(texts))
    if not some:
        return texts
    rows = pa.array([one.row for one in some], pa.int64())
    redacted = [
        redacted_text(text, one.kinds, is_disguised=one.is_disguised)
        for text, one in zip(texts.take(rows).to_pylist(), some, strict=True)
    ]
    is_open = np.zeros(len(texts), bool)
    is_open[rows] = True
    return pc.replace_with_mask(texts, pa.array(is_open), pa.array(redacted, texts.type))


def redacted_text(text: str, kinds: Sequence[PersonalDataKind] = KINDS, *, is_disguised: bool = True) -> str:
    """One text, redacted until nothing more is found: what is left may read differently without what was taken.

    A text in which each pass finds more was made for that, and is dropped as a whole.
    """
    for _ in range(_MOST_PASSES):
        spans = _spans(text, kinds, is_disguised)
        if not spans:
            return text
        pieces, place = [], 0
        for start, end, token in spans:
            pieces += [text[place:start], token]
            place = end
        text = "".join([*pieces, text[place:]])
    return _DROPPED


def _spans(text: str, kinds: Sequence[PersonalDataKind], is_disguised: bool) -> list[tuple[int, int, str]]:
    """Where something was found, from left to right; what overlaps is one passage, named after its first kind."""
    plain = fold(text)
    passages = sorted(
        (one.start, one.end, KINDS.index(kind))
        for kind, one in find_all(plain, kinds, is_disguised=is_disguised)
    )
    merged: list[tuple[int, int, int]] = []
    for start, end, rank in passages:
        if merged and start < merged[-1][1]:
            before = merged[-1]
            merged[-1] = (before[0], max(before[1], end), min(before[2], rank))
        else:
            merged.append((start, end, rank))
    if plain is text or not merged:
        return [(start, end, KINDS[rank].token) for start, end, rank in merged]
    span = spans_in(text)
    return [(*span(start, end), KINDS[rank].token) for start, end, rank in merged]

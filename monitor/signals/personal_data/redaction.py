"""Texts without personal data and secrets: each is replaced by its kind, such as `[mail]`."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.signals.folding import fold, folded, spans_in
from monitor.signals.lists import of_parts, parts
from monitor.signals.matching import matches
from monitor.signals.personal_data.finding import find_all
from monitor.signals.personal_data.kinds import KINDS, PersonalDataKind
from monitor.signals.readings import MAY_BE_DISGUISED

_MOST_PASSES, _DROPPED = 8, "[redacted]"


def redact(texts: pa.Array) -> pa.Array:
    """The texts (string or list<string>) with personal data and secrets replaced. Redacting twice changes nothing."""
    if pa.types.is_list(texts.type):
        return of_parts(texts, redact(parts(texts)))
    plain = folded(texts)
    is_disguised = matches(plain, MAY_BE_DISGUISED)
    may_have = np.zeros((len(texts), len(KINDS)), bool)
    for place, kind in enumerate(KINDS):
        may_have[:, place] = matches(plain, kind.prefilter)
    is_open = may_have.any(axis=1) | is_disguised
    rows = np.flatnonzero(is_open)
    if not len(rows):
        return texts
    redacted = [
        redacted_text(
            text, [kind for kind, may in zip(KINDS, mays, strict=True) if may], is_disguised=disguised
        )
        for text, mays, disguised in zip(
            texts.take(pa.array(rows)).to_pylist(),
            may_have[rows].tolist(),
            is_disguised[rows].tolist(),
            strict=True,
        )
    ]
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

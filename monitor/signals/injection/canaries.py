"""Canaries: random tokens that a client puts where a model must not talk about, such as its system prompt.

A canary in an answer is proof of a leak. It is found as it is, without its prefix, with anything between its letters,
in base64, hexadecimal, rot13 and backwards. Only its hash is stored: it has 110 random bits.
"""

import base64
import codecs
import hashlib
import re
import secrets
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.signals.batch import CallBatch
from monitor.signals.decodings import MAY_BE_DISGUISED, readings
from monitor.signals.matching import matches
from monitor.signals.signal import Signal, Unit
from monitor.signals.words import folded_answers, folded_inputs

PREFIX = "wk-canary-"
_ALPHABET, _LENGTH = "abcdefghijklmnopqrstuvwxyz234567", 22
_CANARY = re.compile(rf"{PREFIX}[a-z2-7]{{{_LENGTH}}}", re.IGNORECASE)
_ROT_13 = re.compile(rf"{codecs.encode(PREFIX, 'rot13')}[a-z2-7]{{{_LENGTH}}}", re.IGNORECASE)
_ALONE = re.compile(rf"\b[a-z2-7]{{{_LENGTH}}}\b", re.IGNORECASE)
_LETTERS = re.compile(rf"{PREFIX.replace('-', '')}([a-z2-7]{{{_LENGTH}}})")
_NO_LETTER = re.compile(r"[\W_]+")
_BACKWARDS = re.compile(rf"[a-z2-7]{{{_LENGTH}}}{PREFIX[::-1]}", re.IGNORECASE)
_HEX = re.compile(rf"{PREFIX.encode().hex()}(?:[0-9a-f]{{2}}){{{_LENGTH}}}", re.IGNORECASE)
_RUN_OF_BASE64 = re.compile(r"[A-Za-z0-9+/\-_]+")


def _base64_marks() -> list[str]:
    """The part of the prefix that is the same in base64, whatever stands before it."""
    marks = []
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + PREFIX.encode()).decode()
        first = -(-shift * 8 // 6)
        marks.append(encoded[first : (shift + len(PREFIX)) * 8 // 6])
    return marks


_MARKS = _base64_marks()
_SPREAD = r"[\W_]{0,9}".join(PREFIX.replace("-", ""))
_PREFILTER = "(?i)" + "|".join(
    [
        *(_SPREAD, codecs.encode(PREFIX, "rot13"), PREFIX[::-1], PREFIX.encode().hex()),
        *map(re.escape, _MARKS),
        rf"\b[a-z2-7]{{{_LENGTH}}}\b",
    ]
)


def create() -> str:
    """A new canary."""
    return PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def digest(canary: str) -> bytes:
    """The hash that is stored in place of a canary."""
    return hashlib.sha256(canary.lower().encode()).digest()


def canaries_in(text: str) -> Iterator[str]:
    """Everything in a text that may be a canary, in any of the notations."""
    yield from _CANARY.findall(text)
    yield from (PREFIX + one for one in _ALONE.findall(text))
    letters = _NO_LETTER.sub("", text).lower()
    yield from (PREFIX + one for one in _LETTERS.findall(letters))
    yield from (codecs.decode(one, "rot13") for one in _ROT_13.findall(text))
    yield from (one[::-1] for one in _BACKWARDS.findall(text))
    yield from (bytes.fromhex(one).decode("latin-1") for one in _HEX.findall(text))
    for run in _RUN_OF_BASE64.findall(text):
        for mark in _MARKS:
            if (place := run.find(mark)) >= 0:
                yield from _from_base64(run, place)


def _from_base64(run: str, place: int) -> Iterator[str]:
    near = run[max(place - 4, 0) : place + 64].replace("-", "+").replace("_", "/")
    for shift in range(4):
        one = near[shift:]
        raw = base64.b64decode(one[: len(one) - (len(one) % 4 == 1)] + "=" * (-len(one) % 4 % 3))
        yield from _CANARY.findall(raw.decode("latin-1"))


def _seen(batch: CallBatch, texts: pa.StringArray) -> pa.Array:
    registered = batch.registered.canaries
    if not registered:
        return pa.nulls(len(batch), pa.bool_())
    may_have = matches(texts, _PREFILTER)
    flags = np.zeros(len(batch), bool)
    for row in np.flatnonzero(may_have):
        flags[row] = any(digest(one) in registered for one in canaries_in(texts[int(row)].as_py()))
    for row in np.flatnonzero(matches(texts, MAY_BE_DISGUISED) & ~flags):
        others = (one.text for one in readings(texts[int(row)].as_py()))
        flags[row] = any(digest(one) in registered for other in others for one in canaries_in(other))
    return pa.array(flags, mask=np.asarray(pc.is_null(texts)).astype(bool))


def _in_output(batch: CallBatch) -> pa.Array:
    return _seen(batch, batch.of(folded_answers))


def _in_input(batch: CallBatch) -> pa.Array:
    return _seen(batch, batch.of(folded_inputs))


SIGNALS = (
    Signal(
        "canary_in_output",
        Unit.FLAG,
        ("output",),
        "The answer has a canary of the client, as it is or encoded.",
        _in_output,
        is_leak=True,
    ),
    Signal(
        "canary_in_input",
        Unit.FLAG,
        ("input",),
        "The input has a canary of the client: whoever wrote it has seen what should be hidden.",
        _in_input,
        is_leak=True,
    ),
)

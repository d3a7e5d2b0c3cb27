"""What a folded text says in disguise: wrapped over lines, spelled by letters, in base64, hexadecimal or codes."""

import base64
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

_MOST_BLOBS, _LONGEST_BLOB, _LONGEST_TEXT, _DEEPEST = 32, 8_192, 100_000, 2
_WRAP = r"\\?[ \t\r]{0,8}\n[ \t]{0,8}|[\"'] ?\+ ?[\"']"
_LETTER = r"[A-Za-z0-9+/_\-]"
_HEX = r"(?:[0-9A-Fa-f]{2}[ :,]){11,}[0-9A-Fa-f]{2}"
MAY_BE_DISGUISED = (
    rf"{_LETTER}{{22}}|(?:[0-9A-Fa-f]{{2}}[ :,]){{11}}|(?:^|[^A-Za-z0-9])[A-Za-z0-9](?:[ .\-_*|\n][\S ]){{9}}"
    rf"|(?:[01]{{8}}[ ,]{{0,2}}){{12}}|(?:1?[0-9]{{2}}[ ,]{{1,2}}){{11}}|{_LETTER}{{4}}=*(?:{_WRAP}){_LETTER}{{4}}"
)
"""Each text with a reading matches it."""
_JOINT = re.compile(_WRAP)
_SPELLED = re.compile(r"(?<![^\W_])[^\W_]([ .\-_*|\n])[\S ](?:\1[\S ]){8,}(?![^\W_])")
_BLOB = re.compile(
    rf"{_LETTER}{{12,}}={{0,2}}(?:[ \t\r]{{0,8}}\n[ \t]{{0,8}}{_LETTER}{{4,}}={{0,2}})*|{_HEX}"
)
_BITS = re.compile(r"(?:[01]{8}[ ,]{0,2}){12,}")
_CODES = re.compile(r"(?:1?[0-9]{2}[ ,]{1,2}){11,}1?[0-9]{2}")
_BETWEEN, _SHORTEST_BLOB = re.compile(r"[\s:,=]+"), 16


@dataclass(frozen=True, slots=True)
class DecodedText:
    """What a text may say, whether that is the text without line breaks, and where a passage `[start, end)` stands."""

    text: str
    is_joined: bool
    span: Callable[[int, int], tuple[int, int]]


def readings(text: str) -> Iterator[DecodedText]:
    """The other readings of a folded text, of its first 100,000 characters."""
    text = text[:_LONGEST_TEXT]
    if _JOINT.search(text):
        yield _without(text, [joint.span() for joint in _JOINT.finditer(text)])
    for spelled in _SPELLED.finditer(text):
        yield _every_second(spelled.group(), spelled.start())
    for place, blob in enumerate(_BLOB.finditer(text)):
        if place == _MOST_BLOBS:
            break
        for decoded in _decoded(blob.group()[:_LONGEST_BLOB], _DEEPEST):
            yield _standing_for(decoded, blob.span())
    for bits in _BITS.finditer(text):
        letters = re.findall("[01]{8}", bits.group())
        yield _standing_for("".join(chr(int(letter, 2)) for letter in letters), bits.span())
    for codes in _CODES.finditer(text):
        yield _standing_for(
            "".join(chr(int(one)) for one in re.findall("[0-9]+", codes.group())), codes.span()
        )


def _without(text: str, gaps: list[tuple[int, int]]) -> DecodedText:
    """The text without some passages."""
    kept: list[int] = []
    place = 0
    for start, end in gaps:
        kept.extend(range(place, start))
        place = end
    kept.extend(range(place, len(text)))
    return DecodedText(
        "".join([text[at] for at in kept]), True, lambda start, end: (kept[start], kept[end - 1] + 1)
    )


def _every_second(text: str, first: int) -> DecodedText:
    return DecodedText(text[::2], False, lambda start, end: (first + 2 * start, first + 2 * end - 1))


def _standing_for(text: str, span: tuple[int, int]) -> DecodedText:
    return DecodedText(text, False, lambda _start, _end: span)


def _decoded(blob: str, depth: int) -> Iterator[str]:
    """What a run of base64 or hexadecimal encodes, if it is text; what is encoded twice is decoded twice."""
    plain = _BETWEEN.sub("", blob)
    if len(plain) < _SHORTEST_BLOB:
        return
    decoded = []
    whole = plain.replace("-", "+").replace("_", "/")
    whole = whole[: len(whole) - (len(whole) % 4 == 1)]
    with suppress(ValueError):
        decoded.append(base64.b64decode(whole + "=" * (-len(whole) % 4)).decode())
    with suppress(ValueError):
        decoded.append(base64.b32decode(plain + "=" * (-len(plain) % 8)).decode())
    with suppress(ValueError):
        decoded.append(bytes.fromhex(plain[: len(plain) // 2 * 2]).decode())
    for text in decoded:
        yield text
        if depth > 1 and (again := _BLOB.fullmatch(text)):
            yield from _decoded(again.group(), depth - 1)

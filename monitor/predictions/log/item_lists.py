"""Lists, sets, and numbers by name, as the log stores them: as JSON texts, which each way in and out can carry.

A list keeps its order. Grades are sorted by item, so that equal grades are equal texts.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

_LIST = msgspec.json.Decoder(list[str])
_GRADES = msgspec.json.Decoder(dict[str, float])
_ENCODER = msgspec.json.Encoder()


def list_text(items: Sequence[str]) -> str:
    """A list of items as stored."""
    return _ENCODER.encode(items).decode()


def items_of(text: str) -> list[str]:
    """The inverse of `list_text`.

    Raises:
        msgspec.MsgspecError: the text is no list of texts.
    """
    return _LIST.decode(text)


def grades_text(grades: Mapping[str, float]) -> str:
    """Grades by item as stored."""
    return _ENCODER.encode({item: float(grades[item]) for item in sorted(grades)}).decode()


def grades_of(text: str) -> dict[str, float]:
    """The inverse of `grades_text`.

    Raises:
        msgspec.MsgspecError: the text is no object of numbers.
    """
    return _GRADES.decode(text)


def labels_text(labels: Iterable[str]) -> str:
    """A set of labels as stored: a sorted list, which `items_of` reads."""
    return list_text(sorted(set(labels)))


def outputs_text(outputs: Mapping[str, float]) -> str:
    """Numbers by output as stored, which `grades_of` reads."""
    return grades_text(outputs)


def united(texts: Iterable[str]) -> str:
    """Several grades of one list together: of an item, the highest. Their order changes nothing."""
    total: dict[str, float] = {}
    for text in texts:
        for item, grade in grades_of(text).items():
            total[item] = max(grade, total.get(item, grade))
    return grades_text(total)

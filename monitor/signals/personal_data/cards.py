"""Payment cards: a known issuer, its length, Luhn's check digit, and groups as cards have them."""

from collections.abc import Iterator
from functools import lru_cache

from monitor.signals.personal_data.checksums import luhn
from monitor.signals.personal_data.digit_runs import Digits, PersonalDatum, Shape
from monitor.signals.personal_data.digit_runs import find as find_digits

_FEWEST, _MOST, _FEWEST_IN_GROUP = 12, 19, 4
_MAESTRO = (12, 13, 14, 15, 16, 17, 18, 19)
_ISSUERS: tuple[tuple[int, int, int, tuple[int, ...]], ...] = (
    (1, 4, 4, (13, 16, 19)),  # Visa
    (2, 51, 55, (16,)),  # Mastercard
    (4, 2221, 2720, (16,)),
    (2, 34, 34, (15,)),  # American Express
    (2, 37, 37, (15,)),
    (2, 36, 36, (14,)),  # Diners Club
    (3, 300, 305, (14,)),
    (2, 38, 39, (14,)),
    (4, 6011, 6011, (16, 19)),  # Discover
    (3, 644, 659, (16, 19)),
    (4, 3528, 3589, (16, 19)),  # JCB
    (4, 2131, 2131, (15,)),
    (4, 1800, 1800, (15,)),
    (2, 62, 62, (16, 17, 18, 19)),  # UnionPay
    (4, 5018, 5018, _MAESTRO),
    (4, 5020, 5020, _MAESTRO),
    (4, 5038, 5038, _MAESTRO),
    (4, 6304, 6304, _MAESTRO),
    (4, 6759, 6763, _MAESTRO),
)
"""Length of the prefix, its lowest and highest value, and how many digits the issuer's cards have."""
_OTHER_SHAPES = {(4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (6, 13), (8, 8)}


def find(text: str) -> Iterator[PersonalDatum]:
    """The numbers of cards in a text."""
    return find_digits(text, _may_be_card, _is_card)


def _may_be_card(shape: Shape) -> bool:
    if not _FEWEST <= sum(shape) <= _MOST:
        return False
    is_even = len(shape) != 2 and len(set(shape[:-1])) <= 1 and shape[-1] <= shape[0]
    return is_even or shape in _OTHER_SHAPES


@lru_cache(maxsize=4_096)
def _lengths(prefix: str) -> frozenset[int]:
    """How many digits cards that begin with these four have."""
    return frozenset(
        length
        for size, low, high, lengths in _ISSUERS
        if low <= int(prefix[:size]) <= high
        for length in lengths
    )


def _is_written_as_one(digits: Digits) -> bool:
    """Separators that also make lists are the same throughout, and stand between groups of cards."""
    return digits.is_usual or (
        digits.shape[0] >= _FEWEST_IN_GROUP
        and len({separator.strip(" *") for separator in digits.separators}) == 1
    )


def _is_card(digits: Digits) -> bool:
    value = digits.value
    if len(value) not in _lengths(value[:4]) or not luhn(value) or not _is_written_as_one(digits):
        return False
    is_fraction = len(digits.shape) == 1 and digits.before.endswith(".") and digits.before[:1].isdigit()
    return not is_fraction

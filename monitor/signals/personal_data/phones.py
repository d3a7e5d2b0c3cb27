"""Telephone numbers: international ones, and national ones in the usual groups of the USA, Germany, France, Spain,
Italy, Poland and Britain. A number without a plus sign and without separators is not told from any other number.
"""

from collections.abc import Iterator

from monitor.signals.personal_data.digit_runs import Digits, PersonalDatum, Shape
from monitor.signals.personal_data.digit_runs import find as find_digits

_FEWEST, _LONGEST, _SHORTEST_INTERNATIONAL = 9, 15, 8
_NINE_DIGITS = {(3, 3, 3), (3, 2, 2, 2), (2, 3, 2, 2)}


def find(text: str) -> Iterator[PersonalDatum]:
    """The telephone numbers in a text, as their digits."""
    return find_digits(text, _may_be_phone, _is_phone, inside=False)


def _may_be_phone(shape: Shape) -> bool:
    return _SHORTEST_INTERNATIONAL <= sum(shape) <= _LONGEST


def _is_phone(digits: Digits) -> bool:
    before = digits.before
    is_after_plus = before.rstrip("( ").endswith("+")
    if not (digits.value[0] != "0" if is_after_plus else _is_national(digits, before)):
        return False
    after = digits.after
    return digits.is_usual and not (after.isalnum() and after not in "xX") and not before[-1:].isalnum()


def _is_national(digits: Digits, before: str) -> bool:
    """Whether it is in the groups of a telephone number without a plus sign. Most are not, so this is asked first."""
    if len(digits.shape) == 1 or len(digits.value) < _FEWEST:
        return False
    if not (_is_american(digits) or _is_european(digits) or _is_international(digits)):
        return False
    return not (before.endswith((".", ",", "$", "€", "£")) or before[:1].isdigit() or before[1:].isdigit())


def _is_international(digits: Digits) -> bool:
    return digits.value.startswith("00") and digits.value[2] != "0" and digits.shape[0] <= 4


def _is_american(digits: Digits) -> bool:
    shape, value = digits.shape, digits.value
    if shape == (1, 3, 3, 4) and value[0] == "1":
        value = value[1:]
    elif shape != (3, 3, 4):
        return False
    return value[0] >= "2" and value[3] >= "2"


def _is_european(digits: Digits) -> bool:
    shape, value = digits.shape, digits.value
    if shape in _NINE_DIGITS:
        return value[0] != "0" and set(digits.separators) <= {" ", "-"}
    if value[0] != "0" or value[1] == "0" or not 2 <= shape[0] <= 5 or len(shape) > 5:
        return False
    is_date = len(shape) >= 3 and shape[:3] == (2, 2, 4)
    return not is_date and len(value) <= 12

"""National identifiers of persons in twelve countries, by their check digits where they have any.

USA (SSN), Britain (NINO), Germany (tax number), France (NIR), Spain (DNI, NIE), Italy (codice fiscale), Poland (PESEL),
Sweden (personnummer), Belgium (national number), Switzerland (AHV), Brazil (CPF), Finland (henkilötunnus).
"""

from collections.abc import Callable, Iterator

import re2

from monitor.signals.matching import spans
from monitor.signals.personal_data.checksums import ean, luhn, mod_11_10, weighted
from monitor.signals.personal_data.digit_runs import PREFILTER as DIGITS_PREFILTER
from monitor.signals.personal_data.digit_runs import Digits, PersonalDatum, Shape
from monitor.signals.personal_data.digit_runs import find as find_digits

_GB = r"[A-CEGHJ-PR-TW-Za-ceghj-pr-tw-z]{2}[ \-]?[0-9]{2}[ \-]?[0-9]{2}[ \-]?[0-9]{2}[ \-]?[A-Da-d]"
_ES = r"(?:[0-9]{8}|[0-9]{2}\.[0-9]{3}\.[0-9]{3}|[XYZxyz][ \-]?[0-9]{7})[ \-]?[A-Za-z]"
_IT = r"[A-Za-z]{3} ?[A-Za-z]{3} ?[0-9L-Vl-v]{2}[A-Ta-t][0-9L-Vl-v]{2} ?[A-Za-z][0-9L-Vl-v]{3}[A-Za-z]"
_FI = r"[0-9]{6}[\-+A-FU-Ya-fu-y][0-9]{3}[0-9A-FHJ-NPR-Ya-fhj-npr-y]"
_CORSICAN = r"[12][0-9]{4}2[ABab][0-9]{8}"
LETTERS_PREFILTER = "|".join((_GB, _ES, _IT, _CORSICAN, _FI))
PREFILTER = f"{DIGITS_PREFILTER}|{LETTERS_PREFILTER}"


def find(text: str) -> Iterator[PersonalDatum]:
    """The national identifiers in a text."""
    yield from find_digits(text, _may_be_number, _is_number)
    for start, end in spans(_WITH_LETTERS, text):
        value = _value(text[start:end].upper())
        stands_alone = not (text[max(start - 1, 0) : start].isalnum() or text[end : end + 1].isalnum())
        if stands_alone and _check_of(value)(value):
            yield PersonalDatum(start, end, value)


def _value(written: str) -> str:
    """Without separators, except for Finland's, which tells the century."""
    return written if _FINNISH.fullmatch(written) else _SEPARATORS.sub("", written)


def _check_of(value: str) -> Callable[[str], bool]:
    """The check for an identifier with letters, which its first characters tell apart."""
    if value[1:2].isalpha():
        return _is_italian if value[2:3].isalpha() else _is_british
    if _FINNISH.fullmatch(value):
        return _is_finnish
    return _is_corsican if len(value) == _FRENCH else _is_spanish


def _may_be_number(shape: Shape) -> bool:
    return shape in _BY_SHAPE


def _is_number(digits: Digits) -> bool:
    before, after = digits.before[-1:], digits.after
    if before.isalnum() or after.isalnum() or before == "+":
        return False
    checks = _BY_SHAPE.get(digits.shape, ())
    return any(separators >= set(digits.separators) and check(digits.value) for separators, check in checks)


def _is_american(value: str) -> bool:
    area, group, serial = value[:3], value[3:5], value[5:]
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def _is_german(value: str) -> bool:
    counts = sorted(value[:10].count(digit) for digit in set(value[:10]))
    is_drawn = counts[-1] in (2, 3) and counts[:-1] == [1] * (len(counts) - 1)
    return value[0] != "0" and is_drawn and mod_11_10(value)


def _is_french(value: str) -> bool:
    month = int(value[3:5])
    is_birth = value[0] in "12" and (1 <= month <= 12 or 20 <= month <= 42 or month >= 50)
    return is_birth and 97 - int(value[:13]) % 97 == int(value[13:])


def _is_corsican(value: str) -> bool:
    return _is_french(value[:5] + ("19" if value[6] == "A" else "18") + value[7:])


def _is_polish(value: str) -> bool:
    is_birth = 1 <= int(value[2:4]) % 20 <= 12 and 1 <= int(value[4:6]) <= 31
    return is_birth and weighted(value, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def _is_swedish(value: str) -> bool:
    short = value[-10:]
    is_birth = 1 <= int(short[2:4]) <= 12 and 1 <= int(short[4:6]) % 60 <= 31
    return is_birth and value[:-10] in ("", "19", "20") and luhn(short)


def _is_belgian(value: str) -> bool:
    is_birth = int(value[2:4]) % 20 <= 12 and int(value[4:6]) <= 31
    body, check = int(value[:9]), int(value[9:])
    return is_birth and check in (97 - body % 97, 97 - (2_000_000_000 + body) % 97)


def _is_swiss(value: str) -> bool:
    return value.startswith("756") and ean(value)


def _is_brazilian(value: str) -> bool:
    if len(set(value)) == 1:
        return False
    first = weighted(value, tuple(range(10, 1, -1))) * 10 % 11 % 10
    second = weighted(value, tuple(range(11, 1, -1))) * 10 % 11 % 10
    return value[9:] == f"{first}{second}"


def _is_british(value: str) -> bool:
    is_drawn = value[1] not in "DFIOQUV" and value[:2] not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ")
    return is_drawn and value[0] not in "DFIOQUV"


def _is_spanish(value: str) -> bool:
    number = value[:-1].translate(str.maketrans("XYZ", "012"))
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == value[-1]


_ODD = dict(
    zip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", (1, 0, 5, 7, 9, 13, 15, 17, 19, 21) * 2, strict=False)
)
_ODD |= dict(
    zip("KLMNOPQRSTUVWXYZ", (2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23), strict=True)
)


def _is_italian(value: str) -> bool:
    if value[8] not in "ABCDEHLMPRST":
        return False
    odd = sum(_ODD[character] for character in value[:15:2])
    even = sum(int(one) if one.isdigit() else ord(one) - 65 for one in value[1:15:2])
    return chr(65 + (odd + even) % 26) == value[15]


def _is_finnish(value: str) -> bool:
    is_birth = 1 <= int(value[2:4]) <= 12 and 1 <= int(value[:2]) <= 31
    return is_birth and "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(value[:6] + value[7:10]) % 31] == value[10]


_Checks = tuple[tuple[set[str], Callable[[str], bool]], ...]
_SPACED = {" ", "-"}
_BY_SHAPE: dict[tuple[int, ...], _Checks] = {
    (3, 2, 4): ((_SPACED, _is_american),),
    (11,): ((set(), _is_german), (set(), _is_polish), (set(), _is_belgian), (set(), _is_brazilian)),
    (2, 3, 3, 3): (({" "}, _is_german),),
    (15,): ((set(), _is_french),),
    (13, 2): (({" "}, _is_french),),
    (1, 2, 2, 2, 3, 3, 2): (({" ", "."}, _is_french),),
    (6, 4): (({"-", "+"}, _is_swedish),),
    (8, 4): (({"-"}, _is_swedish),),
    (2, 2, 2, 3, 2): (({".", "-", " "}, _is_belgian),),
    (6, 3, 2): (({" ", "-", "."}, _is_belgian),),
    (13,): ((set(), _is_swiss),),
    (3, 4, 4, 2): (({".", " "}, _is_swiss),),
    (3, 3, 3, 2): (({".", "-", " "}, _is_brazilian),),
    (12,): ((set(), _is_swedish),),
}
_WITH_LETTERS = re2.compile(LETTERS_PREFILTER)
_SEPARATORS, _FINNISH, _FRENCH = re2.compile(r"[ .\-]"), re2.compile(_FI), 15

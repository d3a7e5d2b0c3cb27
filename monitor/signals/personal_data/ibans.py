"""International bank account numbers: a country, its length, and the check digits of ISO 7064."""

from collections.abc import Iterator

import re2

from monitor.signals.personal_data.checksums import mod_97
from monitor.signals.personal_data.digit_runs import PersonalDatum

PREFILTER = r"[A-Za-z]{2}[0-9]{2}(?:[ \-]?[A-Za-z0-9]){11}"
_HEAD = re2.compile(r"[A-Za-z]{2}[0-9]{2}")
_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FO FI GL NL SD FK",
        19: "MK SI",
        20: "AT BA EE KZ XK LT LU MN",
        21: "HR LV LI CH",
        22: "BH BG CR GE DE IE ME RS GB VA",
        23: "IL AE IQ TL GI SO OM",
        24: "AD CZ MD PK RO SA SK ES SE TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "FR GR IT MC SM MR BI DJ",
        28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}


def find(text: str) -> Iterator[PersonalDatum]:
    """The IBANs in a text."""
    free_from = 0
    for head in _HEAD.finditer(text):
        start = head.start()
        if start < free_from or (start and text[start - 1].isalnum()):
            continue
        length = _LENGTHS.get(text[start : start + 2].upper())
        iban = _at(text, start, length) if length else None
        if iban:
            free_from = iban.end
            yield iban


def _at(text: str, start: int, length: int) -> PersonalDatum | None:
    characters: list[str] = []
    place = start
    while place < len(text) and len(characters) < length:
        character = text[place]
        if character.isascii() and character.isalnum():
            characters.append(character.upper())
        elif character not in " -" or text[place - 1] in " -":
            return None
        place += 1
    value = "".join(characters)
    goes_on = place < len(text) and text[place].isalnum()
    if len(value) < length or goes_on or not mod_97(value):
        return None
    return PersonalDatum(start, place, value)

"""Public IP addresses: those that lead to a person or a machine. Private and reserved ones are left alone."""

import ipaddress
from collections.abc import Iterator

import re2

from monitor.signals.personal_data.digit_runs import PersonalDatum

PREFILTER = r"(?:[0-9]{1,3}\.){3}[0-9]|[0-9A-Fa-f]{1,4}:(?:[0-9A-Fa-f]{0,4}:){2}"
_V4 = re2.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3})+")
_V6 = re2.compile(r"[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{0,4}){2,8}")
_FEWEST_GROUPS = 4
_VERSION_BEFORE = ("v", "V", "version ", "Version ", "release ", "Release ", "firmware ")


def find(text: str) -> Iterator[PersonalDatum]:
    """The public addresses in a text."""
    for one in _V4.finditer(text):
        if one.group().count(".") == 3 and _stands_alone(text, *one.span()) and _is_public(one.group()):
            yield PersonalDatum(one.start(), one.end(), one.group())
    for one in _V6.finditer(text):
        address = one.group()
        if len([part for part in address.split(":") if part]) < _FEWEST_GROUPS:
            continue
        if _stands_alone(text, *one.span()) and _is_public(address):
            yield PersonalDatum(one.start(), one.end(), address.lower())


def _stands_alone(text: str, start: int, end: int) -> bool:
    before = text[max(start - 9, 0) : start]
    after = text[end : end + 1]
    return not (before[-1:].isalnum() or after.isalnum() or before.endswith(_VERSION_BEFORE))


def _is_public(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False

"""All kinds of personal data, and secrets. A new one is a file, and a line here."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from monitor.signals.personal_data import (
    cards,
    digit_runs,
    email_addresses,
    ibans,
    ip_addresses,
    national_ids,
    phones,
    secrets,
)
from monitor.signals.personal_data.digit_runs import PersonalDatum

_NOT_DIGITS, _NOT_ALPHANUMERIC = re.compile("[^0-9]+"), re.compile(r"[^A-Z0-9]+")


@dataclass(frozen=True, slots=True)
class PersonalDataKind:
    """A kind of personal data.

    `prefilter` is a regular expression that each text with one matches. `find` yields them in a folded text, and
    `comparable` turns a text into a notation in which it contains the values that it holds.
    """

    name: str
    prefilter: str
    find: Callable[[str], Iterator[PersonalDatum]]
    comparable: Callable[[str], str]

    @property
    def token(self) -> str:
        """What it is replaced by."""
        return f"[{self.name}]"


def _digits(text: str) -> str:
    return _NOT_DIGITS.sub("", text)


def _alphanumeric(text: str) -> str:
    return _NOT_ALPHANUMERIC.sub("", text.upper())


SECRET = PersonalDataKind("secret", secrets.PREFILTER, secrets.find, str)
CARD = PersonalDataKind("card", digit_runs.PREFILTER, cards.find, _digits)
IBAN = PersonalDataKind("iban", ibans.PREFILTER, ibans.find, _alphanumeric)
NATIONAL_ID = PersonalDataKind("national-id", national_ids.PREFILTER, national_ids.find, _alphanumeric)
MAIL = PersonalDataKind("mail", email_addresses.PREFILTER, email_addresses.find, str.lower)
PHONE = PersonalDataKind("phone", rf"[0-9](?:{digit_runs.BETWEEN}[0-9]){{7}}", phones.find, _digits)
IP_ADDRESS = PersonalDataKind("ip", ip_addresses.PREFILTER, ip_addresses.find, str.lower)

IDENTIFIERS = (CARD, IBAN, NATIONAL_ID)
"""What names one person or account, and has check digits or a fixed form."""
CONTACTS = (MAIL, PHONE, IP_ADDRESS)
KINDS = (SECRET, *IDENTIFIERS, *CONTACTS)
"""In the order in which a redacted passage is named if it is several."""

"""What is found in one text: as it is written, and in its other readings."""

from collections.abc import Iterable

from monitor.signals.decodings import DecodedText, readings
from monitor.signals.personal_data.digit_runs import PersonalDatum
from monitor.signals.personal_data.kinds import CARD, IBAN, KINDS, MAIL, SECRET, PersonalDataKind

_IN_JOINED, _IN_OTHERS = (SECRET, IBAN), (SECRET, IBAN, CARD, MAIL)
"""Numbers on neighbouring lines, joined, look like longer ones; numbers in what is decoded, like telephone numbers."""


def find_all(
    text: str, kinds: Iterable[PersonalDataKind] = KINDS, *, is_disguised: bool = True
) -> list[tuple[PersonalDataKind, PersonalDatum]]:
    """What is in a folded text, and if it may be disguised, what its readings have elsewhere."""
    findings = [(kind, one) for kind in kinds for one in kind.find(text)]
    plain = list(findings)
    for reading in readings(text) if is_disguised else ():
        findings += [
            (kind, one)
            for kind, one in _in_reading(reading)
            if not any(_overlap(one, other) for _, other in plain)
        ]
    return findings


def _in_reading(reading: DecodedText) -> Iterable[tuple[PersonalDataKind, PersonalDatum]]:
    for kind in _IN_JOINED if reading.is_joined else _IN_OTHERS:
        for one in kind.find(reading.text):
            yield kind, PersonalDatum(*reading.span(one.start, one.end), one.value)


def _overlap(one: PersonalDatum, other: PersonalDatum) -> bool:
    return one.start < other.end and other.start < one.end

"""Mail addresses."""

from collections.abc import Iterator

import re2

from monitor.signals.matching import spans
from monitor.signals.personal_data.digit_runs import PersonalDatum

PREFILTER = r"[^\s@]@[^\s@]"
_ADDRESS = re2.compile(
    r"[\p{L}\p{N}._%+'\-]*[\p{L}\p{N}_%+\-]@[\p{L}\p{N}](?:[\p{L}\p{N}\-]*\.)+(?:\p{L}|xn--)[\p{L}\p{N}\-]*\p{L}"
)


def find(text: str) -> Iterator[PersonalDatum]:
    """The mail addresses in a text, in lower case."""
    for start, end in spans(_ADDRESS, text):
        yield PersonalDatum(start, end, text[start:end].strip("'.").lower())

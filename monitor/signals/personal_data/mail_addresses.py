"""Mail addresses."""

from collections.abc import Iterator

import re2

from monitor.signals.personal_data.digit_runs import Found

PREFILTER = r"[^\s@]@[^\s@]"
_ADDRESS = re2.compile(
    r"[\p{L}\p{N}._%+'\-]*[\p{L}\p{N}_%+\-]@[\p{L}\p{N}](?:[\p{L}\p{N}\-]*\.)+(?:\p{L}|xn--)[\p{L}\p{N}\-]*\p{L}"
)


def find(text: str) -> Iterator[Found]:
    """The mail addresses in a text, in lower case."""
    for one in _ADDRESS.finditer(text):
        yield Found(one.start(), one.end(), one.group().strip("'.").lower())

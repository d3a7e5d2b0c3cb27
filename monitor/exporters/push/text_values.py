"""Label values as other systems accept them: without half characters, and within a length."""

import hashlib
import re
from functools import lru_cache

_SURROGATES = re.compile(r"[\ud800-\udfff]")
DIGEST = 8
"""Characters of a digest."""


def digest(value: str) -> str:
    """A short digest of a text."""
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:DIGEST]


@lru_cache(maxsize=65_536)
def fitted(value: str, longest: int) -> str:
    """A value of at most `longest` characters, encodable as UTF-8. One that is cut ends in a digest of all of it, so
    that two long names that begin alike stay two.
    """
    if len(value) <= longest and not _SURROGATES.search(value):
        return value
    kept = _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", value[: longest - DIGEST - 1])
    return f"{kept}~{digest(value)}"

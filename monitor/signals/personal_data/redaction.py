"""Texts without personal data and secrets: each is replaced by its kind, such as `[mail]`."""

import pyarrow as pa
import pyarrow.compute as pc

from monitor.signals.lists import of_parts, parts
from monitor.signals.personal_data import mail


def redact(texts: pa.Array) -> pa.Array:
    """The texts (string or list<string>) with personal data and secrets replaced. Redacting twice changes nothing."""
    if pa.types.is_list(texts.type):
        return of_parts(texts, redact(parts(texts)))
    return pc.replace_substring_regex(texts, mail.PATTERN, "[mail]")

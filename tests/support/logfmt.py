"""Reads lines of `key=value` pairs (logfmt), independently of the code that writes them."""

import re

_PAIR = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|[^ "=\\]+)(?: |$)')
_ESCAPE = re.compile(r'\\([\\"])')


def fields_of(line: str) -> dict[str, str]:
    """Return the fields of a line; escapes other than of quotes and backslashes stay as they are."""
    fields, at = {}, 0
    while at < len(line):
        pair = _PAIR.match(line, at)
        assert pair is not None, f"not key=value from column {at}: {line}"
        value = pair[2]
        fields[pair[1]] = _ESCAPE.sub(r"\1", value[1:-1]) if value.startswith('"') else value
        at = pair.end()
    return fields

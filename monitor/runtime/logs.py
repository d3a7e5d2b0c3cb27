"""The log: one line per record, as `key=value` pairs (logfmt) or as a JSON object.

A line holds time (UTC), level, logger and message, then the fields that the caller passed as `extra`, then the error.
Unprintable characters are escaped, and secrets are replaced by `***`, wherever they come from.
"""

import json
import logging
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from monitor.visible import visible

HIDDEN = "***"
_SHORTEST_SECRET = 4
"""Characters of a secret that is searched for: a shorter one would hide parts of ordinary words."""
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class LineFormatter(logging.Formatter):
    """Formats a record as one line; `secrets` are texts that never appear in it."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        texts = {form for secret in secrets if len(secret) >= _SHORTEST_SECRET for form in _spellings(secret)}
        self._secrets = sorted(texts, key=len, reverse=True)  # the longest first: one may be part of another

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line without a line break."""
        return self.line({name: self._clean(value) for name, value in self._fields(record).items()})

    def line(self, fields: Mapping[str, Any]) -> str:
        """Return fields as one line."""
        return " ".join(f"{name}={_quoted(_text(value))}" for name, value in fields.items())

    def _fields(self, record: logging.LogRecord) -> dict[str, Any]:
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": record.getMessage(),
        }
        fields |= {name: value for name, value in vars(record).items() if name not in _OWN}
        if record.exc_info:
            fields["error"] = self.formatException(record.exc_info)
        if record.stack_info:
            fields["stack"] = record.stack_info
        return fields

    def _clean(self, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        text = str(value)
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text


class JsonFormatter(LineFormatter):
    """Formats a record as one JSON object in ASCII."""

    def line(self, fields: Mapping[str, Any]) -> str:
        """Return fields as a JSON object on one line."""
        return json.dumps(fields).replace("\x7f", "\\u007f")


class _StandardError(logging.StreamHandler[Any]):
    """Writes to the standard error of the moment, which a command replaces when it starts."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> Any:
        return sys.stderr


def log_warnings_only() -> None:
    """Log to standard error from level warning on: the log of every command but the daemon."""
    _install(LineFormatter())


def configure(level: str, *, as_json: bool, secrets: Iterable[str]) -> None:
    """Log to standard error from `level` on: the log of the daemon. Libraries are logged from level warning on."""
    _install((JsonFormatter if as_json else LineFormatter)(secrets))
    logging.getLogger("monitor").setLevel(level.upper())
    logging.captureWarnings(True)


def _spellings(secret: str) -> set[str]:
    """How a secret may stand in a line: as it is, in an address, or escaped by `repr`."""
    return {secret, quote(secret, safe=""), quote(secret), repr(secret)[1:-1]}


def _install(formatter: logging.Formatter) -> None:
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _StandardError)]:
        root.removeHandler(handler)
    handler = _StandardError()
    handler.setFormatter(formatter)
    root.addHandler(handler)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _quoted(text: str) -> str:
    """Return a value as logfmt writes it: in quotes where it is empty or holds a space, a quote, `=` or a backslash."""
    if text and text.isprintable() and not any(sign in text for sign in ' "=\\'):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    for sign, name in (("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        escaped = escaped.replace(sign, name)
    return f'"{visible(escaped)}"'

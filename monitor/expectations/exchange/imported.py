"""What was read from a file of another tool: expectations, and every part that has no counterpart here."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.config.yaml_text import load
from monitor.errors import InputError
from monitor.expectations.expectation import Expectation

MOST_BYTES = 20_000_000


@dataclass(frozen=True, slots=True)
class ImportedSuite:
    """`left_out` names each part that is not supported, as `file: path: reason`."""

    expectations: Sequence[Expectation]
    left_out: Sequence[str]


def content_of(path: Path) -> Any:
    """The content of a JSON or YAML file.

    Raises:
        InputError, ConfigError: it cannot be read, or is neither, with line and column.
    """
    if path.suffix.lower() in (".yaml", ".yml"):
        return load(path)[0]
    return read_json(path)


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        InputError: it cannot be read, or is no JSON, with line and column.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > MOST_BYTES:
        raise InputError(f"{path} has {len(content):,} bytes, more than {MOST_BYTES:,}")
    try:
        return json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text") from error
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from error
    except RecursionError as error:
        raise InputError(f"{path} is nested too deeply") from error

"""Writes the configuration that is all defaults, every key with its comment: `config/full.yaml` is this text."""

import textwrap
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from monitor.settings import Section, Written, format_duration, format_size

_INDENT = "  "


def render(section: type[Section], examples: dict[str, str]) -> str:
    """YAML of all keys of `section` with their defaults; `examples` names the key to show in each open mapping."""
    return "\n".join(_section(section, examples, "")) + "\n"


def keys(section: type[Section], prefix: str = "") -> Iterator[str]:
    """Every key, dotted; `*` stands for the name in an open mapping."""
    for name, field in section.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        inner, is_mapping = _inner(field.annotation)
        yield key
        if inner is not None:
            yield from keys(inner, f"{key}.*." if is_mapping else f"{key}.")


def _section(section: type[Section], examples: dict[str, str], at: str) -> Iterator[str]:
    depth = _INDENT * at.count(".")
    for name, field in section.model_fields.items():
        key = field.alias or name
        yield from (f"{depth}# {line}" for line in _wrapped(field.description or "", len(depth)))
        inner, is_mapping = _inner(field.annotation)
        if inner is None:
            yield f"{depth}{key}: {_value(field)}"
            continue
        yield f"{depth}{key}:"
        path = f"{at}{key}."
        if is_mapping:
            yield f"{depth}{_INDENT}{examples[path.rstrip('.')]}:"
            path += "*."
        yield from _section(inner, examples, path)


def _wrapped(text: str, indent: int) -> list[str]:
    return textwrap.wrap(" ".join(text.split()), 108 - indent)


def _inner(annotation: Any) -> tuple[type[Section] | None, bool]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation, False
    arguments = get_args(annotation)
    is_mapping = get_origin(annotation) is not None and len(arguments) == 2 and arguments[0] is str
    for argument in arguments:
        found, _ = _inner(argument)
        if found is not None:
            return found, is_mapping
    return None, False


def _value(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    for mark in field.metadata:
        if mark is Written.DURATION and value is not None:
            return format_duration(value)
        if mark is Written.SIZE:
            return format_size(value)
    return _scalar(value)


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, int | float):
        return f"{value:g}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(_scalar(item) for item in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(k)}: {_scalar(v)}" for k, v in value.items()) + "}"
    return f'"{value}"' if isinstance(value, str | Path) else str(value)

"""Writes the configuration that is all defaults, every key with its comment: `config/full.yaml` is this text."""

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from itertools import pairwise
from typing import Any, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from monitor.config.sections import Section, Written, format_size, format_time_of_day
from monitor.config.units import format_duration

_INDENT = "  "
_REQUIRED = "...  # required"


class _Shape(Enum):
    """How sections stand inside a key: one, by name, or in a list."""

    ONE = "one"
    NAMED = "named"
    LISTED = "listed"


def render(section: type[Section], examples: Mapping[str, str]) -> str:
    """YAML of all keys of `section` with their defaults; `examples` names the key to show in each open mapping.

    Sections that are not there by default, and what may stand in open mappings and lists, are commented out.
    """
    return "\n".join(_section(section, section(), examples, "", 0)) + "\n"


def keys(section: type[Section], prefix: str = "") -> Iterator[str]:
    """Every key, dotted; `*` stands for the name in an open mapping and the place in a list."""
    for name, field in section.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        inner, shape = _inner(field.annotation)
        yield key
        for section in inner:
            yield from keys(section, f"{key}." if shape is _Shape.ONE else f"{key}.*.")


def docstrings(section: type[Section]) -> dict[str, str]:
    """The text below each field, by the name of the field; those of the sections that it extends are among them.

    Read from the source only here: pydantic would read it whenever a section is imported, at each start of a command.
    """
    texts = {}
    for base in reversed(section.__mro__):
        if not issubclass(base, BaseModel) or base is BaseModel:
            continue
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        for field, text in pairwise(tree.body if isinstance(tree, ast.ClassDef) else ()):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(
                    value=ast.Constant(value=str(written))
                ):
                    texts[name] = written
    return texts


def _section(
    section: type[Section], default: Section | None, examples: Mapping[str, str], at: str, depth: int
) -> Iterator[str]:
    indent, texts = _INDENT * depth, docstrings(section)
    for name, field in section.model_fields.items():
        key, path = field.alias or name, f"{at}{field.alias or name}"
        yield from (f"{indent}# {line}" for line in _wrapped(texts.get(name, ""), len(indent)))
        value = getattr(default, name) if default is not None else _default(field)
        inner, shape = _inner(field.annotation)
        if not inner:
            yield f"{indent}{key}: {_written(field, value)}"
        elif shape is _Shape.ONE and value is not None:
            yield f"{indent}{key}:"
            yield from _section(inner[0], value, examples, f"{path}.", depth + 1)
        else:
            if value:
                yield f"{indent}{key}: {_scalar(value)}"
            lines = _absent(inner, shape, examples, path, key, depth)
            yield from (line if line.startswith("# ") else f"# {line}" for line in lines)


def _absent(
    inner: Sequence[type[Section]],
    shape: _Shape,
    examples: Mapping[str, str],
    path: str,
    key: str,
    depth: int,
) -> Iterator[str]:
    """What may stand there and does not, in the form in which it would."""
    if shape is _Shape.ONE:
        for number, section in enumerate(inner):
            yield from [f"{_INDENT * depth}# or:"] if number else []
            yield f"{_INDENT * depth}{key}:"
            yield from _section(section, None, examples, f"{path}.", depth + 1)
        return
    yield f"{_INDENT * depth}{key}:"
    for section in inner:
        head = "-" if shape is _Shape.LISTED else f"{_example(section, inner, examples[path])}:"
        yield f"{_INDENT * (depth + 1)}{head}"
        yield from _section(section, None, examples, f"{path}.*.", depth + 2)


def _example(section: type[Section], among: Sequence[type[Section]], name: str) -> str:
    """The name to show for one of several sections that may stand there."""
    return name if len(among) == 1 else f"{name}_{section.model_fields['kind'].default}"


def _wrapped(text: str, indent: int) -> list[str]:
    return textwrap.wrap(" ".join(text.split()), 108 - indent)


def _inner(annotation: Any) -> tuple[tuple[type[Section], ...], _Shape]:
    """The sections that may stand there (several where it is one of a union), and how."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return (annotation,), _Shape.ONE
    arguments = get_args(annotation)
    inner = [_inner(argument) for argument in arguments]
    sections = tuple(section for some, _ in inner for section in some)
    if not sections:
        return (), _Shape.ONE
    if get_origin(annotation) is tuple:
        return sections, _Shape.LISTED
    is_named = len(arguments) == 2 and str in (arguments[0], *get_args(arguments[0])[:1])
    return sections, _Shape.NAMED if is_named else next(shape for some, shape in inner if some)


def _default(field: FieldInfo) -> Any:
    return _REQUIRED if field.is_required() else field.get_default(call_default_factory=True)


def _written(field: FieldInfo, value: Any) -> str:
    if value == _REQUIRED:
        return _REQUIRED
    for mark in field.metadata:
        if mark is Written.DURATION and value is not None:
            return format_duration(float(value))
        if mark is Written.SIZE:
            return format_size(int(value))
        if mark is Written.TIME_OF_DAY:
            return f'"{format_time_of_day(int(value))}"'
    return _scalar(value)


def _scalar(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, int | float):
        return format(value, "g")
    if isinstance(value, Section):
        fields = type(value).model_fields.items()
        value = {field.alias or name: getattr(value, name) for name, field in fields}
    if isinstance(value, tuple | list):
        return f"[{', '.join(_scalar(item) for item in value)}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {_scalar(v)}" for k, v in value.items()) + "}"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'

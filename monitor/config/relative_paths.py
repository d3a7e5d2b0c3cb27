"""Resolves the relative paths of a configuration: they are relative to the folder of its file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic.fields import FieldInfo
from sqlalchemy import make_url

from monitor.config.sections import Section, Written

S = TypeVar("S", bound=Section)
_PATHS = frozenset((Written.PATH, Written.DATABASE))


def relative_to(section: S, folder: Path) -> S:
    """The section with each relative path of it, and of the sections inside it, joined to `folder`.

    Raises:
        ValueError: `folder` cannot be part of the database's URL.
    """
    resolved = {}
    for name, field in type(section).model_fields.items():
        before = getattr(section, name)
        after = _resolved(before, _mark(field), folder)
        if after is not before:
            resolved[name] = after
    return section.model_copy(update=resolved) if resolved else section


def _resolved(value: Any, mark: Written | None, folder: Path) -> Any:
    if isinstance(value, Section):
        return relative_to(value, folder)
    if isinstance(value, Mapping):
        inner = {name: _resolved(one, mark, folder) for name, one in value.items()}
        return inner if any(inner[name] is not value[name] for name in inner) else value
    if isinstance(value, tuple):
        items = tuple(_resolved(one, mark, folder) for one in value)
        return items if any(a is not b for a, b in zip(items, value, strict=True)) else value
    if mark is Written.PATH and isinstance(value, Path):
        return folder / value
    if mark is Written.PATH and isinstance(value, str) and value and "://" not in value:
        return str(folder / value)
    if mark is Written.DATABASE:
        return _database(value, folder)
    return value


def _database(text: str, folder: Path) -> str:
    url = make_url(text)
    file = url.database or ""
    if url.get_backend_name() != "sqlite" or file in ("", ":memory:") or file.startswith("file:"):
        return text
    joined = folder / file
    if "?" in str(joined):
        msg = f"the path {joined} contains '?', which a database URL cannot contain: use another folder"
        raise ValueError(msg)
    return url.set(database=str(joined)).render_as_string(hide_password=False)


def _mark(field: FieldInfo) -> Written | None:
    marks = [*field.metadata, *_metadata(field.annotation)]
    return next((mark for mark in marks if isinstance(mark, Written) and mark in _PATHS), None)


def _metadata(annotation: Any) -> list[Any]:
    """The metadata of the annotated types inside a type such as `Annotated[Path, ...] | None`."""
    own = list(getattr(annotation, "__metadata__", ()))
    return own + [mark for argument in get_args(annotation) for mark in _metadata(argument)]

"""YAML 1.2 files with the position of every key, so that each mistake is told as file:line:column."""

import difflib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from monitor.errors import ConfigError, Problem

M = TypeVar("M", bound=BaseModel)
Key = tuple[str | int, ...]
_REFERENCE = re.compile(r"\$(?:\$|\{(file:)?([^}:]+)(?::-([^}]*))?\})")


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file read into plain values, and where each of its keys stands."""

    path: str
    data: Any
    positions: Mapping[Key, tuple[int, int]]

    def problem(self, key: Key, reason: str, severity: str = "error") -> Problem:
        """A mistake at `key`, or at its nearest ancestor that has a position."""
        at = key
        while at and at not in self.positions:
            at = at[:-1]
        line, column = self.positions.get(at, (1, 1))
        return Problem(self.path, line, column, dotted(key), reason, severity)


def dotted(key: Iterable[str | int]) -> str:
    """`("rules", 1, "for")` as `rules[1].for`."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read(path: Path, environment: Mapping[str, str] | None = None) -> Document:
    """Read a file and fill in `${NAME}`, `${NAME:-default}` and `${file:/path}` (`$$` is a dollar sign).

    Raises:
        ConfigError: the file is missing, is not YAML, repeats a key, or refers to what does not exist.
    """
    yaml = YAML(typ="rt")
    try:
        data = yaml.load(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
        raise ConfigError([Problem(str(path), 1, 1, "", reason)]) from error
    except MarkedYAMLError as error:
        raise ConfigError([_unreadable(path, error)]) from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(str(path), 1, 1, "", f"is not YAML: {error}")]) from error
    positions: dict[Key, tuple[int, int]] = {}
    _locate(data, (), positions)
    document = Document(str(path), {} if data is None else data, positions)
    problems: list[Problem] = []
    filled = _fill(document.data, (), document, os.environ if environment is None else environment, problems)
    if problems:
        raise ConfigError(problems)
    return Document(str(path), filled, positions)


def validate(model: type[M], document: Document, data: object, at: Key = ()) -> M:
    """Turn `data`, which stands at `at` in the document, into a model; every mistake is told with its place."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ConfigError([_explain(model, document, at, detail) for detail in error.errors()]) from error


def suggest(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'session_ttl'?)`, or nothing where no name comes close."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""


def _unreadable(path: Path, error: MarkedYAMLError) -> Problem:
    mark, began = error.problem_mark or error.context_mark, error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    reason = str(error.problem or error.context)
    if isinstance(error, DuplicateKeyError):
        reason = reason.partition(" with value")[0]  # what follows are both values, and may be secrets
    elif error.context and began and began.line + 1 < line:
        reason += f" ({error.context} that begins on line {began.line + 1})"
    return Problem(str(path), line, column, "", reason)


def _locate(node: Any, key: Key, positions: dict[Key, tuple[int, int]]) -> None:
    if isinstance(node, Mapping):
        for name, value in node.items():
            line, column = node.lc.key(name)  # type: ignore[attr-defined]
            positions[(*key, str(name))] = (line + 1, column + 1)
            _locate(value, (*key, str(name)), positions)
    elif isinstance(node, Sequence) and not isinstance(node, str):
        for index, value in enumerate(node):
            line, column = node.lc.item(index)  # type: ignore[attr-defined]
            positions[(*key, index)] = (line + 1, column + 1)
            _locate(value, (*key, index), positions)


def _fill(node: Any, key: Key, document: Document, env: Mapping[str, str], problems: list[Problem]) -> Any:
    if isinstance(node, Mapping):
        return {str(k): _fill(v, (*key, str(k)), document, env, problems) for k, v in node.items()}
    if isinstance(node, str):
        return _substitute(str(node), key, document, env, problems)
    if isinstance(node, Sequence):
        return [_fill(v, (*key, i), document, env, problems) for i, v in enumerate(node)]
    for plain in (bool, int, float):
        if isinstance(node, plain):
            return plain(node)
    return node


def _substitute(
    text: str, key: Key, document: Document, env: Mapping[str, str], problems: list[Problem]
) -> str:
    def replace(match: re.Match[str]) -> str:
        from_file, name, default = match.groups()
        if name is None:
            return "$"
        if from_file:
            try:
                return Path(name).read_text(encoding="utf-8").strip()
            except OSError as error:
                problems.append(document.problem(key, f"file {name} cannot be read: {error.strerror}"))
                return ""
        if name not in env and default is None:
            problems.append(document.problem(key, f"environment variable {name} is not set"))
        return env.get(name, default or "")

    return _REFERENCE.sub(replace, text)


def _explain(model: type[BaseModel], document: Document, at: Key, detail: Any) -> Problem:
    key = (*at, *detail["loc"])
    if detail["type"] == "extra_forbidden":
        known = _siblings(model, detail["loc"][:-1])
        return document.problem(key, f"unknown key{suggest(str(detail['loc'][-1]), known)}")
    if detail["type"] == "missing":
        return document.problem(key, "is required")
    return document.problem(key, detail["msg"].removeprefix("Value error, "))


def _siblings(model: Any, path: Key) -> list[str]:
    for part in path:
        if isinstance(part, str) and hasattr(model, "model_fields") and part in model.model_fields:
            model = _inner(model.model_fields[part].annotation)
    if not hasattr(model, "model_fields"):
        return []
    return [field.alias or name for name, field in model.model_fields.items()]


def _inner(annotation: Any) -> Any:
    for argument in getattr(annotation, "__args__", ()):
        found = _inner(argument)
        if hasattr(found, "model_fields"):
            return found
    return annotation

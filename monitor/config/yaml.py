"""YAML 1.2 files with the position of every key, so that each mistake is reported as file:line:column."""

import copy
import difflib
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml.scalarint import HexInt

from monitor.config.yaml_text import Key, load
from monitor.errors import ConfigError, Problem
from monitor.visible import visible

M = TypeVar("M", bound=BaseModel)
_ROUNDS = 10
"""How often values with mistakes are removed until the rest is valid."""
_MOST_BYTES = 1_000_000
"""Of a file that a value refers to."""
_REFERENCE = re.compile(r"\$(?:\$|\{(file:)?([^}:]+)(?::-([^}]*))?\})")


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file read into plain values, and where each of its keys stands."""

    path: str
    data: Any
    positions: Mapping[Key, tuple[int, int]]
    problems: tuple[Problem, ...] = ()

    def problem(self, key: Key, reason: str, severity: str = "error") -> Problem:
        """A mistake at `key`, or at its nearest ancestor that has a position."""
        at = key
        while at and at not in self.positions:
            at = at[:-1]
        line, column = self.positions.get(at, (1, 1))
        return Problem(self.path, line, column, dotted(key), reason, severity)


def dotted(key: Iterable[str | int]) -> str:
    """`("rules", 1, "for")` as `rules[1].for`, unprintable characters escaped."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return visible(text)


def read(path: Path, environment: Mapping[str, str] | None = None) -> Document:
    """Read a file and fill in `${NAME}`, `${NAME:-default}` and `${file:/path}` (`$$` is a dollar sign).

    Raises:
        ConfigError: the file is missing, is not YAML, repeats a key, or refers to what does not exist.
    """
    document = read_all(path, environment)
    if document.problems:
        raise ConfigError(list(document.problems))
    return document


def read_all(path: Path, environment: Mapping[str, str] | None = None) -> Document:
    """As `read`, but repeated keys and missing references are in `problems`, so that the rest can be checked.

    Raises:
        ConfigError: the file is missing or is not YAML.
    """
    data, positions, problems = load(path)
    document = Document(str(path), {} if data is None else data, positions)
    env = os.environ if environment is None else environment
    filled = _fill(document.data, (), document, env, problems)
    return Document(str(path), filled, positions, tuple(problems))


def validate(model: type[M], document: Document, data: object, at: Key = ()) -> M:
    """Turn `data`, which stands at `at` in the document, into a model; every mistake is reported with its place."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ConfigError([_explain(model, document, at, detail) for detail in error.errors()]) from error


def validate_all(model: type[M], document: Document) -> tuple[M, list[Problem]]:
    """The model without its mistakes, and every mistake: those of the file, and those of its values.

    A value with a mistake is replaced by its default, so that checks of the other values can run.

    Raises:
        ConfigError: nothing can be read without the values that have mistakes.
    """
    problems = list(document.problems)
    data = copy.deepcopy(document.data)
    for rounds in range(_ROUNDS):
        try:
            return model.model_validate(data), problems
        except ValidationError as error:
            details = error.errors()
        if not rounds:
            known = {problem.key for problem in problems}
            explained = [_explain(model, document, (), detail) for detail in details]
            problems += [one for one in explained if one.key not in known]
        _remove(data, {_nearest(data, detail["loc"]) for detail in details})
    raise ConfigError(problems)


def _nearest(data: Any, key: Key) -> Key:
    """`key`, or the longest part of it that exists."""
    for depth, part in enumerate(key):
        is_there = (
            part in data
            if isinstance(data, dict)
            else isinstance(data, list) and isinstance(part, int) and part < len(data)
        )
        if not is_there:
            return key[:depth]
        data = data[part]
    return key


def _remove(data: Any, keys: Iterable[Key]) -> None:
    """Remove the values at some keys: of a list the last ones first, and what is inside before what is around it."""

    def order(key: Key) -> list[tuple[bool, int, str]]:
        return [(isinstance(p, str), 0, p) if isinstance(p, str) else (False, p, "") for p in key]

    for key in sorted(filter(None, keys), key=order, reverse=True):
        holder = data
        for part in key[:-1]:
            holder = holder[part]
        holder.pop(key[-1])


def suggest(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'session_ttl'?)`, or nothing where no name comes close."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""


def _fill(node: Any, key: Key, document: Document, env: Mapping[str, str], problems: list[Problem]) -> Any:
    if isinstance(node, Mapping):
        return {str(k): _fill(v, (*key, str(k)), document, env, problems) for k, v in node.items()}
    if isinstance(node, str):
        return _substitute(str(node), key, document, env, problems)
    if isinstance(node, Sequence):
        return [_fill(v, (*key, i), document, env, problems) for i, v in enumerate(node)]
    if isinstance(node, HexInt):
        return f"0x{node:x}"  # nobody means the base 16: `0x18` are zeros of a rule test, or a name
    for plain in (bool, int, float):
        if isinstance(node, plain):
            if plain is float and not math.isfinite(node):
                problems.append(document.problem(key, f"{node} is not a finite number"))
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
            content, reason = _content(Path(document.path).parent / name)
            if reason:
                problems.append(document.problem(key, f"file {name} {reason}"))
            return content
        if name not in env and default is None:
            problems.append(document.problem(key, f"environment variable {name} is not set"))
        content = env.get(name, default or "")
        if not _is_unicode(content):
            problems.append(document.problem(key, f"environment variable {name} is not UTF-8 text"))
            return ""
        return content

    if "${" in _REFERENCE.sub("", text):
        reason = "has '${' without a name and '}': write ${NAME}, ${NAME:-default} or ${file:/path}, or $$ for a dollar"
        problems.append(document.problem(key, reason))
    if not _is_unicode(text):
        problems.append(document.problem(key, "is not Unicode text: it has half of a surrogate pair"))
        return ""
    return _REFERENCE.sub(replace, text)


def _is_unicode(text: str) -> bool:
    """Not so where the environment holds other bytes than UTF-8, or a file names half of a character."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _content(path: Path) -> tuple[str, str]:
    """The text of a file that a value refers to, or why it cannot be used."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            return "", "is larger than 1 MB: it should hold one value"
        return content.decode("utf-8-sig").strip(), ""
    except OSError as error:
        return "", f"cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        return "", "is not UTF-8 text"
    except ValueError as error:  # a null byte in the name
        return "", f"cannot be read: {error}"


def _explain(model: type[BaseModel], document: Document, at: Key, detail: Any) -> Problem:
    key = (*at, *_without_kinds(detail["loc"], document.data, at))
    if detail["type"] == "extra_forbidden":
        known = _siblings(model, detail["loc"][:-1])
        return document.problem(key, f"unknown key{suggest(str(detail['loc'][-1]), known)}")
    if detail["type"] == "union_tag_invalid":
        known = [tag.strip(" '") for tag in detail["ctx"]["expected_tags"].split(",")]
        name = str(detail["ctx"]["tag"])
        return document.problem((*key, "kind"), f"unknown kind {name!r}{suggest(name, known)}")
    if detail["type"] == "union_tag_not_found":
        return document.problem((*key, "kind"), "is required")
    if detail["type"] == "missing":
        return document.problem(key, "is required")
    if detail["type"] == "less_than_equal" and detail["ctx"]["le"] == 1 and 1 < float(detail["input"]) <= 100:
        return document.problem(key, not_a_share(float(detail["input"])))
    return document.problem(key, detail["msg"].removeprefix("Value error, "))


def not_a_share(value: float) -> str:
    """What to write instead of 90 where a share between 0 and 1 belongs."""
    hint = f", such as {value / 100:g} for {value:g} %" if 1 < value <= 100 else ""
    return f"{value:g} is not a share: use a number from 0 to 1{hint}"


def _without_kinds(path: Key, data: Any, at: Key) -> Key:
    """The path without what pydantic puts into it: the kind of a section that is one of several, the mark of a key."""
    for part in at:
        data = data[part]
    kept: list[str | int] = []
    for part in path:
        if isinstance(data, Mapping) and part not in data and data.get("kind") == part:
            continue
        if part == "[key]" and not (isinstance(data, Mapping) and part in data):
            continue
        kept.append(part)
        inner = data.get(part) if isinstance(data, Mapping) else None
        data = data[part] if isinstance(data, list) and isinstance(part, int) else inner
    return tuple(kept)


def _siblings(model: Any, path: Key) -> list[str]:
    for part in path:
        if isinstance(part, str) and hasattr(model, "model_fields") and part in model.model_fields:
            model = _inner(model.model_fields[part].annotation)
    if not hasattr(model, "model_fields"):
        return []
    return [field.alias or name for name, field in model.model_fields.items()]


def _inner(annotation: Any) -> Any:
    for argument in getattr(annotation, "__args__", ()):
        model = _inner(argument)
        if hasattr(model, "model_fields"):
            return model
    return annotation

"""Reads a YAML file into plain nodes with positions. Files that are too large or refer to themselves are rejected."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from monitor.errors import ConfigError, Problem

Key = tuple[str | int, ...]
Positions = dict[Key, tuple[int, int]]
MOST_BYTES = 10_000_000
MOST_VALUES = 200_000
"""An alias counts once for each use: nine lines can name a billion values."""
DEEPEST = 50


def load(path: Path) -> tuple[Any, Positions, list[Problem]]:
    """The nodes of a file, the line and column of each key, and the keys that are repeated (the first one counts).

    Raises:
        ConfigError: the file cannot be read, is not UTF-8, is not YAML, or is too large.
    """
    text = _text(path)
    try:
        data = YAML(typ="rt").load(text)
        problems: list[Problem] = []
    except DuplicateKeyError:
        data, problems = _with_duplicates(text, path)
    except YAMLError as error:
        raise ConfigError([_unreadable(path, error)]) from error
    except (RecursionError, ValueError, AttributeError, TypeError, KeyError, IndexError) as error:
        # ruamel.yaml raises these for tags and numbers that it cannot convert
        raise ConfigError([Problem(str(path), 1, 1, "", f"is not YAML: {error}")]) from error
    if reason := _too_much(data):
        raise ConfigError([Problem(str(path), 1, 1, "", f"{reason}: check its anchors and aliases")])
    positions: Positions = {}
    _locate(data, (), positions)
    return data, positions, problems


def _text(path: Path) -> str:
    """The content of a file, without a byte order mark.

    Raises:
        ConfigError: it cannot be read, is too large, or is not UTF-8.
    """

    def problem(reason: str, line: int = 1, column: int = 1) -> ConfigError:
        return ConfigError([Problem(str(path), line, column, "", reason)])

    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise problem(f"cannot be read: {error.strerror}") from error
    except ValueError as error:  # a null byte in the name
        raise problem(f"cannot be read: {error}") from error
    if len(content) > MOST_BYTES:
        raise problem(f"is larger than {MOST_BYTES // 1_000_000} MB: this is not a configuration")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise problem("is UTF-16: save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        line, column = before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1
        byte = error.object[error.start]
        raise problem(f"is not UTF-8 text (byte 0x{byte:02x})", line, column) from error


def _with_duplicates(text: str, path: Path) -> tuple[Any, list[Problem]]:
    yaml = YAML(typ="rt")
    yaml.allow_duplicate_keys = True
    problems = [
        Problem(
            str(path),
            mark.line + 1,
            mark.column + 1,
            "",
            f'found duplicate key "{name}"',
        )
        for name, mark in _repeated(YAML(typ="rt").compose(text))
    ]
    return yaml.load(text), problems


def _repeated(root: Node) -> Iterator[tuple[str, Any]]:
    """The keys that stand a second time in their mapping."""
    waiting, seen = [root], set[int]()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, SequenceNode):
            waiting += node.value
        if isinstance(node, MappingNode):
            names = set[str]()
            for key, value in node.value:
                waiting.append(value)
                if isinstance(key, ScalarNode) and key.value != "<<":
                    if key.value in names:
                        yield key.value, key.start_mark
                    names.add(key.value)


def _too_much(data: Any) -> str:
    """Why the values cannot be written out: too many, too deep, or inside themselves. Empty if they can."""
    count, waiting = 0, [(data, 1)]
    while waiting:
        node, depth = waiting.pop()
        count += 1
        if depth > DEEPEST or count > MOST_VALUES:
            return "is nested too deeply" if depth > DEEPEST else f"has more than {MOST_VALUES:,} values"
        if isinstance(node, Mapping):
            waiting += [(value, depth + 1) for value in node.values()]
        elif isinstance(node, Sequence) and not isinstance(node, str | bytes):
            waiting += [(value, depth + 1) for value in node]
    return ""


def _unreadable(path: Path, error: YAMLError) -> Problem:
    if not isinstance(error, MarkedYAMLError):
        return Problem(str(path), 1, 1, "", f"is not YAML: {' '.join(str(error).split())}")
    mark, began = error.problem_mark or error.context_mark, error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    reason = str(error.problem or error.context)
    if error.context and began and began.line + 1 < line:
        reason += f" ({error.context} that begins on line {began.line + 1})"
    return Problem(str(path), line, column, "", reason)


def _locate(node: Any, key: Key, positions: Positions) -> None:
    if isinstance(node, Mapping):
        for name, value in node.items():
            here = (*key, str(name))
            try:
                line, column = node.lc.key(name)  # type: ignore[attr-defined]
                positions[here] = (line + 1, column + 1)
            except (KeyError, AttributeError, TypeError):  # from a merged mapping: its own place is elsewhere
                pass
            _locate(value, here, positions)
    elif isinstance(node, Sequence) and not isinstance(node, str | bytes):
        for index, value in enumerate(node):
            try:
                line, column = node.lc.item(index)  # type: ignore[attr-defined]
                positions[(*key, index)] = (line + 1, column + 1)
            except (KeyError, AttributeError, TypeError):
                pass
            _locate(value, (*key, index), positions)

"""Finds a section of the configuration by its name."""

from collections.abc import Mapping
from typing import TypeVar

from monitor.config.yaml import suggest
from monitor.errors import NotFoundError

T = TypeVar("T")


def named(kind: str, name: str, sections: Mapping[str, T]) -> T:
    """The section of this name; `kind` is what the sections are called.

    Raises:
        NotFoundError: there is none; with the most similar name, and all names.
    """
    if name not in sections:
        known = ", ".join(sections) or "none"
        raise NotFoundError(f"no {kind} {name!r}{suggest(name, sections)}", hint=f"configured: {known}")
    return sections[name]

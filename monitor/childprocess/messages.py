"""The messages between a resident child process and its parent: each a pickle after its length."""

import pickle
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from monitor.childprocess.work import LENGTH

__all__ = ["LENGTH", "MOST_BYTES", "Ask", "ChildMessage", "Maker", "MessageKind", "Setup", "packed"]

MOST_BYTES = 2**28
"""The largest message in bytes."""

Ask = Callable[[Any], Any]
"""Called in the child: the answer of the parent to a question."""
Maker = Callable[[Any, Ask], Callable[[Any, bytes], Iterable[Any]]]


@dataclass(frozen=True, slots=True)
class Setup:
    """What a child is started with: see `Resident`. `idle` seconds after its last request it ends. It has at
    least this niceness.
    """

    make: Maker
    setup: object
    memory: int
    idle: float
    parent: int
    niceness: int


class MessageKind(Enum):
    """The kinds of messages of a child about its request."""

    QUESTION = 1
    RESULT = 2
    END = 3
    FAILED = 4


@dataclass(frozen=True, slots=True)
class ChildMessage:
    """A message of a child."""

    kind: MessageKind
    value: Any = None


def packed(value: object) -> bytes:
    """A message as it is sent."""
    content = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return LENGTH.pack(len(content)) + content

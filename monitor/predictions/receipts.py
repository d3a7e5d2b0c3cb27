"""What a sender is told about a request, and how one that was sent before is recognised."""

from collections.abc import Callable, Sequence

import msgspec
from sqlalchemy import Connection

from monitor.errors import InputError, WatchkeeperError
from monitor.predictions.intake import Submission
from monitor.records import Rejected
from monitor.store import requests
from monitor.store.requests import Request


class Receipt(msgspec.Struct, frozen=True):
    """What became of a request. `replayed`: it had been stored before, and was not stored again."""

    accepted: int
    rejected: Sequence[Rejected] = ()
    ignored: Sequence[str] = ()
    replayed: bool = False


Answer = Callable[[Receipt | WatchkeeperError], None]
"""Who waits for what became of a request."""


def told_apart(
    connection: Connection, group: Sequence[Submission], now: float
) -> list[Receipt | WatchkeeperError]:
    """The answer to each request; one that was stored before, or twice in this group, is marked as replayed."""
    first: dict[bytes, Request] = {}
    for one in group:
        if one.request is not None:
            first.setdefault(one.request.key, one.request)
    before = requests.put(connection, list(first.values()), now)
    answers: list[Receipt | WatchkeeperError] = []
    for one in group:
        replayed = False
        if one.request is not None:
            content = before.get(one.request.key, first[one.request.key].content)
            replayed = one.request.key in before or first[one.request.key] is not one.request
            if content != one.request.content:
                answers.append(
                    InputError("this Idempotency-Key was used for other content", hint="use a new key")
                )
                continue
        refused = [refusal.rejected for refusal in one.refused] if one.refused else ()
        ignored = sorted(one.ignored) if one.ignored else ()
        answers.append(Receipt(one.accepted, refused, ignored, replayed))
    return answers


def is_settled(answer: Receipt | WatchkeeperError) -> bool:
    """Whether nothing is left to be stored: it was before, or must not be."""
    return isinstance(answer, WatchkeeperError) or answer.replayed

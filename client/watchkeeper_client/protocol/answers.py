"""What an answer of the daemon means for the batch that it answers."""

from __future__ import annotations

import json
from enum import Enum
from typing import NamedTuple

from watchkeeper_client.protocol.failures import Answer
from watchkeeper_client.protocol.retry import asked_wait


class Verdict(Enum):
    """What to do with the batch."""

    TAKEN = "taken"
    SPLIT = "split"
    """It is too large, or something in it cannot be read: try its halves."""
    BUSY = "busy"
    """Send it again later."""
    WRONG = "wrong"
    """Send it again later; somebody has to put something right first."""


class Reading(NamedTuple):
    """A verdict, with how many records were refused and the words that came with it."""

    verdict: Verdict
    refused: int = 0
    message: str = ""
    wait: float = 0.0
    ignored: tuple[str, ...] = ()


def read_answer(answer: Answer, count: int) -> Reading:
    """Read the answer to a batch of `count` records."""
    content = _content(answer.body)
    told = f"{content.get('error', '')}; {content.get('hint', '')}".strip("; ")[:500]
    message = f"{answer.status}: {told or 'no reason was given'}"
    if answer.status in (202, 422) and isinstance(content.get("accepted"), int):
        return _taken(content, count)
    if answer.status in (400, 408, 413):
        return Reading(Verdict.SPLIT, message=message)
    if answer.status == 429 or answer.status >= 500:
        return Reading(Verdict.BUSY, message=message, wait=asked_wait(answer.retry_after, answer.date))
    if 300 <= answer.status < 400:
        message = f"{answer.status}: redirects are not followed; name the daemon's own address"
    elif 200 <= answer.status < 300:
        message = f"{answer.status}: this is not Watchkeeper's answer; is the address right?"
    return Reading(Verdict.WRONG, message=message)


def _taken(content: dict[str, object], count: int) -> Reading:
    rejected = content.get("rejected")
    rejected = rejected if isinstance(rejected, list) else []
    counted = content.get("rejected_count")
    refused = counted if isinstance(counted, int) else len(rejected)
    first = rejected[0] if rejected and isinstance(rejected[0], dict) else {}
    message = f"{first.get('error', '')}; {first.get('hint', '')}".strip("; ")[:500]
    ignored = content.get("ignored")
    names = tuple(str(name) for name in ignored[:20]) if isinstance(ignored, list) else ()
    return Reading(Verdict.TAKEN, min(max(refused, 0), count), message, ignored=names)


def _content(body: bytes) -> dict[str, object]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}

"""What an answer of the daemon means for the request that it answers."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec

from monitor.relay.otlp_responses import read_failure, read_success
from monitor.visible import one_line

_OF_THE_REQUEST = frozenset((400, 422))
"""Statuses that say something about the request itself, if they are the daemon's. Others below 500, such as those of a
wrong key, pass when somebody puts something right."""
_TOO_LARGE = frozenset((413, 414, 431))
"""Those that proxies answer, too."""
_LONGEST = 300


class Disposition(Enum):
    """What to do with the request."""

    TAKEN = "taken"
    REFUSED = "refused"
    """Set it aside: it will never be taken as it is."""
    LATER = "later"
    DOUBTFUL = "doubtful"
    """Send it again, but not for ever: something on the way refuses it, such as a firewall that reads contents."""


@dataclass(frozen=True, slots=True)
class DaemonAnswer:
    """A verdict, with how many records the daemon rejected, the reason in words, and the seconds that it asks for.

    `window` are the seconds within which the daemon recognizes what is sent again; 0 if it does not say so.
    """

    verdict: Disposition
    reason: str = ""
    rejected: int = 0
    wait: float = 0.0
    window: float = 0.0


def read_answer(status: int, body: bytes, retry_after: str) -> DaemonAnswer:
    """Read an answer. Only Watchkeeper's own counts as taken: a portal that answers 200 to everything takes nothing."""
    content = _content(body)
    if status in (202, 422) and _is_count(content.get("accepted")):
        rejected = content.get("rejected")
        listed = rejected if isinstance(rejected, list) else []
        counted = content.get("rejected_count")
        number = counted if isinstance(counted, int) and _is_count(counted) else len(listed)
        return DaemonAnswer(Disposition.TAKEN, _first(listed), number)
    message = "; ".join(str(content[name]) for name in ("error", "hint") if content.get(name))
    return _not_taken(status, message, retry_after)


def read_otlp_answer(status: int, content_type: str, body: bytes, retry_after: str) -> DaemonAnswer:
    """Read an answer to OTLP, likewise."""
    if status == 200 and (success := read_success(content_type, body)) is not None:
        rejected, why = success
        return DaemonAnswer(Disposition.TAKEN, one_line(why)[:_LONGEST], rejected)
    return _not_taken(status, read_failure(content_type, body), retry_after)


def _not_taken(status: int, told: str, retry_after: str) -> DaemonAnswer:
    """An answer other than that the request is taken; `told` are the daemon's words, empty if it is somebody else's."""
    reason = one_line(f"{status}: {told or 'no reason was given'}")[:_LONGEST]
    if status in _TOO_LARGE or (status in _OF_THE_REQUEST and told):
        return DaemonAnswer(Disposition.REFUSED, reason)
    if 200 <= status < 300:
        reason = f"{status}: this is not Watchkeeper's answer; is relay.upstream.url right?"
    elif 300 <= status < 400:
        reason = f"{status}: redirects are not followed; set relay.upstream.url to the daemon's own address"
    wait = seconds_of(retry_after)
    is_foreign = status in (400, 403, 406, 422) and not told
    return DaemonAnswer(Disposition.DOUBTFUL if is_foreign else Disposition.LATER, reason, wait=wait)


def seconds_of(header: str) -> float:
    """A header with seconds; 0 for anything else."""
    text = header.strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0.0


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _first(rejected: list[Any]) -> str:
    first = rejected[0] if rejected and isinstance(rejected[0], dict) else {}
    words = "; ".join(str(first[name]) for name in ("error", "hint") if first.get(name))
    return one_line(words)[:_LONGEST]


def _content(body: bytes) -> dict[str, Any]:
    try:
        content = msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}

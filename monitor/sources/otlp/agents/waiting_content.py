"""What a row of waiting spans holds, and the keys of rows and of the runs that they become."""

import hashlib

import msgspec

from monitor.errors import DamageError
from monitor.sources.otlp.agents.agent_span import AgentSpan, Kind
from monitor.sources.otlp.agents.gathering import Trace
from monitor.store import checksums
from monitor.store.idempotency import RequestKey
from monitor.store.waiting_runs import WaitingSpans


class WaitingContent(msgspec.Struct, frozen=True):
    """The spans of a row, and what their sender may write. `is_cut`: others of the trace were not kept.

    `early` is that of a mark, which has no spans: when agents began, in ns, whose runs were stored before the spans
    around them came. An outer run that is stored later, by whichever daemon on the database, lacks what these did.
    """

    service: str
    client: str
    models: tuple[str, ...]
    complete_since: float
    is_cut: bool
    spans: list[AgentSpan]
    early: tuple[int, ...] = ()


def row_of(trace: Trace, content: WaitingContent, now: float, wait: float) -> WaitingSpans:
    """Spans of a trace as a row, which is due after `wait` if an agent is among them."""
    ids = "\0".join(sorted(span.id for span in content.spans)).encode()
    part = digest("part", content.service.encode(errors="replace"), ids)[:16]
    due = now + wait if any(span.kind is Kind.AGENT for span in content.spans) else None
    return WaitingSpans(digest_of(trace), part, trace[0].client, now, due, encoded(content))


def encoded(content: WaitingContent) -> bytes:
    """The bytes that are stored."""
    return checksums.seal(msgspec.json.encode(content))


def read_content(row: WaitingSpans) -> WaitingContent | None:
    """The content of a row; None if it is damaged."""
    try:
        return msgspec.json.decode(checksums.unseal(row.content), type=WaitingContent)
    except (DamageError, ValueError, RecursionError):
        return None


def digest_of(trace: Trace) -> str:
    """A digest that identifies the trace of a client, and does not tell its id."""
    return digest("run", trace[0].client.encode(errors="replace"), trace[1])[:40]


def request_of(trace: str, span: str) -> RequestKey:
    """The key by which a run is known."""
    key = bytes.fromhex(digest("request", trace.encode(), span.encode()))[:16]
    return RequestKey(key, key)


def digest(kind: str, *parts: bytes) -> str:
    """A digest of some bytes, another one for each kind of key."""
    return hashlib.sha256(b"\0".join((kind.encode(), *parts))).hexdigest()

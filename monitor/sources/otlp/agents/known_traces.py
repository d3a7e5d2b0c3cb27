"""What is known of traces whose spans wait: which other spans are needed, and how many are kept.

It is in memory, and made again of the rows after a restart, or after others took its place.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from monitor.sources.otlp.agents.agent_span import AgentSpan
from monitor.sources.otlp.agents.gathering import Trace
from monitor.sources.otlp.agents.waiting_content import digest_of, read_content
from monitor.store import waiting_runs
from monitor.store.db import Store

_MOST, _MOST_STORED = 10_000, 100_000


@dataclass
class WantedSpans:
    """`wanted`: the ids of spans around those that are kept; `count`: how many are."""

    wanted: set[bytes] = field(default_factory=set)
    count: int = 0

    def add(self, spans: Iterable[AgentSpan]) -> None:
        """These are kept as well."""
        spans = list(spans)
        self.count += len(spans)
        here = {span.id for span in spans}
        self.wanted -= {bytes.fromhex(one) for one in here}
        above = {span.parent for span in spans if span.parent and not span.is_entry} - here
        self.wanted |= {bytes.fromhex(one) for one in above}


class KnownTraces:
    """The traces of which spans wait."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[Trace, WantedSpans] = {}
        self._stored: set[str] | None = None

    def of(self, trace: Trace) -> WantedSpans:
        """What is known of a trace.

        Raises:
            StoreError: the store is unavailable.
        """
        known = self._known.get(trace)
        if known is not None:
            return known
        if self._stored is None:
            with self._store.read() as connection:
                self._stored = waiting_runs.traces(connection, _MOST_STORED)
        known = WantedSpans()
        if self._stored and (digest := digest_of(trace)) in self._stored:
            known = self._read(trace, digest)
            self._stored.discard(digest)
            self._keep(trace, known)
        return known

    def add(self, trace: Trace, spans: Iterable[AgentSpan]) -> None:
        """Spans of a trace wait from now on."""
        known = self._known.pop(trace, None) or WantedSpans()
        known.add(spans)
        self._keep(trace, known)

    def _keep(self, trace: Trace, known: WantedSpans) -> None:
        self._known[trace] = known
        if len(self._known) > _MOST:
            other = next(iter(self._known))
            self._known.pop(other)
            if self._stored is not None and len(self._stored) < _MOST_STORED:
                self._stored.add(digest_of(other))

    def _read(self, trace: Trace, digest: str) -> WantedSpans:
        known = WantedSpans()
        with self._store.read() as connection:
            rows = waiting_runs.of_traces(connection, [digest])
        contents = [content for row in rows if (content := read_content(row)) is not None]
        known.add(span for one in contents if one.service == trace[0].service for span in one.spans)
        return known

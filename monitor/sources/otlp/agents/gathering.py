"""The spans of a request that runs of agents are made of.

Spans of tools and agents are always kept. Calls of language models are kept while their program may be running agents:
at first, and for as long as one run may take after the last span of an agent or a tool. So a program that only calls
models costs next to nothing.
"""

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field
from typing import NamedTuple

from monitor.sources.otlp import genai
from monitor.sources.otlp.agents.agent_span import AgentSpan, Kind, agent_span, kind_of
from monitor.sources.otlp.span import RefusedItem, Span

QUIET_AFTER = 600.0
"""Seconds after which calls of a program that has sent no agent and no tool yet are not kept."""
MOST_IN_VAIN = 5_000
"""Calls of such a program after which none are kept either."""
_MOST_PROGRAMS = 10_000
_MOST_LEVELS = 200


class Program(NamedTuple):
    """What sends spans: its client and its service."""

    client: str
    service: str


@dataclass
class _State:
    last: float
    complete_since: float = 0.0
    in_vain: int = 0
    has_run: bool = False


@dataclass
class Programs:
    """What is known of programs, in memory only. Times are in seconds since the epoch.

    `longest` and `most`: how long a run may take, in seconds, and how many spans it may have.
    """

    longest: float
    most: int
    _states: dict[Program, _State] = field(default_factory=dict)

    def keeps_call(self, program: Program, now: float) -> bool:
        """Whether a call of a program is kept, since it may belong to an agent."""
        state = self._state(program, now)
        if self._is_quiet(state, now):
            return False
        state.in_vain += 1
        return True

    def ran(self, program: Program, now: float) -> None:
        """An agent or a tool of it came. If its calls were not kept before, what began before now is incomplete."""
        state = self._state(program, now)
        if self._is_quiet(state, now):
            state.complete_since = now
        state.last, state.in_vain, state.has_run = now, 0, True

    def lost(self, program: Program, now: float) -> None:
        """Spans of it were not kept."""
        self._state(program, now).complete_since = now

    def complete_since(self, program: Program, now: float) -> float:
        """Since when all spans of it are kept."""
        return self._state(program, now).complete_since

    def _is_quiet(self, state: _State, now: float) -> bool:
        """Whether calls of a program are not kept."""
        longest, most = (self.longest, self.most) if state.has_run else (QUIET_AFTER, MOST_IN_VAIN)
        return now - state.last > longest or state.in_vain >= most

    def _state(self, program: Program, now: float) -> _State:
        state = self._states.get(program)
        if state is None:
            if len(self._states) >= _MOST_PROGRAMS:
                self._states.pop(next(iter(self._states)))
            state = self._states[program] = _State(now)
        return state


Trace = tuple[Program, bytes]


class _Link(NamedTuple):
    parent: bytes
    is_entry: bool


class Gathered:
    """What is kept of the spans of one request, by program and trace. `client` is used where a span names none."""

    def __init__(self, programs: Programs, now: float, client: str, otherwise: str) -> None:
        self._programs, self._now, self._client, self._otherwise = programs, now, client, otherwise
        self._links: dict[Trace, dict[bytes, _Link]] = {}
        self.spans: dict[Trace, dict[bytes, AgentSpan]] = {}

    def through(self, spans: Iterable[Span | RefusedItem]) -> Iterator[Span | RefusedItem]:
        """The same spans, of which what is needed is kept."""
        for span in spans:
            if isinstance(span, Span):
                self._note(span)
            yield span

    def _note(self, span: Span) -> None:
        client = self._client or genai.named(span, "watchkeeper.client") or self._otherwise
        program = Program(client, str(span.resource.get("service.name", "")))
        kind, trace = kind_of(span, genai.operation_of(span)), (program, span.trace)
        if kind in (Kind.AGENT, Kind.TOOL):
            self._programs.ran(program, self._now)
        is_kept = kind is not Kind.FRAME
        if kind is Kind.CALL:
            is_kept = bool(span.parent) and self._programs.keeps_call(program, self._now)
        if is_kept:
            self.spans.setdefault(trace, {})[span.id] = agent_span(span, kind, client)
        else:
            self._links.setdefault(trace, {})[span.id] = _Link(span.parent, span.is_entry)

    def frames(self, trace: Trace, wanted: Set[bytes]) -> list[AgentSpan]:
        """The other spans around those that are kept, and around `wanted`, the ids of spans in other requests."""
        kept, links = self.spans.get(trace, {}), self._links.get(trace, {})
        by_id: dict[bytes, AgentSpan] = {}
        for start in (*wanted, *(bytes.fromhex(span.parent) for span in kept.values())):
            at = start
            for _ in range(_MOST_LEVELS):
                link = links.get(at)
                if link is None or at in by_id:
                    break
                by_id[at] = AgentSpan(at.hex(), link.parent.hex(), Kind.FRAME, link.is_entry)
                at = link.parent
        return list(by_id.values())

    @property
    def traces(self) -> set[Trace]:
        """All traces of the request."""
        return self.spans.keys() | self._links.keys()

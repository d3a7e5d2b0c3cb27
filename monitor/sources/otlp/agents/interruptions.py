"""Which runs may lack some of their spans: those that no daemon took in, and those that could not wait."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from monitor.sources.otlp.agents.agent_span import AgentSpan

SENT_WITHIN = 30.0
"""Seconds after its end within which a span is sent, as exporters do in batches."""
_MOST_EARLY = 10_000


def was_interrupted(periods: Sequence[tuple[float, float]], start: float, end: float) -> bool:
    """Whether no daemon listened at some time between `start` and `end`, or shortly after. Times are in seconds.

    `periods` are those in which daemons listened, the first beginning first. Before the first one nothing is known, but
    that a run which began before it went on in it.
    """
    if not periods:
        return False
    if start < periods[0][0] < end:
        return True
    reached = periods[0][1]
    for since, until in periods[1:]:
        if reached < since and start < since and end + SENT_WITHIN > reached:
            return True
        reached = max(reached, until)
    return False


@dataclass
class InPart:
    """Which runs may lack what did not wait until their end. In memory only: a restart interrupts these runs as well.

    `early`: the service and the start, in ns, of agents of a trace whose runs were stored before the outer spans came.
    `deleted`: of a client, when the youngest of spans that had to make room was received.
    """

    early: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    deleted: dict[str, float] = field(default_factory=dict)
    forgotten: int = 0

    def stored_early(self, trace: str, service: str, agent: AgentSpan) -> None:
        """A run was stored, although it may belong to one that goes on."""
        self.early.setdefault(trace, []).append((service, agent.start))
        if len(self.early) > _MOST_EARLY:
            oldest = self.early.pop(next(iter(self.early)))
            self.forgotten = max(self.forgotten, *(start for _, start in oldest))

    def made_room(self, client: str, youngest: float) -> None:
        """Spans that were received until then were deleted."""
        self.deleted[client] = max(self.deleted.get(client, 0.0), youngest)

    def is_in_part(self, trace: str, client: str, service: str, agent: AgentSpan) -> bool:
        """Whether a run may lack something."""
        inside = (start for of, start in self.early.get(trace, ()) if of == service)
        return (
            agent.start / 1e9 < self.deleted.get(client, 0.0)
            or agent.start <= self.forgotten
            or any(agent.start <= start <= agent.end for start in inside)
        )

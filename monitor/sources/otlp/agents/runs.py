"""Runs of agents among the spans of a trace.

A run is the outermost agent of a program: agents that it hands work to belong to it. What an agent of another program
does is a run of its own.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor.health.declared.agent_features import CALLS_OF, ERRORS_OF
from monitor.sources.otlp.agents.agent_span import AgentSpan, Kind

MOST_TOOLS = 30
"""Tools of a run that are counted by name."""
_MOST_LEVELS = 200
"""Of spans that lie in each other."""


@dataclass(frozen=True, slots=True)
class Run:
    """An agent's span with those that belong to it. `is_outermost`: no agent around it can be missing."""

    agent: AgentSpan
    inner: Sequence[AgentSpan]
    is_outermost: bool


@dataclass(frozen=True, slots=True)
class Traced:
    """Spans of a trace by their ids, and the program that each is of."""

    spans: Mapping[str, AgentSpan]
    programs: Mapping[str, str]

    def runs(self) -> list[Run]:
        """The runs of this trace, with what belongs to each."""
        above = {key: self._outermost(span) for key, span in self.spans.items()}
        tops = {top: is_known for key, (top, is_known) in above.items() if top == key}
        inner: dict[str, list[AgentSpan]] = {top: [] for top in tops}
        for key, (top, is_known) in above.items():
            span = self.spans[key]
            if top is None and not is_known and span.kind in (Kind.TOOL, Kind.CALL):
                top = self._around(span, tops)
            if top is not None and key != top:
                inner[top].append(span)
        return [Run(self.spans[top], inner[top], is_known) for top, is_known in tops.items()]

    def _outermost(self, span: AgentSpan) -> tuple[str | None, bool]:
        """The outermost agent of a span's program around it, and whether all spans up to the first are known."""
        top = span.id if span.kind is Kind.AGENT else None
        seen, at = {span.id}, span
        while at.parent and not at.is_entry and len(seen) < _MOST_LEVELS:
            parent = self.spans.get(at.parent)
            if parent is None:
                return top, False
            if parent.id in seen:
                break
            seen.add(parent.id)
            at = parent
            if at.kind is Kind.AGENT:
                top = at.id
        return top, True

    def _around(self, span: AgentSpan, tops: Iterable[str]) -> str | None:
        """The one run of the same program during which a span began; None if there is none, or several."""
        program = self.programs[span.id]
        during = [
            top
            for top in tops
            if self.programs[top] == program and self.spans[top].start <= span.start <= self.spans[top].end
        ]
        return during[0] if len(during) == 1 else None


def record_of(run: Run, *, is_whole: bool) -> dict[str, Any]:
    """The prediction of a run, in the notation of `POST /v1/predictions`. `is_whole`: all its spans were kept, so that
    its counts are known.
    """
    agent = run.agent
    assert agent.base is not None
    record: dict[str, Any] = {
        "id": agent.id,
        "timestamp": agent.start // 1000,
        "client": agent.base.client,
        "model": agent.base.model,
        "features": {},
    }
    if 0 < agent.start <= agent.end:
        record["latency_ms"] = (agent.end - agent.start) / 1e6
    if agent.error is None:
        record["prediction"] = True
    else:
        record["error"] = agent.error
    if agent.base.environment is not None:
        record["environment"] = agent.base.environment
    if agent.base.version is not None:
        record["version"] = agent.base.version
    if is_whole:
        inner = _Inner({one.id: one for one in run.inner})
        calls = inner.calls()
        record["features"] = _features(calls, inner.tools())
        for place, name in enumerate(("input_tokens", "output_tokens", "cost")):
            if (total := _sum(calls, place, agent.usage[place])) is not None:
                (record if name == "cost" else record["features"])[name] = total
    return record


def _features(calls: Sequence[AgentSpan], tools: Sequence[AgentSpan]) -> dict[str, float]:
    """What is counted of a run. What its spans do not tell is left out."""
    features = {"tool_calls": len(tools), "tool_errors": sum(tool.error is not None for tool in tools)}
    if calls:
        features["steps"] = len(calls)
    if all(tool.same for tool in tools):
        features["loops"] = len(tools) - len({tool.same for tool in tools})
    return {name: float(count) for name, count in features.items()} | _by_tool(tools)


def _by_tool(tools: Iterable[AgentSpan]) -> dict[str, float]:
    calls, errors = Counter[str](), Counter[str]()
    for tool in tools:
        if tool.name:
            calls[tool.name] += 1
            errors[tool.name] += tool.error is not None
    figures: dict[str, float] = {}
    for name, count in sorted(calls.most_common(MOST_TOOLS)):
        figures[f"{CALLS_OF}{name}"], figures[f"{ERRORS_OF}{name}"] = float(count), float(errors[name])
    return figures


@dataclass(frozen=True, slots=True)
class _Inner:
    """The spans of a run below its agent, by their ids."""

    spans: Mapping[str, AgentSpan]

    def calls(self) -> list[AgentSpan]:
        """The calls of language models, each once although several spans may describe it."""
        calls = {key: one for key, one in self.spans.items() if one.kind is Kind.CALL}
        outer = {
            above.id for call in calls.values() for above in self._frame(call) if above.kind is Kind.CALL
        }
        single = [one for key, one in calls.items() if key not in outer]
        answered = {one.same: one for one in reversed(single) if one.same}
        return [*answered.values(), *(one for one in single if not one.same)]

    def tools(self) -> list[AgentSpan]:
        """The calls of tools. One in another of the same tool is the same call, as its client and its server see it."""
        tools = [span for span in self.spans.values() if span.kind is Kind.TOOL]
        return [tool for tool in tools if not self._is_within_itself(tool)]

    def _is_within_itself(self, tool: AgentSpan) -> bool:
        frame = self._frame(tool)
        around = self.spans.get(frame[-1].parent if frame else tool.parent)
        return around is not None and around.kind is Kind.TOOL and around.name == tool.name

    def _frame(self, span: AgentSpan) -> list[AgentSpan]:
        """The spans around a span, from the inside, up to the next agent or tool."""
        frame: list[AgentSpan] = []
        at = self.spans.get(span.parent)
        while at is not None and at.kind in (Kind.CALL, Kind.FRAME) and len(frame) < _MOST_LEVELS:
            frame.append(at)
            at = self.spans.get(at.parent)
        return frame


def _sum(calls: Iterable[AgentSpan], place: int, otherwise: float | None) -> float | None:
    """The tokens or the cost of all calls; or what the agent's own span tells, if they do not."""
    known = [value for call in calls if (value := call.usage[place]) is not None]
    return float(sum(known)) if known else otherwise


def ids_of(runs: Collection[Run]) -> set[str]:
    """The ids of all spans that belong to these runs."""
    return {span.id for run in runs for span in (run.agent, *run.inner)}

"""What is counted of the runs of an agent: steps, calls of tools and their errors, loops, and goals reached.

All are counted as own metrics, whose names begin with a prefix that none of one's own can have.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from monitor.expressions.expression import compile_expression
from monitor.records import Better
from monitor.windows.declared.own_metric import OwnMetric

PREFIX = "agent."


@dataclass(frozen=True, slots=True)
class Agent:
    """See `monitor.health.declared.agent_settings`, which describes each setting."""

    steps: str = ""
    tool_calls: str = ""
    tool_errors: str = ""
    loops: str = ""
    goal: str = ""


def definitions(agent: Agent) -> list[OwnMetric]:
    """The figures to count."""
    return [
        OwnMetric(f"{PREFIX}{name}", compile_expression(text), "", Better.NONE)
        for name, text in _expressions(agent)
    ]


def _expressions(agent: Agent) -> Iterator[tuple[str, str]]:
    if agent.steps:
        yield "agent_steps", f"mean({_of(agent.steps)})"
    if agent.tool_calls:
        yield "agent_tool_calls", f"mean({_of(agent.tool_calls)})"
    if agent.tool_calls and agent.tool_errors:
        yield "tool_error_rate", f"sum({_of(agent.tool_errors)}) / sum({_of(agent.tool_calls)})"
    if agent.loops:
        yield "loop_rate", f"share({_of(agent.loops)} > 0)"
    if agent.goal:
        # A flag is written as true, and equals 1.
        words = repr(agent.goal) + (", 1" if agent.goal == "true" else "")
        yield "goal_rate", f"share(truth in ({words},))"


def _of(feature: str) -> str:
    return f"features[{feature!r}]"

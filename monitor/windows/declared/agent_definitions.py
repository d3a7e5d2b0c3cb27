"""What is counted of the runs of an agent: steps, calls of tools and their errors, loops, and goals reached.

All are counted as own metrics, whose names begin with a prefix that none of one's own can have.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from monitor.expressions.expression import compile_expression
from monitor.health.declared.agent_features import CALLS_OF, ERRORS_OF
from monitor.records import Better
from monitor.windows.declared.custom_metric import CustomMetric

PREFIX = "agent."
BY_TOOL = "tool."
"""How the names of the error rates of one tool begin."""


@dataclass(frozen=True, slots=True)
class Agent:
    """See `monitor.health.declared.agent_settings`, which describes each setting."""

    steps: str = ""
    tool_calls: str = ""
    tool_errors: str = ""
    loops: str = ""
    goal: str = ""
    tools: Sequence[str] = ()


def definitions(agent: Agent) -> list[CustomMetric]:
    """The figures to count."""
    return [
        CustomMetric(f"{PREFIX}{name}", compile_expression(text), "", Better.NONE)
        for name, text in _expressions(agent)
    ]


def _expressions(agent: Agent) -> Iterator[tuple[str, str]]:
    if agent.steps:
        yield "agent_steps", f"mean({_of(agent.steps)})"
    if agent.tool_calls:
        yield "agent_tool_calls", f"mean({_of(agent.tool_calls)})"
    if agent.tool_calls and agent.tool_errors:
        yield "tool_error_rate", f"sum({_of(agent.tool_errors)}) / sum({_of(agent.tool_calls)})"
    for tool in agent.tools:
        of_tool = _of(f"{ERRORS_OF}{tool}"), _of(f"{CALLS_OF}{tool}")
        yield f"{BY_TOOL}{tool}", f"sum({of_tool[0]}) / sum({of_tool[1]})"
    if agent.loops:
        yield "loop_rate", f"share({_of(agent.loops)} > 0)"
    if agent.goal:
        # A flag is written as true, and equals 1.
        words = repr(agent.goal) + (", 1" if agent.goal == "true" else "")
        yield "goal_rate", f"share(truth in ({words},))"


def _of(feature: str) -> str:
    return f"features[{feature!r}]"

"""The `agent` section of a model: which features tell of its runs, and which truth says that the goal was reached."""

from pydantic import field_validator, model_validator

from monitor.config.sections import Section
from monitor.visible import counted

_LONGEST = 120
"""Characters of a name as it is written into expressions."""
_MOST_TOOLS = 50


class AgentSection(Section):
    """An agent that takes steps and calls tools: a record is one run. Without any of this, nothing is measured."""

    steps: str = ""
    """The feature with the number of steps of a run."""
    tool_calls: str = ""
    """The feature with the number of calls of tools in a run."""
    tool_errors: str = ""
    """The feature with the number of these calls that failed."""
    loops: str = ""
    """The feature with how often a run repeated a call of a tool with the same arguments."""
    tools: list[str] = []
    """Tools whose errors are measured one by one: of `search`, the features `tool_calls.search` and
    `tool_errors.search` have the calls in a run and those that failed."""
    goal: str = ""
    """The truth of a run that reached its goal, such as `true`, which is also 1, or `resolved`."""

    @field_validator("steps", "tool_calls", "tool_errors", "loops", "goal")
    @classmethod
    def _is_bare(cls, name: str) -> str:
        if name.startswith("features."):
            raise ValueError(f"names are bare: write {name.partition('.')[2]} instead of {name}")
        if len(repr(name)) > _LONGEST:
            raise ValueError(f"{name[:40]}… is too long: use at most 100 characters")
        return name

    @field_validator("tools")
    @classmethod
    def _are_tools(cls, tools: list[str]) -> list[str]:
        if len(tools) > _MOST_TOOLS:
            raise ValueError(f"{counted(len(tools), 'tool')} are too many: use at most {_MOST_TOOLS}")
        for name in tools:
            if not name or len(repr(name)) > _LONGEST:
                raise ValueError(f"{name[:40]!r} is not a valid tool name: use 1 to 100 characters")
            if tools.count(name) > 1:
                raise ValueError(f"{name} is duplicated")
        return tools

    @model_validator(mode="after")
    def _is_whole(self) -> "AgentSection":
        if self.tool_errors and not self.tool_calls:
            raise ValueError("tool_errors need tool_calls, which they are a share of")
        return self

"""The names of the features that tell of the runs of an agent, tool by tool."""

CALLS_OF, ERRORS_OF = "tool_calls.", "tool_errors."
"""How the features with the calls of one tool, and with those that failed, begin; its name follows."""

"""The `metrics` of a client or model: figures of your own, by an expression over the columns of records."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from monitor.config.sections import RealNumber, Section
from monitor.expressions.expression import Expression, compile_expression
from monitor.records import Better

_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")


def _name(value: str) -> str:
    if _NAME.fullmatch(value) is None:
        msg = f"{value[:60]!r} is not a name: use up to 48 lower-case letters, digits and _, such as refund_rate"
        raise ValueError(msg)
    return value


MetricName = Annotated[str, AfterValidator(_name)]


class CustomMetricSection(Section):
    """One own metric. Written as a text, it is the expression."""

    expression: str
    """The figure, such as `mean(features.refunded)` or `sum(cost) / count(prediction == 'ok')`."""
    unit: str = Field(default="", max_length=16)
    """`share` for a share (shown in percent), or any text, such as EUR. Empty: a share if the expression is one."""
    lower_is_better: bool | None = None
    """Whether less is better. Without it, neither direction is."""
    target: RealNumber | None = None
    """The agreed limit: at least this much, or at most where lower is better."""
    title: str = Field(default="", max_length=80)
    """What the client calls it. Empty: its name."""
    explanation: str = Field(default="", max_length=300)
    """One sentence for the client on what it says."""
    audience: Literal["client", "engineers"] = "client"
    """Who sees it: `client`, or `engineers` alone."""

    @field_validator("expression")
    @classmethod
    def _is_expression(cls, value: str) -> str:
        compile_expression(value)
        return value

    @property
    def compiled(self) -> Expression:
        """The checked expression."""
        return compile_expression(self.expression)

    @property
    def shown_unit(self) -> str:
        """`unit`, or that of the expression."""
        return self.unit or ("share" if self.compiled.is_share else "")

    @property
    def better(self) -> Better:
        """The direction in which it improves."""
        if self.lower_is_better is None:
            return Better.NONE
        return Better.LOWER if self.lower_is_better else Better.HIGHER


def _section(value: Any) -> Any:
    return {"expression": value} if isinstance(value, str) else value


CustomMetrics = dict[MetricName, Annotated[CustomMetricSection, BeforeValidator(_section)]]
"""Own metrics by name; each is a section, or its expression."""

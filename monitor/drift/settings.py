"""The `drift` section of the configuration: the budget of false alarms, and which changes are relevant."""

from datetime import date
from typing import Literal

from pydantic import Field, field_validator

from monitor.config.sections import Duration, RealNumber, Section
from monitor.config.time_zone import TimeZone
from monitor.config.units import DAY
from monitor.drift.decision.budget import Budget, parse


class DriftSettings(Section):
    """Drift decisions and their budget of false alarms."""

    false_alarms: str = "1 per 30 days"
    """The accepted number of false alarms: `1 per 30 days`, `2 per week`, `1 per quarter`."""
    scope: Literal["model", "fleet"] = "model"
    """`model`: the budget applies to each model. `fleet`: all models share it."""
    min_effect: RealNumber = Field(default=0.1, gt=0, le=2)
    """The smallest relevant change, in standard deviations. Smaller changes never raise an alarm, whatever
    the number of rows."""
    importance: dict[str, RealNumber] = Field(default_factory=dict)
    """Relative importance of features (default 1). Drift of important features is detected earlier, at the
    expense of the others."""
    window: Duration | Literal["auto"] = "auto"
    """Length of the evaluated windows. `auto` uses 15 minutes to an hour, so that most windows have 100 rows;
    with fewer than 20 rows an hour, four hours or a day. The length does not affect the budget."""
    time_zone: TimeZone = "UTC"
    """The time zone of hours and weekends in the seasonal model."""
    special_days: tuple[date, ...] = ()
    """Days that are excluded, such as holidays or a sale."""
    quiet: bool = False
    """Report drift in the digest only."""
    reference: Duration = 28.0 * DAY
    """How much of a stream's history is used for learning if it has no baseline of its own."""

    @field_validator("false_alarms")
    @classmethod
    def _readable(cls, value: str) -> str:
        parse(value)
        return value

    @property
    def budget(self) -> Budget:
        """The budget of false alarms."""
        return parse(self.false_alarms)

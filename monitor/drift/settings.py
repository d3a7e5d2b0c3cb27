"""The section `drift` of the configuration: how many false alarms can be borne, and what matters."""

from datetime import date
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from monitor.drift.budget import Budget, parse
from monitor.settings import Duration, Section


class DriftSettings(Section):
    """Drift decisions and their budget of false alarms."""

    false_alarms: str = "1 per 30 days"
    """How many false alarms can be borne, in words: `1 per 30 days`, `2 per week`, `1 per quarter`."""
    scope: Literal["model", "fleet"] = "model"
    """Whether the budget is for each model, or shared by all of them."""
    min_effect: float = Field(default=0.1, gt=0, le=2)
    """The smallest change that matters, in standard deviations; smaller ones never raise an alarm, however many
    rows show them."""
    importance: dict[str, float] = Field(default_factory=dict)
    """How much a feature matters beside the others (1 where not listed): important ones are found sooner, at the
    others' cost."""
    window: Duration | Literal["auto"] = "auto"
    """Length of the windows that are judged; `auto` takes 15 minutes to an hour, so that most hold 100 rows. The
    length does not change the budget."""
    time_zone: str = "UTC"
    """Whose hours and weekends make the season."""
    special_days: tuple[date, ...] = ()
    """Days that are not judged, such as holidays or a sale."""
    quiet: bool = False
    """Report drift in the digest only, never page."""
    reference: Duration = 28 * 86_400.0
    """How much of a stream's past is learned from while it has no baseline of its own."""

    @field_validator("false_alarms")
    @classmethod
    def _readable(cls, value: str) -> str:
        parse(value)
        return value

    @field_validator("time_zone")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            msg = f"{value!r} is not a time zone (use a name such as Europe/Berlin)"
            raise ValueError(msg) from error
        return value

    @property
    def budget(self) -> Budget:
        """The false alarms in numbers."""
        return parse(self.false_alarms)

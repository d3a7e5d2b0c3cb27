"""The `clients` section: who reads a page or a digest, what their models are called, and what was agreed."""

import re
from collections.abc import Mapping
from datetime import time
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field

from monitor.settings import Duration, Section

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        msg = f"{name!r} is not a time zone (use a name such as Europe/Berlin)"
        raise ValueError(msg) from error
    return name


def _time(value: Any) -> str:
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        msg = f"{value!r} is not a time of day (use 08:00)"
        raise ValueError(msg)
    return f"{int(match[1]):02d}:{match[2]}"


Zone = Annotated[str, AfterValidator(_zone)]
"""A time zone by its IANA name."""

TimeOfDay = Annotated[str, BeforeValidator(_time)]
"""A local time, written as `08:00`."""


class ModelView(Section):
    """What a client reads about one model."""

    title: str = ""
    """What the client calls the model; empty shows its name."""
    quality: str = ""
    """The metric that stands for quality, such as `accuracy`; empty takes the first that is measured."""
    target: float | None = None
    """The agreed limit of that metric, shown as a line."""
    targets: dict[str, float] = Field(default_factory=dict)
    """What was agreed for other figures, by metric, such as `automation_rate: 0.6`."""
    explanation: str = ""
    """One sentence on what the model does for the client."""
    owner: str = ""
    """The team that looks after the model."""
    task: str = ""
    """What kind of model it is, such as `binary`."""

    @property
    def limits(self) -> dict[str, float]:
        """Everything that was agreed, by metric."""
        own = {self.quality: self.target} if self.quality and self.target is not None else {}
        return {**self.targets, **own}


class DigestSettings(Section):
    """When a summary goes out, and to whom."""

    to: tuple[str, ...] = ()
    """Addresses that get the summary by e-mail."""
    slack: bool = False
    """Whether it goes to the Slack channel of `notify` too."""
    at: TimeOfDay = "08:00"
    """Local time of the reader."""
    days: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri")
    """Days on which the daily summary goes out."""
    weekly: Weekday | None = "mon"
    """The day of the weekly summary; null sends none."""
    when: Literal["always", "changes"] = "always"
    """`changes` leaves out the days on which there is nothing to tell."""

    @property
    def clock_time(self) -> time:
        """`at` as a time of day."""
        return time.fromisoformat(self.at)


class ClientSettings(Section):
    """One client: how it is called, where it lives, what it reads."""

    name: str = ""
    """What the client is called on its pages; empty shows its key."""
    timezone: Zone = "UTC"
    """Local time of the pages and digests."""
    contact: str = ""
    """Whom the client asks: a name, an address or a link."""
    next_update: Duration = 7200.0
    """How soon the client hears again while something needs attention."""
    stale_after: Duration = 3600.0
    """A model without predictions for so long is shown as waiting for data."""
    availability_target: float = Field(default=0.99, ge=0, le=1)
    """The agreed share of time within limits, over 30 days."""
    digest: DigestSettings = DigestSettings()
    """The daily and the weekly summary."""
    frame_ancestors: tuple[str, ...] = ()
    """Sites that may show the page inside their own."""
    models: Mapping[str, ModelView] = Field(default_factory=dict)
    """What the client reads about each model, by the model's name."""

    @property
    def zone(self) -> ZoneInfo:
        """The time zone."""
        return ZoneInfo(self.timezone)

    def view(self, model: str) -> ModelView:
        """A model's section, or the defaults."""
        return self.models.get(model, ModelView())

    def title(self, model: str) -> str:
        """What the client calls a model."""
        return self.view(model).title or model.replace("_", " ").replace("-", " ").capitalize()

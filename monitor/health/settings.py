"""The `clients` section: names of clients and models, recipients of digests, and agreed targets."""

import re
from collections.abc import Mapping
from datetime import time
from functools import cache
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field

from monitor.config.sections import Duration, RealNumber, Section
from monitor.config.time_zone import TimeZone
from monitor.config.units import HOUR
from monitor.health.declared.agent_settings import AgentSection
from monitor.health.declared.custom_metric_settings import CustomMetrics
from monitor.health.declared.forecast_settings import ForecastSection
from monitor.health.declared.ranking_settings import RankingSection
from monitor.health.declared.score_settings import AnomalySection, SurvivalSection
from monitor.health.fairness_settings import FairnessSection

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


def _time(value: Any) -> str:
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        msg = f"{value!r} is not a time of day (use 08:00)"
        raise ValueError(msg)
    return f"{int(match[1]):02d}:{match[2]}"


TimeOfDay = Annotated[str, BeforeValidator(_time)]
"""A local time, written as `08:00`."""


def _sampled(value: Any) -> float:
    text = value.strip() if isinstance(value, str) else ""
    if isinstance(value, bool) or not (text or isinstance(value, int | float)):
        msg = f"{value!r} is not a share of the calls (use 20%)"
        raise ValueError(msg)
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1) if text else float(value)
    except (ValueError, OverflowError):
        share = 0.0
    if not 0 < share < 1:
        msg = f"{value!r} is not a share of the calls between 0 and 100 % (use 20%)"
        raise ValueError(msg)
    return share


SampledShare = Annotated[float, BeforeValidator(_sampled)]
"""The share of the calls that is captured, written as `20%` or 0.2."""


class ModelView(Section):
    """What a client reads about one model."""

    title: str = ""
    """Title of the model on the pages; empty shows its name."""
    quality: str = ""
    """The metric shown as quality, such as `accuracy`; empty uses the first that is measured."""
    target: RealNumber | None = None
    """Agreed limit of that metric, shown as a line."""
    targets: dict[str, RealNumber] = Field(default_factory=dict)
    """Agreed limits of other metrics, such as `automation_rate: 0.6`."""
    explanation: str = ""
    """One sentence for the client on what the model does."""
    owner: str = ""
    """The team that owns the model."""
    task: str = ""
    """`binary`, `multiclass`, `classification`, `regression`, `survival` or `anomaly`. It determines whether whole
    numbers are classes. Empty: decided from predictions and outcomes. `survival` with `horizons` means `survival`, and
    `anomaly` with a `threshold` means `anomaly` if the prediction is the score."""
    cost_matrix: dict[str, dict[str, RealNumber]] = Field(default_factory=dict)
    """What an answer costs, by answer and then by truth, such as `{approve: {default: 900}, decline: {repaid: 40}}`.
    What is not named costs nothing. For `estimated_cost`."""
    metrics: CustomMetrics = Field(default_factory=dict)
    """Custom metrics, by name; each is an expression, or a section with one."""
    fairness: FairnessSection = FairnessSection()
    """The groups between which answers are compared. Without groups, nothing is measured."""
    forecast: ForecastSection = ForecastSection()
    """What is sent beside forecasts: horizon, prediction interval, quantiles, naive forecast."""
    agent: AgentSection = AgentSection()
    """Which features tell of the runs of an agent: steps, calls of tools, loops."""
    anomaly: AnomalySection = AnomalySection()
    """What the scores of an anomaly detector mean."""
    survival: SurvivalSection = SurvivalSection()
    """At which times the risks of a survival model are judged."""
    ranking: RankingSection = RankingSection()
    """How lists of items, such as recommendations, are judged."""

    @property
    def limits(self) -> dict[str, float]:
        """All agreed targets, by metric."""
        of_quality = {self.quality: self.target} if self.quality and self.target is not None else {}
        own = {name: one.target for name, one in self.metrics.items() if one.target is not None}
        return {**own, **self.targets, **of_quality}


@cache
def _unnamed() -> ModelView:
    """The section of a model that has none, made once: a page asks for it several times per model."""
    return ModelView()


class DigestSettings(Section):
    """When a summary goes out, and to whom."""

    to: tuple[str, ...] = ()
    """Email recipients."""
    slack: bool = False
    """Also send digests to the Slack channel in `notify`."""
    at: TimeOfDay = "08:00"
    """Local time of the digest."""
    days: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri")
    """Days of the daily digest."""
    weekly: Weekday | None = "mon"
    """Day of the weekly digest; null for none."""
    service_reports: Literal["weekly", "monthly"] | None = None
    """Service reports by email, to the same recipients: `weekly` on Mondays, `monthly` on the first day."""
    when: Literal["always", "changes"] = "always"
    """`changes` sends no digest for days without anything to report."""

    @property
    def clock_time(self) -> time:
        """`at` as a time of day."""
        return time.fromisoformat(self.at)


class ClientSettings(Section):
    """One client: how it is called, where it lives, what it reads."""

    name: str = ""
    """Name of the client on its pages; empty shows its key."""
    timezone: TimeZone = "UTC"
    """Time zone of the pages and digests."""
    contact: str = ""
    """Contact for the client: a name, an address or a link."""
    next_update: Duration = 7200.0
    """Time until the next update while a model needs attention, as shown to the client."""
    stale_after: Duration = float(HOUR)
    """A model without predictions for this long is shown as waiting for data."""
    availability_target: RealNumber | None = Field(default=None, ge=0, le=1)
    """The agreed share of time within limits, over 30 days, such as `0.99`. Without it, none is agreed."""
    digest: DigestSettings = DigestSettings()
    """Daily and weekly digests."""
    frame_ancestors: tuple[str, ...] = ()
    """Sites that may embed the client's page."""
    sampled: dict[str, SampledShare] = Field(default_factory=dict)
    """Models of which the platform captures a share of the calls only, such as `{churn: 20%}`. Counts are marked as
    those of the sample."""
    metrics: CustomMetrics = Field(default_factory=dict)
    """Custom metrics for all models of the client, by name."""
    models: Mapping[str, ModelView] = Field(default_factory=dict)
    """What the client reads about each model, by the model's name."""

    @property
    def zone(self) -> ZoneInfo:
        """The time zone."""
        return ZoneInfo(self.timezone)

    def shows(self, model: str) -> bool:
        """Whether the client sees a model: with models named here, only these."""
        return not self.models or model in self.models

    def view(self, model: str) -> ModelView:
        """A model's section, or the defaults, with the own metrics of the client."""
        view = self.models.get(model) or _unnamed()
        return view.model_copy(update={"metrics": {**self.metrics, **view.metrics}}) if self.metrics else view

    def sample(self, model: str) -> str:
        """`of the sample (20 % of the calls)` for a model of which only a sample is captured, or empty.

        It belongs to each count of the model. Counts are not scaled up.
        """
        share = self.sampled.get(model)
        return "" if share is None else f"of the sample ({share * 100:.4g} % of the calls)"

    def title(self, model: str) -> str:
        """What the client calls a model."""
        return self.view(model).title or model.replace("_", " ").replace("-", " ").capitalize()

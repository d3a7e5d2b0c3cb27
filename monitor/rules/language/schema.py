"""The schema of rule files. Fields have the names of Prometheus where it has them."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from monitor.config.sections import Duration, RealNumber, Section
from monitor.config.units import parse_duration
from monitor.records import Severity
from monitor.rules.engine.readings import OPEN
from monitor.rules.language import matchers
from monitor.rules.language.level import Level, parse_level, parse_number
from monitor.rules.language.matchers import Matcher
from monitor.rules.rule import RuleAction


def _length(value: object) -> int:
    return OPEN if value == "open" else round(parse_duration(value))


def _matchers(value: object) -> object:
    """A list of matchers; a mapping is a list of equalities."""
    if isinstance(value, dict):
        value = [f'{name}="{wanted}"' for name, wanted in value.items()]
    if not isinstance(value, list):
        msg = 'is a list of matchers (- model="fraud") or a mapping (model: fraud)'
        raise ValueError(msg)
    return tuple(matchers.parse(str(text)) for text in value)


def _windows(value: object) -> tuple[int, int]:
    words = str(value).split()
    if len(words) == 3 and words[1] == "of" and words[0].isdigit() and words[2].isdigit():
        needed, of = int(words[0]), int(words[2])
        if 1 <= needed <= of <= 100:
            return needed, of
    msg = f"{value!r} is not a count of windows (use 3 of 5)"
    raise ValueError(msg)


Anything = Any
Number = Annotated[float, BeforeValidator(parse_number)]
Length = Annotated[int, BeforeValidator(_length)]
Limit = Annotated[Level, BeforeValidator(parse_level)]
Match = Annotated[tuple[Matcher, ...], BeforeValidator(_matchers)]
Windows = Annotated[tuple[int, int], BeforeValidator(_windows)]
LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
RESERVED = ("alert", "alertname", "client", "model", "environment")
"""Labels that Watchkeeper or Alertmanager sets."""


def _labels(value: object) -> object:
    """Label names that Prometheus and Alertmanager accept, with texts as values."""
    if not isinstance(value, dict):
        return value
    for name, text in value.items():
        if name in RESERVED:
            msg = f"the label {name} is set by Watchkeeper (use another name)"
            raise ValueError(msg)
        if LABEL_NAME.fullmatch(name) is None or name.startswith("__"):
            msg = f"{name!r} is not a label name (use letters, digits and _, such as cost_center)"
            raise ValueError(msg)
        if not isinstance(text, str):
            msg = f"the value of {name} is not a string (write it in quotes)"
            raise ValueError(msg)
    return value


LabelTexts = Annotated[dict[str, str], BeforeValidator(_labels)]
Word = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")]


class Arbitrary(Section):
    """A section that may contain value types of this package."""

    model_config = ConfigDict(arbitrary_types_allowed=True)


class ShareModel(Section):
    """A limit on the share of instances instead of each instance."""

    of: Word
    above: Number
    clear: Number | None = None


class BurnModel(Section):
    """A limit on the burn rate of an error budget (see docs/rules.md for the table)."""

    metric: Word = "error_rate"
    objective: Number
    tier: Literal["page", "ticket"] = "page"
    samples: RealNumber = 0

    @field_validator("objective")
    @classmethod
    def _is_share(cls, value: float) -> float:
        if not 0.5 <= value < 1:
            msg = f"{value:g} is not an objective (use 99.9%)"
            raise ValueError(msg)
        return value


KINDS = ("metric", "drift", "absent", "burn", "all", "any")


class ConditionModel(Arbitrary):
    """One condition: exactly one of metric, drift, absent, burn, all, any."""

    metric: Word | None = None
    drift: Literal["significant"] | None = None
    absent: Word | None = None
    burn: BurnModel | None = None
    all: tuple["ConditionModel", ...] | None = None
    any: tuple["ConditionModel", ...] | None = None
    over: Length = 60
    above: Limit | None = None
    below: Limit | None = None
    clear: Limit | None = None
    samples: RealNumber = 0
    confidence: Number | None = None
    match: Match = ()
    share: ShareModel | None = None
    assume: Literal["beyond", "within"] | None = None

    @field_validator("confidence")
    @classmethod
    def _is_confidence(cls, value: float | None) -> float | None:
        if value is not None and not 0.5 < value < 1:
            msg = f"{value:g} is not a confidence (use 99%, 99.95%)"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        kinds = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(kinds) != 1:
            has = " and ".join(kinds) or "none"
            msg = f"a condition has exactly one of {', '.join(KINDS)}; this one has {has}"
            raise ValueError(msg)
        if self.metric is not None and (self.above is None) == (self.below is None):
            msg = "a metric needs one of above, below"
            raise ValueError(msg)
        if self.metric is None and (self.above is not None or self.below is not None):
            msg = f"above and below belong to a metric, not to {kinds[0]}"
            raise ValueError(msg)
        return self


class RuleModel(Arbitrary):
    """One rule."""

    alert: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9]+$")]
    when: ConditionModel
    for_: Duration = Field(default=0.0, alias="for")
    keep_firing_for: Duration = 0.0
    windows: Windows = (1, 1)
    by: tuple[Word, ...] | None = None
    match: Match = ()
    no_data: Literal["ignore", "warning", "critical"] = "ignore"
    no_data_for: Duration = 300.0
    action: RuleAction | None = None
    labels: LabelTexts = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)

    @field_validator("labels")
    @classmethod
    def _has_severity(cls, value: dict[str, str]) -> dict[str, str]:
        severity = value.get("severity", "")
        if severity not in set(Severity):
            wrong = f", not {severity!r}" if severity else ""
            msg = f"needs severity: critical, warning or info{wrong}"
            raise ValueError(msg)
        return value

    @field_validator("annotations")
    @classmethod
    def _is_actionable(cls, value: dict[str, str]) -> dict[str, str]:
        missing = [name for name in ("summary", "impact") if not value.get(name)]
        if missing:
            msg = f"needs {' and '.join(missing)}: an alert states the problem and its impact"
            raise ValueError(msg)
        return value


class OverrideModel(Arbitrary):
    """A change of rules for some streams: any field of a rule, or `off`."""

    match: Match
    alerts: tuple[str, ...] = ()
    off: bool = False
    set: dict[str, Anything] = Field(default_factory=dict)


class GroupModel(Section):
    """A group of rules; its labels are added to each of them."""

    name: str
    labels: LabelTexts = Field(default_factory=dict)
    rules: tuple[dict[str, Anything], ...]


class PackModel(Arbitrary):
    """A rule file."""

    include: tuple[str, ...] = ()
    off: tuple[str, ...] = ()
    extend: dict[str, dict[str, Anything]] = Field(default_factory=dict)
    overrides: tuple[OverrideModel, ...] = ()
    groups: tuple[GroupModel, ...] = ()

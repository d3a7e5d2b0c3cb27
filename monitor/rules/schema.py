"""The shape of a rule file. Field names are Prometheus's where Prometheus has them."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from monitor.durations import parse_duration
from monitor.records import Severity
from monitor.rules import matchers
from monitor.rules.level import Level, parse_level, parse_number
from monitor.rules.matchers import Matcher
from monitor.rules.readings import OPEN
from monitor.settings import Duration, Section


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
Word = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")]


class Arbitrary(Section):
    """A section that may hold our own value types."""

    model_config = ConfigDict(arbitrary_types_allowed=True)


class ShareModel(Section):
    """Asks for a share of the instances instead of each one."""

    of: Word
    above: Number
    clear: Number | None = None


class BurnModel(Section):
    """How fast an error budget may burn (see docs/rules.md for the table)."""

    metric: Word = "error_rate"
    objective: Number
    tier: Literal["page", "ticket"] = "page"
    samples: float = 0

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
    samples: float = 0
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
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            has = " and ".join(given) or "none"
            msg = f"a condition has exactly one of {', '.join(KINDS)}; this one has {has}"
            raise ValueError(msg)
        if self.metric is not None and (self.above is None) == (self.below is None):
            msg = "a metric needs one of above, below"
            raise ValueError(msg)
        if self.metric is None and (self.above is not None or self.below is not None):
            msg = f"above and below belong to a metric, not to {given[0]}"
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
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)

    @field_validator("labels")
    @classmethod
    def _has_severity(cls, value: dict[str, str]) -> dict[str, str]:
        given = value.get("severity", "")
        if given not in set(Severity):
            wrong = f", not {given!r}" if given else ""
            msg = f"needs severity: critical, warning or info{wrong}"
            raise ValueError(msg)
        return value

    @field_validator("annotations")
    @classmethod
    def _is_actionable(cls, value: dict[str, str]) -> dict[str, str]:
        missing = [name for name in ("summary", "impact") if not value.get(name)]
        if missing:
            msg = f"needs {' and '.join(missing)}: a page says what is wrong and what it means"
            raise ValueError(msg)
        return value


class OverrideModel(Arbitrary):
    """What some streams have instead: any field of a rule, or `off`."""

    match: Match
    alerts: tuple[str, ...] = ()
    off: bool = False
    set: dict[str, Anything] = Field(default_factory=dict)


class GroupModel(Section):
    """Rules that belong together; its labels are given to each of them."""

    name: str
    labels: dict[str, str] = Field(default_factory=dict)
    rules: tuple[dict[str, Anything], ...]


class PackModel(Arbitrary):
    """A rule file."""

    include: tuple[str, ...] = ()
    off: tuple[str, ...] = ()
    extend: dict[str, dict[str, Anything]] = Field(default_factory=dict)
    overrides: tuple[OverrideModel, ...] = ()
    groups: tuple[GroupModel, ...] = ()

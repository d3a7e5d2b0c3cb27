"""The records that packages exchange: frozen and comparable. This module imports nothing of Watchkeeper.

Times are seconds since the epoch in UTC; windows are half open, `[start, end)`. A value that could not be measured is a
`Measurement` with a reason, never zero or NaN.
"""

import hashlib
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from functools import lru_cache

Labels = tuple[tuple[str, str], ...]
"""Sorted (name, value) pairs, which are hashable and can be part of a key."""


def labels(**pairs: str) -> Labels:
    """Sorted labels; empty values are left out, as Prometheus does."""
    return tuple(sorted((name, value) for name, value in pairs.items() if value))


@dataclass(frozen=True, slots=True, order=True)
class Stream:
    """One model of one client in one environment: the unit that is measured and alerted on."""

    client: str
    model: str
    environment: str = "production"

    def __str__(self) -> str:
        return f"{self.client}/{self.model}/{self.environment}"

    @property
    def labels(self) -> Labels:
        """The stream as labels."""
        return _labels_of(self)


@lru_cache(maxsize=65536)
def _labels_of(stream: Stream) -> Labels:
    return labels(client=stream.client, model=stream.model, environment=stream.environment)


DAEMON = Stream("watchkeeper", "daemon")
"""The daemon as a stream of its own."""


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A period of event time, `[start, end)`, in seconds since the epoch."""

    start: int
    end: int

    @property
    def seconds(self) -> int:
        """The length."""
        return self.end - self.start

    def __contains__(self, moment: float) -> bool:
        return self.start <= moment < self.end


class Better(StrEnum):
    """The direction in which a metric improves."""

    HIGHER = "higher"
    LOWER = "lower"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Measurement:
    """A value with its meaning.

    `value` is None exactly if `reason` says why it was not measured. `n` is the number of rows behind it. `low` and
    `high` are a 95 % interval. `labels` name the part of the stream that it is about: version, feature, segment, class,
    type. `because` is the likely reason of the value, if known.
    """

    stream: Stream
    window: Window
    metric: str
    value: float | None
    unit: str = ""
    better: Better = Better.NONE
    n: float = 0
    labels: Labels = ()
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    baseline: float | None = None
    reason: str = ""
    because: str = ""

    @property
    def status(self) -> str:
        """`ok` or `not_measured`."""
        return "not_measured" if self.value is None else "ok"

    def label(self, name: str) -> str:
        """The value of one label, or the empty string."""
        return next((value for key, value in self.labels if key == name), "")


class Severity(StrEnum):
    """The tier of a rule, which determines who is notified and when."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class State(StrEnum):
    """The state of an alert."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    RECOVERING = "recovering"
    RESOLVED = "resolved"


class DataState(StrEnum):
    """Whether the rule could be evaluated the last time."""

    OK = "ok"
    NO_DATA = "no_data"
    ERROR = "error"


def fingerprint(rule: str, stream: Stream, instance: Labels = ()) -> str:
    """The identity of an alert: rule, stream and labels, never a value or a version of the software."""
    parts = [rule, str(stream), *(f"{name}={value}" for name, value in instance)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Peak:
    """The value of an alert when it was furthest beyond its limit, with its metric and unit."""

    value: float
    metric: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The diagnosis of an alert at the time `at`: what exactly is wrong, and what may have caused it.

    `what` names the error type, version, segment or column, with the values before and since the onset; it is empty if
    no more is known than the alert says. `causes` are possible ones, the likeliest first. `kinds` are the error types
    or columns that exceed their limit by themselves, each with its description.
    """

    at: float
    since: float
    what: str = ""
    causes: tuple[str, ...] = ()
    kinds: Labels = ()


@dataclass(frozen=True, slots=True)
class Alert:
    """The state of one rule for one stream and instance, kept across restarts.

    `episode` counts the times it fired. `instance` holds the labels that distinguish it from others of the rule
    (feature, segment). `annotations` are rendered. `held` is the evaluated time of the current wait (to fire, or to
    resolve) in seconds; `recent` are the last windows as (start, beyond the limit?); `data_since` is when `data` last
    changed, and `unjudged` the evaluated time since then in seconds; `changes` are the times at which the condition
    changed; `metric` is the metric of `value`; `worst` is the largest distance from the limit in this episode, `peak`
    the value and `at_worst` the client's sentence at that time.
    """

    fingerprint: str
    rule: str
    severity: Severity
    stream: Stream
    instance: Labels = ()
    state: State = State.INACTIVE
    data: DataState = DataState.OK
    episode: int = 0
    active_since: float | None = None
    fired_at: float | None = None
    recovering_since: float | None = None
    resolved_at: float | None = None
    evaluated_at: float | None = None
    value: float | None = None
    limit: float | None = None
    baseline: float | None = None
    unit: str = ""
    n: float = 0
    window: Window | None = None
    reason: str = ""
    annotations: Labels = ()
    labels: Labels = ()
    changes: tuple[float, ...] = ()
    flapping: bool = False
    held: float = 0.0
    recent: tuple[tuple[int, bool], ...] = ()
    data_since: float | None = None
    unjudged: float = 0.0
    acknowledged_at: float | None = None
    acknowledged_by: str = ""
    metric: str = ""
    worst: float = 0.0
    at_worst: str = ""
    peak: Peak | None = None
    diagnosis: Diagnosis | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is firing, or recovering."""
        return self.state in (State.FIRING, State.RECOVERING)

    def annotation(self, name: str) -> str:
        """One rendered annotation, or the empty string."""
        return next((value for key, value in self.annotations if key == name), "")


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of an alert's state with its reason. Natural key: fingerprint, at, to."""

    fingerprint: str
    at: float
    before: State
    to: State
    episode: int
    reason: str
    rule: str = ""
    severity: Severity = Severity.INFO
    stream: Stream = DAEMON


class Action(StrEnum):
    """The action that a delivery requests from its channel."""

    TRIGGER = "trigger"
    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    CHANGE = "change"
    MESSAGE = "message"
    ROLLBACK = "rollback"


class Status(StrEnum):
    """The status of a delivery."""

    PENDING = "pending"
    LEASED = "leased"
    SENT = "sent"
    SUPERSEDED = "superseded"
    DEAD = "dead"


class Priority(IntEnum):
    """The order in which a channel's deliveries are sent: smaller numbers first, a resolve after its tier's pages."""

    CRITICAL = 0
    CRITICAL_RESOLVE = 1
    WARNING = 2
    WARNING_RESOLVE = 3
    INFO = 4
    LAST = 5
    """Resolves of info alerts, digests and change events."""

    @classmethod
    def of(cls, severity: str, *, is_resolve: bool) -> "Priority":
        """The priority of a notification about an alert."""
        first = {"critical": cls.CRITICAL, "warning": cls.WARNING}.get(severity, cls.INFO)
        return cls(first + is_resolve)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A row of the outbox: one notification for one channel. Natural key: channel, key, sequence.

    `key` is the same for an episode's trigger, acknowledgement and resolve, which are sent in the order of `sequence`.
    `body` is the notification as JSON, composed when it was planned.
    """

    channel: str
    key: str
    sequence: int
    action: Action
    body: bytes
    created_at: float
    priority: int = Priority.CRITICAL_RESOLVE
    not_before: float = 0.0
    status: Status = Status.PENDING
    attempts: int = 0
    maybe_sent: bool = False
    fingerprint: str = ""
    episode: int = 0
    id: int | None = None
    lease: str = ""

    @property
    def is_critical(self) -> bool:
        """Whether it is a critical page or its resolve, which must not wait."""
        return self.priority <= Priority.CRITICAL_RESOLVE


@dataclass(frozen=True, slots=True)
class Receipt:
    """The response of a channel to one attempt."""

    delivery: int
    at: float
    outcome: str
    detail: str = ""
    code: int | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Silence:
    """Suppresses new pages of alerts that match all matchers (`model="fraud"`), but no resolves."""

    id: str
    matchers: tuple[str, ...]
    starts_at: float
    ends_at: float
    author: str
    comment: str
    expired_at: float | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A rejected record with the reason."""

    index: int
    error: str
    hint: str = ""
    client: str = ""
    model: str = ""
    record: bytes = field(default=b"", repr=False)

"""The input and the output of a plan."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from monitor.records import Alert, Delivery, Silence
from monitor.store.incidents import Incident


@dataclass(frozen=True, slots=True)
class Situation:
    """The input of a plan.

    `incidents` are the open ones, and those opened within `storm.within`. `channels` are the names of the configured
    channels, `confirming` those whose webhooks report what became of a page.
    """

    alerts: Mapping[str, Alert]
    incidents: Sequence[Incident]
    silences: Sequence[Silence]
    channels: frozenset[str]
    now: float
    confirming: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class NotificationPlan:
    """Rows for the outbox, the changed incidents, and why alerts are suppressed, by fingerprint.

    `after` is the situation once all of this is stored.
    """

    deliveries: list[Delivery] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)
    suppressed: dict[str, str] = field(default_factory=dict)
    after: Situation | None = None

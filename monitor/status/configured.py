"""The part of the configuration that the state of a stream shows."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from monitor.alerts.settings import AlertSettings
from monitor.drift.settings import DriftSettings
from monitor.records import Stream
from monitor.rules.rule import RuleSet
from monitor.windows.settings import BaselineSettings


@dataclass(frozen=True, slots=True)
class Configured:
    """What the configuration says of streams: baselines, models of each client, drift, rules and inhibitions.

    `mistakes` are errors in the rule files on disk, which a running daemon would reject.
    """

    drift: DriftSettings = field(default_factory=DriftSettings)
    baselines: Mapping[Stream, BaselineSettings] = field(default_factory=dict)
    models: Mapping[str, Collection[str]] = field(default_factory=dict)
    rules: RuleSet | None = None
    alerts: AlertSettings = field(default_factory=AlertSettings)
    stale_after: Mapping[str, float] = field(default_factory=dict)
    """Seconds after which a model waits for data, by client."""
    mistakes: Sequence[str] = ()


NOTHING_CONFIGURED = Configured()

"""What the web needs of the daemon, handed to it whole: it starts nothing and reaches for nothing else."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from litestar import Request

from monitor.clock import Clock
from monitor.health.settings import ClientSettings
from monitor.predictions.log import IntakeStats
from monitor.records import Alert, Measurement, Stream
from monitor.reports.drilldowns import Drilldowns
from monitor.store.db import Store
from monitor.web.access import Access
from monitor.web.meters import Meters
from monitor.web.settings import WebSettings
from monitor.web.totals import Totals

Measured = Mapping[tuple[Stream, int], Sequence[Measurement]]
"""Measurements by stream and length of window in seconds (0 for the open one)."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the daemon can do its work, and what is missing where it cannot."""

    is_ready: bool
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Services:
    """What the web needs.

    `webhooks` are handlers of other senders (see `monitor.web.pagerduty`), `intake` counts what came in. `/healthz`
    asks `stuck` why the loop does not go round, `/readyz` asks `ready`. `base_seconds` is the length of a base
    window. `measured` gives the measurements of the last tick; `channels` names those that are configured;
    `drift_limits` says from which value on a feature counts as drifted, by metric; `drilldowns` makes reports
    on alerts; `runbook` is where the runbook of an alert stands, empty where nowhere.
    """

    store: Store
    clock: Clock
    access: Access
    settings: WebSettings
    version: str
    clients: Mapping[str, ClientSettings] = field(default_factory=dict)
    ready: Callable[[], Readiness] = lambda: Readiness(True)
    stuck: Callable[[], str] = lambda: ""
    webhooks: Sequence[Any] = ()
    base_seconds: int = 60
    meters: Meters = field(default_factory=Meters)
    totals: Totals = field(default_factory=Totals)
    measured: Callable[[], Measured] = dict
    channels: Sequence[str] = ()
    intake: Callable[[], IntakeStats | None] = lambda: None
    drilldowns: Drilldowns | None = None
    runbook: Callable[[Alert], str] = lambda _alert: ""
    drift_limits: Mapping[str, float] = field(default_factory=lambda: {"psi": 0.2, "drift_evidence": 1.0})

    def client(self, name: str) -> ClientSettings:
        """A client's section; one that is not configured is shown under its own name."""
        return self.clients.get(name, ClientSettings())


def of(request: Request[Any, Any, Any]) -> Services:
    """The services of the application that a request came to."""
    services = request.app.state["services"]
    assert isinstance(services, Services)
    return services

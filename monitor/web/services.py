"""The parts of the daemon that the web server uses. They are passed in; it creates none of them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from litestar import Request

from monitor.alerts.inhibition import suppressed
from monitor.alerts.settings import AlertSettings
from monitor.clock import Clock
from monitor.drift.settings import DriftSettings
from monitor.exporters.collector import Measured
from monitor.exporters.prediction_counters import PredictionCounters
from monitor.exporters.prometheus.daemon_meters import DaemonMeters
from monitor.exporters.push.exporter import ExporterSettings
from monitor.gauges.settings import GaugeSettings
from monitor.health import client_state
from monitor.health.settings import ClientSettings
from monitor.metrics.settings import MetricSettings
from monitor.predictions.log.writer import IntakeStats
from monitor.predictions.texts.policy import TextPolicy
from monitor.records import Alert, Silence, Stream
from monitor.releases.settings import ReleasePolicy
from monitor.reports.drilldowns import Drilldowns
from monitor.rollback.settings import RollbackSettings
from monitor.rollouts.load_arms import ArmSettings
from monitor.rules.engine.readings import Past, no_past
from monitor.rules.rule import Rule, RuleSet
from monitor.sites.settings import KnownSite, SiteSettings
from monitor.status import NOTHING_CONFIGURED, Configured
from monitor.store.db import Store
from monitor.web.auth.authentication import Access
from monitor.web.settings import WebSettings
from monitor.windows.settings import WindowSettings


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the daemon can do its work, and the reasons if it cannot."""

    is_ready: bool
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the configuration says of other systems: `sources` by name, with whether each of several daemons counts all
    messages that wait; gauges, exporters, and sites.
    """

    sources: Mapping[str, bool] = field(default_factory=dict)
    gauges: Mapping[str, GaugeSettings] = field(default_factory=dict)
    exporters: Mapping[str, ExporterSettings] = field(default_factory=dict)
    site: SiteSettings = field(default_factory=SiteSettings)
    sites: Mapping[str, KnownSite] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of the daemon that handlers use.

    `counters` counts predictions, `intake` received records.

    `/healthz` calls `stuck` for the reason why the evaluation loop is stuck, `/readyz` calls `ready`. `base_seconds` is
    the length of a base window. `measured` returns the measurements of the last tick; `channels` are the configured
    ones; `drift_limits` are the values, by metric, from which a feature counts as drifted, `importance` is what the
    configuration says of features, by name; `segment_features` is how many are counted by segment; `metrics` is how
    figures are measured; `drilldowns` creates
    reports on alerts; `runbook` returns the URL of an alert's runbook, or an empty string; `alerts` are the settings of
    notifications; `rule` returns a rule in force by name, `rules` all of them; `past` returns measurements of an
    earlier day; `rollouts` is how the windows of two versions are read; `release_policy` says what a version of a
    stream needs before it is promoted; `rollback` is how the versions of a stream are rolled back, unless the file
    `rollback_stop_file` exists; `drift` and `windows` are how drift is decided and how long windows wait for rows;
    `texts` is what may be shown of the texts of a client; `configured` reads what the state of models shows of the
    configuration and of its rule files.
    """

    store: Store
    clock: Clock
    access: Access
    settings: WebSettings
    version: str
    clients: Mapping[str, ClientSettings] = field(default_factory=dict)
    ready: Callable[[], Readiness] = lambda: Readiness(True)
    stuck: Callable[[], str] = lambda: ""
    base_seconds: int = 60
    meters: DaemonMeters = field(default_factory=DaemonMeters)
    counters: PredictionCounters = field(default_factory=PredictionCounters)
    measured: Callable[[], Measured] = dict
    channels: Sequence[str] = ()
    intake: Callable[[], IntakeStats | None] = lambda: None
    drilldowns: Drilldowns | None = None
    runbook: Callable[[Alert], str] = lambda _alert: ""
    rule: Callable[[str], Rule | None] = lambda _name: None
    rules: Callable[[], RuleSet] = RuleSet
    past: Past = no_past
    alerts: AlertSettings = field(default_factory=AlertSettings)
    importance: Mapping[str, float] = field(default_factory=dict)
    segment_features: int = 8
    metrics: MetricSettings = field(default_factory=MetricSettings)
    rollouts: ArmSettings = field(default_factory=lambda: ArmSettings(60))
    release_policy: Callable[[Stream], ReleasePolicy] = lambda _stream: ReleasePolicy()
    rollback: Callable[[Stream], RollbackSettings] = lambda _stream: RollbackSettings()
    rollback_stop_file: str = "rollback.stop"
    drift: DriftSettings = field(default_factory=DriftSettings)
    windows: WindowSettings = field(default_factory=WindowSettings)
    texts: Mapping[str, TextPolicy] = field(default_factory=dict)
    configured: Callable[[], Configured] = lambda: NOTHING_CONFIGURED
    surroundings: Surroundings = field(default_factory=Surroundings)
    drift_limits: Mapping[str, float] = field(default_factory=lambda: {"psi": 0.2, "drift_evidence": 1.0})

    def client(self, name: str) -> ClientSettings:
        """The settings of a client; defaults if it is not configured."""
        return self.clients.get(name, ClientSettings())

    def held(self, alerts: Sequence[Alert], silences: Sequence[Silence]) -> Mapping[str, str]:
        """What keeps firing alerts from being sent, by fingerprint; `alerts` are all that are open."""
        return suppressed(alerts, silences, self.clock.now(), self.alerts)

    @property
    def models(self) -> dict[str, list[str]]:
        """The models that the configuration names, by client."""
        return {client: list(settings.models) for client, settings in self.clients.items()}

    def without_data(self, with_data: Collection[Stream]) -> list[Stream]:
        """The configured models that are not among those `with_data`."""
        return [
            stream
            for client, models in self.models.items()
            for stream in client_state.without_data(client, models, with_data)
        ]


def of(request: Request[Any, Any, Any]) -> Services:
    """The services of the application that received the request."""
    services = request.app.state["services"]
    assert isinstance(services, Services)
    return services

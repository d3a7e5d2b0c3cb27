"""The whole configuration as one section: joins the sections of the rooms."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from monitor.alerts.settings import AlertSettings
from monitor.config.sections import Duration, FilePath, Section, WholeNumber
from monitor.drift.settings import DriftSettings
from monitor.expectations import suite
from monitor.expectations.expectation import Expectation
from monitor.exporters.push.registry import AnyExporter
from monitor.gauges.registry import AnyGauge
from monitor.health.settings import ClientSettings, ModelView
from monitor.metrics.quality.task import KINDS, Task, named
from monitor.metrics.section import MetricSection
from monitor.metrics.settings import FairnessSettings, MetricSettings, Ranking
from monitor.notify.settings import NotifySettings
from monitor.predictions.settings import PredictionSettings
from monitor.predictions.texts.answer_settings import AnswerSettings
from monitor.predictions.texts.policy import TextPolicy
from monitor.records import Stream
from monitor.releases.settings import ReleasePolicy, ReleaseSettings
from monitor.reports.settings import ReportSettings
from monitor.rollback.settings import KillSwitchSettings, RollbackSettings
from monitor.rollouts.settings import CanaryTolerances
from monitor.rules.settings import RuleSettings
from monitor.signals.plugins.plugin_names import name_of, target_of
from monitor.sites.settings import KnownSite, SiteSettings
from monitor.sources.probes import ProbeSettings
from monitor.sources.registry import AnySource
from monitor.store.settings import AuditSettings, StoreSettings
from monitor.web.settings import WebSettings
from monitor.windows.declared import agent_definitions
from monitor.windows.declared.agent_definitions import Agent
from monitor.windows.declared.baseline_definitions import DeclaredBaseline
from monitor.windows.declared.custom_metric import CustomMetric
from monitor.windows.declared.forecast import Forecast, definitions
from monitor.windows.declared.score_definitions import Anomaly, Survival, of_anomalies, of_survival
from monitor.windows.settings import BaselineSettings, WindowSettings


class LogSettings(Section):
    """The log of the daemon, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The lowest level that is logged: debug, info, warning or error."""
    format: Literal["text", "json"] = "text"
    """`text` writes `key=value` pairs (logfmt), `json` one object per line."""


class EvaluateSettings(Section):
    """The evaluation loop."""

    every: Duration = 2.0
    """Interval between ticks. In each tick, new rows are counted, metrics measured and rules evaluated."""
    recent: Duration = 12.0
    """Length of the open window (`over: open`)."""
    takeover: Duration = 15.0
    """With several daemons on one PostgreSQL, one evaluates rules. If it stops, another takes over after this
    time."""
    workers: WholeNumber = Field(default=1, ge=1, le=64)
    """Processes that count, measure and evaluate, each its share of the models. With 1, the daemon does so itself.
    More than there are free cores gain nothing."""


class ModelSettings(ModelView):
    """One model of a client: what the client reads about it, and what it is held against."""

    baseline: BaselineSettings = BaselineSettings()
    """The baseline of the model."""
    probe: ProbeSettings = ProbeSettings()
    """A health endpoint of the model."""
    releases: ReleasePolicy = ReleasePolicy()
    """What a version needs before it is promoted, and how alike environments are."""
    canary: CanaryTolerances = CanaryTolerances()
    """By how much a canary may be worse than the stable version. Applies to all environments."""
    rollback: RollbackSettings = RollbackSettings()
    """Automatic rollback of new versions. It is off until it is switched on."""
    answers: AnswerSettings = AnswerSettings()
    """What answers of a language model may name, and what its tokens cost."""
    expectations: FilePath | None = None
    """A file of expectations on the rows of the model, as `watchkeeper expectations suggest` writes it."""
    environment: str = "production"
    """The environment to which `baseline`, `probe`, `releases` and `rollback` apply."""

    @property
    def meant_task(self) -> str:
        """`task`, whatever is written: `survival` for a model with horizons, `anomaly` for one with a threshold whose
        prediction is the score.
        """
        if self.survival.horizons:
            return Task.SURVIVAL
        is_score = self.anomaly.threshold is not None and not self.anomaly.score
        return Task.ANOMALY if is_score else self.task

    @property
    def held_against(self) -> BaselineSettings:
        """`baseline`, whose answers are of the kind that `task` says."""
        kind = KINDS.get(named(self.meant_task))
        if kind is None or "prediction" in self.baseline.columns:
            return self.baseline
        return self.baseline.model_copy(update={"columns": {**self.baseline.columns, "prediction": kind}})


class ClientConfig(ClientSettings):
    """One client: how it is called, where it lives, what it reads, which models it has."""

    models: Mapping[str, ModelSettings] = {}
    """The client's models, by name."""
    texts: TextPolicy = TextPolicy.REDACT
    """What becomes of the texts of calls of language models after they are measured: `drop`, `redact` (kept without
    personal data and secrets) or `keep`."""


class Config(Section):
    """Everything that can be configured."""

    store: StoreSettings = StoreSettings()
    """The database."""
    audit: AuditSettings = AuditSettings()
    """The audit log: who read which client's data, and who changed what."""
    log: LogSettings = LogSettings()
    """The log of the daemon."""
    web: WebSettings = WebSettings()
    """The web server: address, access, limits."""
    evaluate: EvaluateSettings = EvaluateSettings()
    """The evaluation loop."""
    predictions: PredictionSettings = PredictionSettings()
    """The ingest of predictions and outcomes."""
    windows: WindowSettings = WindowSettings()
    """Windows, retention, slices."""
    metrics: MetricSection = MetricSection()
    """Requirements and thresholds of metrics."""
    drift: DriftSettings = DriftSettings()
    """The false-alarm budget of drift, and which changes are relevant."""
    rules: RuleSettings = RuleSettings()
    """Rule files."""
    alerts: AlertSettings = AlertSettings()
    """Routing, grouping, inhibition and fallback of notifications."""
    notify: NotifySettings = NotifySettings()
    """Notification channels."""
    reports: ReportSettings = ReportSettings()
    """Limits of Evidently reports."""
    sources: dict[str, AnySource] = {}
    """Message brokers from which records are fetched, by name."""
    gauges: dict[str, AnyGauge] = {}
    """Machines, GPUs, model servers and queues whose figures are read, by name."""
    exporters: dict[str, AnyExporter] = {}
    """Systems to which metrics are sent, by name: Datadog, New Relic, OTLP, Prometheus remote write, StatsD."""
    signals: dict[Annotated[str, AfterValidator(name_of)], Annotated[str, AfterValidator(target_of)]] = {}
    """Signals of your own for language models: the name of each, and its function as `package.module:function`."""
    releases: ReleaseSettings = ReleaseSettings()
    """Records of releases from MLflow's model registry."""
    rollback: KillSwitchSettings = KillSwitchSettings()
    """The kill switch of all rollbacks."""
    site: SiteSettings = SiteSettings()
    """Makes this daemon a site: what it counts is sent to an agency in signed bundles."""
    sites: dict[str, KnownSite] = {}
    """The sites whose bundles this daemon accepts, by name."""
    clients: dict[str, ClientConfig] = {}
    """Clients and their models. If none is configured, the daemon accepts every client."""

    def streams(self) -> dict[Stream, ModelSettings]:
        """The configured models as streams."""
        return {
            Stream(client, name, model.environment): model
            for client, section in self.clients.items()
            for name, model in section.models.items()
        }

    def measuring(self) -> MetricSettings:
        """What measuring needs to know: the section `metrics`, and the tasks and groups of the models."""
        models = [
            (client, name, model)
            for client, section in self.clients.items()
            for name, model in section.models.items()
        ]
        tasks = {(client, name): model.meant_task for client, name, model in models if model.meant_task}
        fairness = {
            (client, name): FairnessSettings(**dict(model.fairness))
            for client, name, model in models
            if model.fairness.groups
        }
        forecasts = {
            (client, name): Forecast(**dict(model.forecast))
            for client, name, model in models
            if model.forecast.is_on
        }
        rankings = {(client, name): Ranking(**dict(model.ranking)) for client, name, model in models}
        cost_matrices = {
            (client, name): model.cost_matrix for client, name, model in models if model.cost_matrix
        }
        anomalies = {
            (client, name): Anomaly(**dict(model.anomaly))
            for client, name, model in models
            if model.anomaly.threshold is not None
        }
        return replace(
            self.metrics.settings(),
            tasks=tasks,
            fairness=fairness,
            forecasts=forecasts,
            rankings=rankings,
            cost_matrices=cost_matrices,
            anomalies=anomalies,
        )

    def model(self, stream: Stream) -> ModelSettings:
        """The section of a stream's model, or the defaults."""
        client = self.clients.get(stream.client)
        if client is None:
            return _UNNAMED
        model = client.models.get(stream.model, _UNNAMED)
        if not client.metrics:
            return model
        return model.model_copy(update={"metrics": {**client.metrics, **model.metrics}})

    def suites(self, models: Iterable[tuple[str, str]]) -> dict[tuple[str, str], list[Expectation]]:
        """The expectations of the configured models, and of `models`, by client and model.

        Raises:
            ConfigError: with every mistake of a file as file:line:column.
        """
        configured = {(client, name) for client, section in self.clients.items() for name in section.models}
        files = {key: self.model(Stream(*key)).expectations for key in sorted({*configured, *models})}
        return {key: suite.load(file) if file is not None else [] for key, file in files.items()}

    def custom_metrics(self, models: Iterable[tuple[str, str]]) -> dict[tuple[str, str], list[CustomMetric]]:
        """The own metrics of the configured models, and of `models`, by client and model; with those of
        forecasts, scores and agents.
        """
        configured = {(client, name) for client, section in self.clients.items() for name in section.models}
        views = {key: self.model(Stream(*key)) for key in sorted({*configured, *models})}
        return {key: _custom_metrics_of(view) for key, view in views.items()}

    def declared_of(self, stream: Stream) -> DeclaredBaseline:
        """What the baseline of a stream counts beside its columns."""
        view = self.model(stream)
        return DeclaredBaseline.of(_custom_metrics_of(view), Forecast(**dict(view.forecast)).learned)

    def release_policy(self, stream: Stream) -> ReleasePolicy:
        """What a version needs before it is promoted to the stream's environment."""
        model = self.model(stream)
        if model.environment == stream.environment:
            return model.releases
        return ReleasePolicy(parity=model.releases.parity, gate=model.releases.gate)


def _custom_metrics_of(view: ModelSettings) -> list[CustomMetric]:
    """The own metrics of a model, with those of its kind of task."""
    return [
        *(CustomMetric(name, one.compiled, one.shown_unit, one.better) for name, one in view.metrics.items()),
        *(definitions(Forecast(**dict(view.forecast))) if view.forecast.is_on else ()),
        *(of_anomalies(Anomaly(**dict(view.anomaly))) if view.anomaly.threshold is not None else ()),
        *agent_definitions.definitions(Agent(**dict(view.agent))),
        *of_survival(Survival(**dict(view.survival))),
    ]


_UNNAMED = ModelSettings()
EXAMPLES = {
    "sources": "orders",
    "gauges": "machine",
    "exporters": "metrics",
    "sites": "plant-7",
    "clients": "acme",
    "clients.*.models": "fraud",
    "clients.*.metrics": "refund_rate",
    "clients.*.models.*.metrics": "refund_rate",
}
"""The names that stand for any name in `config/full.yaml`."""

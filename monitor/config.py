"""The whole configuration: joins the sections of the rooms, reads the file, checks what spans two of them."""

from collections.abc import Mapping
from pathlib import Path

from monitor.alerts.settings import AlertSettings
from monitor.drift.settings import DriftSettings
from monitor.errors import ConfigError, Problem
from monitor.health.settings import ClientSettings, ModelView
from monitor.metrics.section import MetricSection
from monitor.notify.settings import NotifySettings
from monitor.predictions.settings import PredictionSettings
from monitor.records import Stream
from monitor.reports.settings import ReportSettings
from monitor.rules.settings import RuleSettings
from monitor.settings import Duration, Section
from monitor.sources.probes import ProbeSettings
from monitor.store.settings import StoreSettings
from monitor.web.settings import WebSettings
from monitor.windows.settings import BaselineSettings, WindowSettings
from monitor.yamlfile import Document, read, validate


class EvaluateSettings(Section):
    """How often the daemon looks."""

    every: Duration = 2.0
    """From one tick to the next: new rows are counted, figures measured, rules judged."""
    recent: Duration = 12.0
    """What rules see as the open window: what came in during the last seconds."""
    takeover: Duration = 15.0
    """Of several daemons on one PostgreSQL one judges; when it is silent for so long, another does."""


class ModelSettings(ModelView):
    """One model of a client: what the client reads about it, and what it is held against."""

    baseline: BaselineSettings = BaselineSettings()
    """What the model's windows are held against."""
    probe: ProbeSettings = ProbeSettings()
    """A health address of the model."""
    environment: str = "production"
    """The environment that baseline and probe belong to."""


class ClientConfig(ClientSettings):
    """One client: how it is called, where it lives, what it reads, which models it has."""

    models: Mapping[str, ModelSettings] = {}
    """The client's models, by name."""


class Config(Section):
    """Everything that can be configured."""

    store: StoreSettings = StoreSettings()
    """Where everything is kept."""
    web: WebSettings = WebSettings()
    """Where the daemon listens, and who may see what."""
    evaluate: EvaluateSettings = EvaluateSettings()
    """How often the daemon looks."""
    predictions: PredictionSettings = PredictionSettings()
    """How predictions and outcomes are taken in."""
    windows: WindowSettings = WindowSettings()
    """How event time is cut, and what is counted apart."""
    metrics: MetricSection = MetricSection()
    """What the figures need to know."""
    drift: DriftSettings = DriftSettings()
    """How many false alarms are bearable, and which differences matter."""
    rules: RuleSettings = RuleSettings()
    """What is not acceptable."""
    alerts: AlertSettings = AlertSettings()
    """Who is told what, when, and what is held back."""
    notify: NotifySettings = NotifySettings()
    """The channels by which people are told."""
    reports: ReportSettings = ReportSettings()
    """What a drill-down report may take."""
    clients: dict[str, ClientConfig] = {}
    """Whose models are watched. With none named, every client is taken in."""

    def streams(self) -> dict[Stream, ModelSettings]:
        """The configured models as streams."""
        return {
            Stream(client, name, model.environment): model
            for client, section in self.clients.items()
            for name, model in section.models.items()
        }

    def model(self, stream: Stream) -> ModelSettings:
        """The section of a stream's model, or the defaults."""
        client = self.clients.get(stream.client)
        return client.models.get(stream.model, ModelSettings()) if client else ModelSettings()


EXAMPLES = {"clients": "acme", "clients.*.models": "fraud"}
"""The names that stand for any name in `config/full.yaml`."""


def load(path: Path) -> Config:
    """Read and check a configuration file.

    Raises:
        ConfigError: with every mistake as file:line:column.
    """
    document = read(path)
    if not isinstance(document.data, dict):
        raise ConfigError([document.problem((), "is not a mapping of sections such as store, web, clients")])
    config = validate(Config, document, document.data)
    if problems := list(_across(config, document)):
        raise ConfigError(problems)
    return _with_address(config)


def _with_address(config: Config) -> Config:
    """Links in notifications begin as all others do, unless they have an address of their own."""
    if config.alerts.public_url or not config.web.public_url:
        return config
    alerts = config.alerts.model_copy(update={"public_url": config.web.public_url})
    return config.model_copy(update={"alerts": alerts})


def _across(config: Config, document: Document) -> list[Problem]:
    """What no section can see alone."""
    problems = []
    for name in ("certificate", "private_key"):
        file = getattr(config.web, name)
        if file is not None and not file.exists():
            problems.append(document.problem(("web", name), f"the file {file} does not exist"))
    for client, section in config.clients.items():
        for model, settings in section.models.items():
            file = settings.baseline.file
            if file is not None and not file.exists():
                key = ("clients", client, "models", model, "baseline", "file")
                problems.append(document.problem(key, f"the file {file} does not exist"))
    for name in config.predictions.samples:
        client, _, model = name.partition("/")
        if config.clients and model not in config.clients.get(client, ClientConfig()).models:
            reason = "no such client and model under clients"
            problems.append(document.problem(("predictions", "samples", name), reason))
    return problems

"""Checks what no section of the configuration can see alone: files, names, channels, digests, targets."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from monitor.alerts.settings import AlertSettings
from monitor.config.schema import ClientConfig, Config, ModelSettings
from monitor.config.units import HOUR, format_duration
from monitor.config.yaml import Document, not_a_share, suggest
from monitor.config.yaml_text import Key
from monitor.errors import ConfigError, Problem
from monitor.expectations import suite
from monitor.health.declared.custom_metric_settings import CustomMetrics
from monitor.metrics import METRICS
from monitor.notify import CHANNELS as CHANNEL_CLASSES
from monitor.records import DAEMON
from monitor.sources.http_push import HttpSettings
from monitor.text_limits import flaw_of_name
from monitor.visible import visible

CHANNELS = tuple(channel.name for channel in CHANNEL_CLASSES)
_BASE_WINDOWS = tuple(length for length in (*range(1, 60), *range(60, HOUR + 1, 60)) if HOUR % length == 0)
"""Lengths of base windows to propose, in seconds."""
_INTEGRATION_KEY = re.compile(r"[A-Za-z0-9]{32}")
_UNBOUNDED = frozenset(
    (
        "estimate_gap",
        "mape",
        "spread_shift",
        "wape",
        "bias_share",
        "coverage_shortfall",
        "ranking_decline",
        "task_decline",
    )
)
"""Metrics in the unit `share` that can be more than 1, or less than 0."""
_SHARES = frozenset(m.name for m in METRICS if m.unit == "share" and m.name not in _UNBOUNDED) | {
    "confidence_mean",
    "estimated_roc_auc",
    "pr_auc",
    "r_squared",
    "roc_auc",
}
_DEFAULT_CHANNELS: Mapping[object, tuple[str, ...]] = {
    name: getattr(AlertSettings(), name).channels for name in ("critical", "warning", "info", "fallback")
}
_NAMES = [metric.name for metric in METRICS]


def across(config: Config, document: Document) -> Iterator[Problem]:
    """Every mistake that spans two sections. `config` may lack the values that have mistakes of their own."""
    yield from _base_window(config, document)
    yield from _certificates(config, document)
    yield from _names(config, document)
    for client, section in config.clients.items():
        if flaw := "is the daemon itself" if client == DAEMON.client else flaw_of_name(client):
            yield document.problem(("clients", client), f"the name {visible(client)!r} {flaw}")
        for model, settings in section.models.items():
            key = ("clients", client, "models", model)
            if flaw := flaw_of_name(model):
                yield document.problem(key, f"the name {visible(model)!r} {flaw}")
            yield from _model(settings, key, document, section.metrics)
        yield from _custom_metrics(section.metrics, ("clients", client), document)
        for model in section.sampled:
            if section.models and model not in section.models:
                reason = f"is none of the models of {client}: {', '.join(map(visible, section.models))}"
                yield document.problem(("clients", client, "sampled", model), reason)
        yield from _digest(section, ("clients", client, "digest"), document)
    yield from _audit(config, document)
    yield from _workers(config, document)
    yield from _sources(config, document)
    yield from _exporters(config, document)
    yield from _connections(config, document)
    yield from _samples(config, document)
    yield from _routes(document)
    yield from _routing_keys(document)
    yield from _dropped_parts(config, document)
    yield from _clients_of_channels(config, document)


def _base_window(config: Config, document: Document) -> Iterator[Problem]:
    """Hours are sums of base windows: one that reaches over a full hour would be in none."""
    length = config.predictions.base_window
    if HOUR % length or length % 1:
        fitting = max(one for one in _BASE_WINDOWS if one <= length)
        reason = (
            f"{format_duration(length)} is no number of seconds that divides an hour: what reaches over a full "
            f"hour would be missing in all figures of hours and days. Use {format_duration(fitting)}"
        )
        yield document.problem(("predictions", "base_window"), reason)


def _names(config: Config, document: Document) -> Iterator[Problem]:
    for place, names in (
        ("sources", config.sources),
        ("gauges", config.gauges),
        ("exporters", config.exporters),
    ):
        for name in names:
            if flaw := flaw_of_name(name):
                yield document.problem((place, name), f"the name {visible(name)!r} {flaw}")


def _sources(config: Config, document: Document) -> Iterator[Problem]:
    paths: dict[str, str] = {}
    for name, source in config.sources.items():
        path = source.path_of(name) if isinstance(source, HttpSettings) else ""
        if path and paths.setdefault(path, name) != name:
            yield document.problem(("sources", name, "url_path"), f"source {paths[path]} has the same path")
        if getattr(source, "overlap", 0.0) * 2 > config.predictions.resend_window:
            reason = "must be at most half of predictions.resend_window, within which rows are recognized"
            yield document.problem(("sources", name, "overlap"), reason)


def _connections(config: Config, document: Document) -> Iterator[Problem]:
    """Files of certificates that do not exist. Without those of a channel the daemon does not start; an exporter waits
    for its own.
    """
    places: list[tuple[Key, Any]] = [(("exporters", name), one) for name, one in config.exporters.items()]
    places += [(("notify", name), getattr(config.notify, name)) for name in type(config.notify).model_fields]
    for key, section in places:
        for name in ("ca_file", "client_certificate", "client_key"):
            path = getattr(section, name, "")
            if path and not Path(path).exists():
                severity = "warning" if key[0] == "exporters" else "error"
                yield document.problem((*key, name), f"the file {path} does not exist", severity)


def _exporters(config: Config, document: Document) -> Iterator[Problem]:
    """Clients that an exporter names and nobody has configured."""
    for name, exporter in config.exporters.items():
        for index, client in enumerate(exporter.clients if config.clients else ()):
            if client not in config.clients:
                reason = f"no client {client!r} under clients{suggest(client, config.clients)}"
                yield document.problem(("exporters", name, "clients", index), reason)


def _certificates(config: Config, document: Document) -> Iterator[Problem]:
    for name in ("certificate", "private_key"):
        yield from _missing(getattr(config.web, name), ("web", name), document)


def _missing(file: Path | None, key: Key, document: Document) -> Iterator[Problem]:
    if file is None or file.exists():
        return
    folder = Path(document.path).parent
    shown = (
        f"{file.relative_to(folder)} does not exist in {folder}"
        if folder in file.parents
        else f"{file} does not exist"
    )
    yield document.problem(key, f"the file {shown}")


def _model(
    settings: ModelSettings, key: Key, document: Document, metrics: CustomMetrics
) -> Iterator[Problem]:
    """The baseline's file, and whether each target is one that the metric can have."""
    yield from _missing(settings.baseline.file, (*key, "baseline", "file"), document)
    yield from _expectations(settings.expectations, (*key, "expectations"), document)
    if settings.quality and settings.quality not in _NAMES:
        reason = (
            f"unknown metric {settings.quality!r}{suggest(settings.quality, _NAMES)}: see docs/metrics.md"
        )
        yield document.problem((*key, "quality"), reason)
    target = settings.target
    if target is not None and settings.quality in _SHARES and not 0 <= target <= 1:
        yield document.problem((*key, "target"), not_a_share(target))
    elif target is not None and target > 1 and not settings.quality and settings.task != "regression":
        reason = f"{not_a_share(target)}; if it is not a share, name its metric in `quality`"
        yield document.problem((*key, "target"), reason, "warning")
    yield from _targets(settings, key, document, metrics)


def _targets(
    settings: ModelSettings, key: Key, document: Document, metrics: CustomMetrics
) -> Iterator[Problem]:
    """The own metrics of a model, and its targets; `metrics` are those of its client."""
    yield from _custom_metrics(settings.metrics, key, document)
    for name, limit in settings.targets.items():
        own = settings.metrics.get(name) or metrics.get(name)
        is_share = name in _SHARES if own is None else own.shown_unit == "share"
        if own is None and name not in _NAMES:
            reason = (
                f"unknown metric{suggest(name, [*_NAMES, *settings.metrics, *metrics])}: see docs/metrics.md"
            )
            yield document.problem((*key, "targets", name), reason)
        elif is_share and not 0 <= limit <= 1:
            yield document.problem((*key, "targets", name), not_a_share(limit))


def _expectations(file: Path | None, key: Key, document: Document) -> Iterator[Problem]:
    """The file of expectations, with its own mistakes."""
    yield from _missing(file, key, document)
    if file is not None and file.exists():
        try:
            suite.load(file)
        except ConfigError as error:
            yield from error.problems


def _custom_metrics(metrics: CustomMetrics, key: Key, document: Document) -> Iterator[Problem]:
    for name, one in metrics.items():
        if name in _NAMES:
            yield document.problem(
                (*key, "metrics", name), "is the name of a metric of Watchkeeper: use another"
            )
        if one.target is not None and one.shown_unit == "share" and not 0 <= one.target <= 1:
            yield document.problem((*key, "metrics", name, "target"), not_a_share(one.target))
        if one.target is not None and one.audience != "client":
            reason = "a target is agreed with the client, who then sees it: remove target, or audience"
            yield document.problem((*key, "metrics", name, "target"), reason)
        if one.target is not None and one.lower_is_better is None:
            reason = "a target needs to know its direction: add lower_is_better: true or false"
            yield document.problem((*key, "metrics", name, "target"), reason)


def _digest(section: ClientConfig, key: Key, document: Document) -> Iterator[Problem]:
    digest = section.digest
    if digest.to and not _is_configured("email", document):
        reason = "these digests cannot be sent: configure `notify.email`"
        yield document.problem((*key, "to"), reason, "warning")
    if digest.slack and not _is_configured("slack", document):
        reason = "these digests cannot be sent: configure `notify.slack`"
        yield document.problem((*key, "slack"), reason, "warning")
    if digest.service_reports and not digest.to:
        reason = "service reports are sent by email: add `to: [name@example.org]`"
        yield document.problem((*key, "service_reports"), reason, "warning")
    elif key in document.positions and not digest.to and not digest.slack:
        reason = "this digest has no recipients: add `to: [name@example.org]` or `slack: true`"
        yield document.problem(key, reason, "warning")


def _audit(config: Config, document: Document) -> Iterator[Problem]:
    if config.audit.report is None:
        return
    reason = "add `to: [name@example.org]`" if not config.audit.to else ""
    if not _is_configured("email", document):
        reason = "configure `notify.email`"
    if reason:
        yield document.problem(("audit", "report"), f"this report cannot be sent: {reason}", "warning")


def _workers(config: Config, document: Document) -> Iterator[Problem]:
    """Processes cannot share a database in the memory of one."""
    if config.evaluate.workers > 1 and config.store.url in ("sqlite://", "sqlite:///:memory:"):
        reason = "has no effect: the database is in memory. Name a file or a server in `store.url`"
        yield document.problem(("evaluate", "workers"), reason, "warning")


def _samples(config: Config, document: Document) -> Iterator[Problem]:
    for name in config.predictions.samples:
        client, _, model = name.partition("/")
        if config.clients and model not in config.clients.get(client, ClientConfig()).models:
            yield document.problem(("predictions", "samples", name), "no such client and model under clients")


def _routes(document: Document) -> Iterator[Problem]:
    """Channels of written routes that do not exist or are not configured."""
    alerts = _mapping(document.data, "alerts")
    places: list[tuple[Key, Any]] = [
        (("alerts", name), alerts.get(name)) for name in ("critical", "warning", "info", "fallback")
    ]
    routes = alerts.get("routes")
    if isinstance(routes, Sequence) and not isinstance(routes, str):
        places += [(("alerts", "routes", index), route) for index, route in enumerate(routes)]
    for key, route in places:
        channels = route.get("channels") if isinstance(route, Mapping) else None
        if not isinstance(channels, list) or tuple(channels) == _DEFAULT_CHANNELS.get(key[-1]):
            continue
        for index, name in enumerate(channels):
            at = (*key, "channels", index)
            if not isinstance(name, str):
                continue
            if name not in CHANNELS:
                use = f"use one of {', '.join(CHANNELS)}"
                yield document.problem(at, f"unknown channel {name!r}{suggest(name, CHANNELS)}: {use}")
            elif not _is_configured(name, document):
                reason = f"the channel {name!r} is not configured: add `notify.{name}`, or remove it here"
                yield document.problem(at, reason, "warning")


def _routing_keys(document: Document) -> Iterator[Problem]:
    settings = _mapping(_mapping(document.data, "notify"), "pagerduty")
    base = ("notify", "pagerduty")
    keys: dict[Key, Any] = {(*base, "routing_key"): settings.get("routing_key")}
    keys |= {(*base, "clients", client): key for client, key in _mapping(settings, "clients").items()}
    for at, text in keys.items():
        if isinstance(text, str) and not _INTEGRATION_KEY.fullmatch(text):
            reason = (
                f"is not an integration key: it has {len(text)} characters instead of 32 letters and digits. "
                "Copy it from the Integrations tab of the PagerDuty service (Events API v2)"
            )
            yield document.problem(at, reason, "warning")


def _dropped_parts(config: Config, document: Document) -> Iterator[Problem]:
    """Parts of PagerDuty's addresses that have no effect. Earlier versions took them, so they are no mistakes."""
    written = _mapping(_mapping(document.data, "notify"), "pagerduty")
    for name, usual in (("events_url", "/v2/enqueue"), ("api_url", "")):
        text, used = written.get(name), getattr(config.notify.pagerduty, name, None)
        dropped = text.strip()[len(used) :].rstrip("/") if isinstance(text, str) and used else ""
        if dropped not in ("", usual):
            reason = f"{dropped!r} has no effect: requests go to the paths of PagerDuty's API at {used}"
            yield document.problem(("notify", "pagerduty", name), reason, "warning")


def _clients_of_channels(config: Config, document: Document) -> Iterator[Problem]:
    for channel in ("pagerduty", "jsm", "email", "slack", "teams"):
        named = _mapping(_mapping(_mapping(document.data, "notify"), channel), "clients")
        for client in named if config.clients else ():
            if client not in config.clients:
                reason = f"no client {client!r} under clients{suggest(client, config.clients)}"
                yield document.problem(("notify", channel, "clients", client), reason, "warning")


def _is_configured(channel: str, document: Document) -> bool:
    """Whether `notify` has a section for a channel, also one with mistakes."""
    value = _mapping(document.data, "notify").get(channel, channel == "console")
    return value is not None and value is not False


def _mapping(data: Any, name: str) -> Mapping[str, Any]:
    value = data.get(name)
    return value if isinstance(value, Mapping) else {}

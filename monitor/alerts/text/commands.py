"""First checks as commands to paste into a shell on the daemon's machine, with the alert's own names. Pure."""

import shlex
from collections.abc import Callable, Mapping, Sequence

from monitor.alerts.settings import AlertSettings, LocatedAlertSettings
from monitor.records import DAEMON, Alert
from monitor.rules.engine import no_data

Arguments = Callable[[Alert], tuple[str, ...]]


def _path(alert: Alert) -> str:
    return f"{alert.stream}/{alert.rule}"


def _status(alert: Alert) -> tuple[str, ...]:
    return ("status",) if alert.stream == DAEMON else ("status", "--client", alert.stream.client)


def _report(alert: Alert) -> tuple[str, ...]:
    return ("report", _path(alert), "--out", "report.html")


def _quarantine(alert: Alert) -> tuple[str, ...]:
    return ("quarantine",) if alert.stream == DAEMON else ("quarantine", "--client", alert.stream.client)


_BY_RULE: Mapping[str, Arguments] = {
    "WrongKeyRejections": lambda _: ("key", "list"),
    "UnusualAccess": lambda _: ("audit", "list", "--last", "3h"),
    "NotificationsStuck": lambda _: ("doctor",),
    "SetAside": lambda _: ("doctor",),
    "RuleErrors": lambda _: ("check-config",),
    "ConfigReloadFailed": lambda _: ("check-config",),
}
_BY_METRIC: Mapping[str, Arguments] = {
    "drift_evidence": _report,
    "psi": _report,
    "missing_share": _report,
    "new_category_share": _report,
    "schema_changes": _quarantine,
    "throughput": _quarantine,
    "silence_seconds": _quarantine,
}


def commands(alert: Alert, settings: AlertSettings) -> tuple[str, ...]:
    """The commands to run first, quoted for a shell: why the alert fires, the model's figures, and one for its kind."""
    if alert.rule == no_data.NAME:
        wanted = [("explain", _path(alert)), _status(alert), _quarantine(alert)]
    else:
        own = _BY_RULE.get(alert.rule) or _BY_METRIC.get(alert.metric)
        wanted = [("explain", _path(alert)), *([own(alert)] if own is not None else []), _status(alert)]
    return tuple(_shell("watchkeeper", *arguments, *_config(settings)) for arguments in wanted)


def storm_commands(members: Sequence[Alert], settings: AlertSettings) -> tuple[str, ...]:
    """The command that lists all alerts of several models, of one client or of all."""
    clients = {alert.stream.client for alert in members}
    of = ("--client", *clients) if len(clients) == 1 else ()
    return (_shell("watchkeeper", "alerts", *of, *_config(settings)),)


def _config(settings: AlertSettings) -> tuple[str, ...]:
    file = settings.config_file if isinstance(settings, LocatedAlertSettings) else ""
    return ("--config", file) if file else ()


def _shell(*arguments: str) -> str:
    return " ".join(shlex.quote(argument) for argument in arguments)

"""Everything else that Apprise can reach: Teams, Discord, Telegram, ntfy, SMS gateways, Opsgenie, and more.

Opsgenie's API ends in April 2027; reach it, or Jira Service Management, through here until you have moved.
"""

import importlib
from collections.abc import Callable
from typing import Any

from pydantic import field_validator

from monitor.alerts.notification import Notification
from monitor.notify.channel import PAGES, Rate
from monitor.notify.failure import AttemptError, Kind
from monitor.notify.text import headline, lines
from monitor.records import Action
from monitor.settings import Secret, Section


class AppriseSettings(Section):
    """Any service that Apprise knows; needs the extra `apprise`."""

    urls: tuple[Secret, ...]
    """Apprise addresses, such as ntfy://topic."""

    @field_validator("urls")
    @classmethod
    def _is_not_empty(cls, value: tuple[Secret, ...]) -> tuple[Secret, ...]:
        if not value:
            msg = "needs at least one address"
            raise ValueError(msg)
        return value


class Apprise:
    """One notification to every address; it counts as told when all of them took it."""

    name = "apprise"
    rate: Rate | None = Rate(burst=5, per_second=0.5)
    actions = PAGES | {Action.MESSAGE}

    def __init__(self, settings: AppriseSettings, load: Callable[[], Any] | None = None) -> None:
        self._settings = settings
        self._load = load or _load
        self._service: Any = None

    def send(self, notification: Notification) -> str:
        """One notification, one attempt."""
        service = self._service = self._service or self._connected()
        kind = (
            "success" if notification.action is Action.RESOLVE else _KINDS.get(notification.severity, "info")
        )
        body = "\n".join(lines(notification)[1:])
        if not service.notify(title=headline(notification), body=body, notify_type=kind):
            raise AttemptError("Apprise could not tell every address", Kind.UNREACHABLE)
        return f"told through {len(service)} addresses"

    def close(self) -> None:
        """Nothing to give back."""

    def _connected(self) -> Any:
        service = self._load().Apprise()
        for url in self._settings.urls:
            if not service.add(url.get_secret_value()):
                raise AttemptError("Apprise does not understand an address", Kind.MISCONFIGURED)
        return service


_KINDS = {"critical": "failure", "warning": "warning", "info": "info"}


def _load() -> Any:
    """Import Apprise when it is first needed: it is heavy, and an extra."""
    try:
        return importlib.import_module("apprise")
    except ImportError as error:
        words = "Apprise is not installed (pip install 'watchkeeper[apprise]')"
        raise AttemptError(words, Kind.MISCONFIGURED) from error

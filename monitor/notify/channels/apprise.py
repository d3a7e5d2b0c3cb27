"""All services that Apprise supports: Teams, Discord, Telegram, ntfy, SMS gateways, Opsgenie and more.

Opsgenie's API ends in April 2027; use this channel for it, or for Jira Service Management.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import msgspec
from pydantic import field_validator

from monitor.alerts.notification import Notification, legible
from monitor.config.sections import Secret, Section
from monitor.notify.channel import PAGES, RateLimit
from monitor.notify.channels import apprise_process
from monitor.notify.failure import AttemptError, FailureKind
from monitor.notify.text import headline, lines, unpinged
from monitor.records import Action
from monitor.visible import JOINERS, one_line, visible

PROCESS_SECONDS = 30.0
"""Deadline for all addresses together, including the start of Apprise."""


class AppriseSettings(Section):
    """Any service that Apprise supports; needs the extra `apprise`."""

    urls: tuple[Secret, ...]
    """Apprise URLs, such as ntfy://topic."""

    @field_validator("urls")
    @classmethod
    def _is_not_empty(cls, value: tuple[Secret, ...]) -> tuple[Secret, ...]:
        if not value:
            msg = "needs at least one address"
            raise ValueError(msg)
        return value


class Apprise:
    """Sends to every address; the attempt succeeds if all of them accept.

    Apprise runs in a child process, which is killed at the deadline.
    """

    name = "apprise"
    seconds = PROCESS_SECONDS
    rate: RateLimit | None = RateLimit(burst=5, per_second=0.5)
    actions = PAGES | {Action.MESSAGE}

    def __init__(self, settings: AppriseSettings) -> None:
        self._urls = [url.get_secret_value() for url in settings.urls]

    def send(self, notification: Notification) -> str:
        """One notification, one attempt."""
        answer = self._run(_request(notification, self._urls))
        if reason := answer.get("error"):
            raise AttemptError(str(reason), FailureKind.MISCONFIGURED)
        if failed := answer.get("failed"):
            numbers = ", ".join(str(number) for number in failed)
            raise AttemptError(f"Apprise could not notify address {numbers}", FailureKind.UNREACHABLE)
        count = len(self._urls)
        return f"sent to {count} {'address' if count == 1 else 'addresses'}"

    def close(self) -> None:
        """Nothing to close."""

    def _run(self, request: bytes) -> Mapping[str, Any]:
        command = [sys.executable, "-P", apprise_process.__file__]  # -P: `email` here is not Python's
        environment = {**os.environ, "MALLOC_ARENA_MAX": "2"}
        try:
            done = subprocess.run(  # noqa: S603 - our own program; the request is on its standard input
                command,
                input=request,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=self.seconds,
                check=True,
            )
            answer: dict[str, Any] = msgspec.json.decode(done.stdout, type=dict[str, Any])
        except subprocess.TimeoutExpired as error:
            words = f"Apprise did not finish within {self.seconds:g} s"
            raise AttemptError(words, FailureKind.UNREACHABLE) from error
        except (subprocess.SubprocessError, OSError, msgspec.MsgspecError, RecursionError) as error:
            words = f"the Apprise process failed: {error}"
            raise AttemptError(words, FailureKind.UNREACHABLE) from error
        return answer


_KINDS = {"critical": "failure", "warning": "warning", "info": "info"}


def _request(notification: Notification, urls: list[str]) -> bytes:
    notification = legible(notification)
    kind = "success" if notification.action is Action.RESOLVE else _KINDS.get(notification.severity, "info")
    if notification.message is not None:
        title, body = one_line(notification.message.subject), notification.message.text
    else:
        title, body = headline(notification), "\n".join(lines(notification)[1:])
    request = {
        "urls": urls,
        "title": unpinged(title),
        "body": unpinged(visible(body, keep="\n\t" + JOINERS)),
        "type": kind,
    }
    return msgspec.json.encode(request)

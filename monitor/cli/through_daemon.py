"""Commands that ask the running daemon, with a key of staff, so that its roles hold for them too.

The daemon makes small changes itself. Commands that read, and those that work long on files, ask for leave, and then
use the database.

Without a key, a command uses the database itself: whoever may read configuration and database is trusted. With
`web.commands_need_key`, it then refuses while the daemon runs. Either way there is an entry in the audit log.
"""

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from monitor.errors import AccessError, InputError, NotFoundError, WatchkeeperError
from monitor.visible import visible

if TYPE_CHECKING:
    from monitor.config.root import Config
    from monitor.records import Stream
    from monitor.store.audit import Entry

KEY, URL = "WATCHKEEPER_KEY", "WATCHKEEPER_URL"
SECONDS = 20.0


class RunningDaemon:
    """The API of the daemon, with the key of whoever runs the command."""

    def __init__(self, url: str, key: str) -> None:
        self._url, self._key = url.rstrip("/"), key

    def post(self, path: str, content: Any = None, prefix: str = "/api/v1") -> dict[str, Any]:
        """What the daemon answers to a change.

        Raises:
            WatchkeeperError: it refuses it, or does not answer.
        """
        from monitor import outgoing

        headers = {"Authorization": f"Bearer {self._key}", "Accept": "application/json"}
        try:
            with outgoing.client(SECONDS) as client:
                answer = client.post(f"{self._url}{prefix}/{path}", json=content, headers=headers)
            answered = answer.json()
        except outgoing.FAILURES as error:
            hint = f"start it, set {URL}, or unset {KEY} to change the database itself"
            message = f"the daemon at {visible(self._url)} does not answer: {outgoing.reason(error)}"
            raise WatchkeeperError(message, hint=hint) from error
        if answer.status_code in (200, 201) and isinstance(answered, dict):
            return answered
        raise _error(answer.status_code, answered if isinstance(answered, dict) else {})


def ask_leave(settings: "Config", entry: "Entry") -> None:
    """Ask the running daemon whether a command may do what its entry in the audit log says.

    Raises:
        AccessError: it may not, or it needs a key.
    """
    if (daemon := running(settings)) is not None:
        is_change = entry.action == "change"
        daemon.post("commands", {"words": entry.target, "client": entry.client, "change": is_change})


def named(stream: "Stream") -> dict[str, str]:
    """A model as the daemon reads it."""
    return {"client": stream.client, "model": stream.model, "environment": stream.environment}


def part(text: str) -> str:
    """A text as one part of a path."""
    return quote(text, safe="")


def running(settings: "Config") -> RunningDaemon | None:
    """The daemon to ask for a change; None if the command changes the database itself.

    Raises:
        AccessError: the daemon runs, and the configuration wants a key.
    """
    web = settings.web
    url = os.environ.get(URL, "").strip() or (web.public_url if web.certificate else web.local_url)
    if key := os.environ.get(KEY, "").strip():
        if not url:
            raise InputError("the address of the daemon is not known", hint=f"set {URL}")
        return RunningDaemon(url, key)
    if web.commands_need_key and url and _answers(url):
        raise AccessError(
            "the daemon runs, and commands need a key", hint=f"set {KEY} to a key of kind staff"
        )
    return None


def _answers(url: str) -> bool:
    from monitor import outgoing

    try:
        with outgoing.client(2.0) as client:
            return client.get(f"{url.rstrip('/')}/healthz").status_code in (200, 503)
    except outgoing.FAILURES:
        return False


def _error(status: int, content: dict[str, Any]) -> WatchkeeperError:
    message, hint = (
        visible(str(content.get("error", f"the daemon answered {status}"))),
        visible(str(content.get("hint", ""))),
    )
    if status in (401, 403):
        return AccessError(message, hint=hint or f"{KEY} needs a key of staff with the right role")
    if status == 404:
        return NotFoundError(message, hint=hint)
    return (
        InputError(message, hint=hint) if status in (400, 413, 422) else WatchkeeperError(message, hint=hint)
    )

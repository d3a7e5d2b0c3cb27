"""Commands that ask the running daemon, with a key of staff, so that its roles hold for them too.

The daemon makes small changes itself, and reads the lists of `lists.py`. Other commands that read, and those that work
long on files, ask for leave, and then use the database.

Without a key, a command uses the database itself: whoever may read configuration and database is trusted. With
`web.commands_need_key`, it then refuses while the daemon runs. Either way there is an entry in the audit log.
"""

import contextlib
import os
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import msgspec

from monitor.errors import AccessError, InputError, NotFoundError, WatchkeeperError
from monitor.visible import visible

if TYPE_CHECKING:
    from monitor.config.root import Config
    from monitor.records import Stream
    from monitor.store.audit import AuditEntry

KEY, URL = "WATCHKEEPER_KEY", "WATCHKEEPER_URL"
SECONDS, READING_SECONDS = 20.0, 60.0
"""Until an answer to a change, or to a question about thousands of models, is complete."""
LARGEST = 64 << 20
"""The largest answer in bytes."""
_NO_ACCESS = "not found, or you have no access"
"""What the daemon answers about what there is not, or belongs to others."""
T = TypeVar("T")


class _Refusal(msgspec.Struct):
    """What the daemon answers instead."""

    error: str = ""
    hint: str = ""


class RunningDaemon:
    """The API of the daemon, with the key of whoever runs the command."""

    def __init__(self, url: str, key: str) -> None:
        self._url, self._key = url.rstrip("/"), key

    def post(self, path: str, content: Any = None, prefix: str = "/api/v1") -> dict[str, Any]:
        """What the daemon answers to a change.

        Raises:
            WatchkeeperError: it refuses it, or does not answer.
        """
        return self._ask("POST", f"{prefix}/{path}", dict[str, Any], SECONDS, json=content)

    def get(self, path: str, kind: type[T], /, **parameters: str | float) -> T:
        """What the daemon reads, as records of this kind. A path that does not start with / is one of the API.

        Raises:
            WatchkeeperError: it refuses it, does not answer, or answers something else.
        """
        path = path if path.startswith("/") else f"/api/v1/{path}"
        try:
            return self._ask("GET", path, kind, READING_SECONDS, params=parameters)
        except NotFoundError as error:
            if not error.message.startswith(_NO_ACCESS):
                raise
            hint = f"{KEY} needs a valid staff key, for that client or for all"
            raise NotFoundError(error.message, hint=hint) from error

    def _ask(self, method: str, path: str, kind: type[T], seconds: float, **sent: Any) -> T:
        from monitor import outgoing

        headers = {"Authorization": f"Bearer {self._key}", "Accept": "application/json"}
        try:
            with outgoing.client(seconds, most_bytes=LARGEST) as client:
                answer = client.request(method, f"{self._url}{path}", headers=headers, **sent)
        except outgoing.FAILURES as error:
            hint = f"start it, set {URL}, or unset {KEY} to use the database itself"
            message = f"the daemon at {visible(self._url)} does not answer: {outgoing.reason(error)}"
            raise WatchkeeperError(message, hint=hint) from error
        if answer.status_code not in (200, 201):
            raise _error(answer.status_code, answer.content)
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise WatchkeeperError(
                f"{visible(self._url)} does not answer as the daemon does: {outgoing.reason(error)}",
                hint=f"set {URL} to the daemon's address; it should be of the same version",
            ) from error


def ask_permission(settings: "Config", entry: "AuditEntry") -> None:
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
        AccessError: the daemon runs, and the configuration requires a key.
    """
    web = settings.web
    url = os.environ.get(URL, "").strip() or (web.public_url if web.certificate else web.local_url)
    if key := os.environ.get(KEY, "").strip():
        if not url:
            raise InputError("the address of the daemon is not known", hint=f"set {URL}")
        return RunningDaemon(url, key)
    if web.commands_need_key and url and _answers(url):
        raise AccessError(
            "the daemon is running, and commands require a key", hint=f"set {KEY} to a staff key"
        )
    return None


def _answers(url: str) -> bool:
    from monitor import outgoing

    try:
        with outgoing.client(2.0) as client:
            return client.get(f"{url.rstrip('/')}/healthz").status_code in (200, 503)
    except outgoing.FAILURES:
        return False


def _error(status: int, content: bytes) -> WatchkeeperError:
    refusal = _Refusal()
    with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        refusal = msgspec.json.decode(content, type=_Refusal)
    message, hint = visible(refusal.error or f"the daemon answered {status}"), visible(refusal.hint)
    if status in (401, 403):
        return AccessError(message, hint=hint or f"{KEY} needs a staff key with the right role")
    if status == 404:
        return NotFoundError(message, hint=hint)
    return (
        InputError(message, hint=hint) if status in (400, 413, 422) else WatchkeeperError(message, hint=hint)
    )

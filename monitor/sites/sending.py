"""Sends the bundles that wait in a site's outbox: into a folder, or to the agency's daemon.

A bundle counts as sent when it is completely in the folder, or when the agency has answered that it is merged. One that
the agency refuses is kept, and the others go on.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor import outgoing
from monitor.errors import InputError
from monitor.sites.outbox import Outbox, write_whole
from monitor.sites.settings import SiteSettings
from monitor.visible import one_line

_SECONDS = 300.0
"""For one bundle: a narrow line takes its time."""
_REFUSED = range(400, 500)
_TRY_AGAIN = (401, 403, 404, 408, 425, 429)
"""Statuses below 500 that say nothing about the bundle itself."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of the bundles: `sent` and `refused` (with the reason); `reason` is why the others still wait."""

    sent: tuple[str, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    waiting: int = 0
    reason: str = ""


def push(settings: SiteSettings) -> Sent:
    """Send all bundles that wait, oldest first.

    Raises:
        InputError: there is no destination.
    """
    if not settings.to.url and not settings.to.folder:
        hint = "set site.to.folder or site.to.url, or carry the files of the outbox by hand"
        raise InputError("the site has no destination", hint=hint)
    outbox = Outbox(Path(settings.outbox))
    sent, refused = list[str](), list[tuple[str, str]]()
    client = None
    if settings.to.url:
        client = outgoing.client(_SECONDS, settings.to.ca_file)
    try:
        for path in outbox.waiting():
            try:
                flaw = _post(client, settings, path) if client is not None else _copy(settings, path)
            except (*outgoing.FAILURES, _TryAgainError) as error:
                waiting = len(outbox.waiting()) - len(refused)
                return Sent(tuple(sent), tuple(refused), waiting, _reason(error))
            if flaw:
                refused.append((path.name, flaw))
            else:
                outbox.mark_sent(path)
                sent.append(path.name)
    finally:
        if client is not None:
            client.close()
    return Sent(tuple(sent), tuple(refused))


class _TryAgainError(Exception):
    """The agency could not take the bundle now."""


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, _TryAgainError) else outgoing.reason(error)


def _copy(settings: SiteSettings, path: Path) -> str:
    folder = Path(settings.to.folder)
    if not folder.is_dir():
        raise _TryAgainError(f"the folder {folder} is not there: is it mounted?")
    write_whole(folder / path.name, path.read_bytes())
    return ""


def _post(client: Any, settings: SiteSettings, path: Path) -> str:
    """Post a bundle; why it was refused, or an empty string."""
    url = f"{settings.to.url.rstrip('/')}/v1/sites/{settings.name}/bundles"
    key = settings.to.key.get_secret_value()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/vnd.watchkeeper.bundle"}
    response = client.post(url, content=path.read_bytes(), headers=headers)
    if response.is_success:
        return ""
    words = one_line(response.text)[:300]
    if response.status_code in _REFUSED and response.status_code not in _TRY_AGAIN:
        return f"{response.status_code}: {words}"
    raise _TryAgainError(f"the agency answered {response.status_code}: {words}")

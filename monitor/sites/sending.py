"""Sends the bundles that wait in a site's outbox.

A bundle counts as sent when it is completely in the folder, when the agency has answered that it is merged, or when the
mail server has taken it. One that is refused is kept, and the others go on.
"""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from monitor.errors import InputError
from monitor.sites.outbox import Outbox
from monitor.sites.settings import SiteSettings
from monitor.sites.transports.folder import Folder
from monitor.sites.transports.https import Https
from monitor.sites.transports.mail import Mail
from monitor.sites.transports.sftp import Sftp
from monitor.sites.transports.transport import Transport, TryAgainError
from monitor.visible import one_line


@dataclass(frozen=True, slots=True)
class SentBundles:
    """What became of the bundles: `sent` and `refused` (with the reason); `reason` is why the others still wait."""

    sent: tuple[str, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    waiting: int = 0
    reason: str = ""


def push(settings: SiteSettings) -> SentBundles:
    """Send all bundles that wait, oldest first.

    Raises:
        InputError: there is no destination, or its library is not installed.
    """
    outbox = Outbox(Path(settings.outbox))
    sent, refused = list[str](), list[tuple[str, str]]()
    try:
        with closing(transport_of(settings)) as transport:
            for path in outbox.waiting():
                flaw = transport.send(path)
                if flaw:
                    refused.append((path.name, flaw))
                else:
                    outbox.mark_sent(path)
                    sent.append(path.name)
    except TryAgainError as error:
        return SentBundles(tuple(sent), tuple(refused), _left(outbox, refused), str(error))
    except OSError as error:
        words = f"{type(error).__name__}: {one_line(str(error))}"
        return SentBundles(tuple(sent), tuple(refused), _left(outbox, refused), words[:300])
    return SentBundles(tuple(sent), tuple(refused))


def _left(outbox: Outbox, refused: list[tuple[str, str]]) -> int:
    return len(outbox.waiting()) - len(refused)


def transport_of(settings: SiteSettings) -> Transport:
    """The way to the destination of a site.

    Raises:
        InputError: there is no destination, or its library is not installed.
        OSError: a file with certificates cannot be read.
    """
    to = settings.to
    if to.url:
        return Https(settings.name, to)
    if to.folder:
        return Folder(Path(to.folder))
    if to.sftp:
        return Sftp(to.sftp)
    if to.mail:
        return Mail(settings.name, to.mail)
    hint = "set one of folder, url, sftp and mail in site.to, or carry the files of the outbox by hand"
    raise InputError("the site has no destination", hint=hint)

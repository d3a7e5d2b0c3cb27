"""The sections `site` (this daemon is a site) and `sites` (this daemon receives bundles) of the configuration."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, model_validator

from monitor.config.sections import Duration, FileName, Secret, Section, Size
from monitor.config.units import DAY, HOUR
from monitor.sites import keys

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def flaw_of_site(name: str) -> str:
    """Why this is no name of a site; empty if it is. Names are parts of file names and addresses."""
    if _NAME.fullmatch(name):
        return ""
    return "is no name of a site: use up to 64 letters, digits, dots, hyphens and underscores"


def _site_name(name: str) -> str:
    if name and (flaw := flaw_of_site(name)):
        raise ValueError(flaw)
    return name


def _signing_key(text: str) -> str:
    if flaw := keys.flaw_of(text, keys.SIGNING):
        raise ValueError(flaw)
    return text


def _sealing_key(text: str) -> str:
    if text and (flaw := keys.flaw_of(text, keys.SEALING)):
        raise ValueError(flaw)
    return text


SiteName = Annotated[str, AfterValidator(_site_name)]


class SiteDestination(Section):
    """Where a site's bundles go."""

    folder: FileName = ""
    """A folder: a mounted share, or a medium that somebody carries."""
    url: str = ""
    """The address of the agency's daemon, such as https://watchkeeper.example.com."""
    key: Secret = Secret("")
    """A key of the kind `site` that the agency has made for this site's client."""
    ca_file: FileName = ""
    """Certificates to trust instead of the system's."""

    @model_validator(mode="after")
    def _with_key(self) -> "SiteDestination":
        if self.url and not self.url.startswith(("https://", "http://")):
            raise ValueError("url does not begin with https://")
        if self.url and not self.key.get_secret_value():
            raise ValueError("url requires key")
        return self


class SiteSettings(Section):
    """This daemon is a site: data stays here, and bundles of counts go to an agency."""

    name: SiteName = ""
    """The name of the site, such as plant-7. Empty: this daemon is no site."""
    key: FileName = "site.key"
    """The file with the private key that signs bundles; `watchkeeper site init` makes it."""
    outbox: FileName = "outbox"
    """The folder in which bundles are made."""
    every: Duration = float(HOUR)
    """How often a bundle is made and sent."""
    most: Size = 1_000_000_000
    """Maximum size of bundles that wait in the outbox. Beyond it, windows wait in the database."""
    kept: Duration = 30.0 * DAY
    """How long bundles that were sent are kept, to send them again."""
    encrypt_for: Annotated[str, AfterValidator(_sealing_key)] = ""
    """The agency's public key (x25519:...), which bundles are encrypted for. Empty: they are signed only."""
    alerts: Literal["agency", "site"] = "agency"
    """Who judges the models and tells of alerts: the agency on what arrives there, or this daemon by its channels."""
    to: SiteDestination = SiteDestination()
    """Where bundles go. Without a destination they wait in the outbox."""


class KnownSite(Section):
    """A site whose bundles this daemon accepts."""

    client: str
    """The client whose models are at the site."""
    key: Annotated[str, AfterValidator(_signing_key)]
    """The site's public key (ed25519:...), which `watchkeeper site init` prints there."""
    models: tuple[str, ...] = ()
    """The models that the site may send. Empty: all of the client's."""
    inbox: FileName = ""
    """A folder in which bundles arrive."""
    every: Duration = float(DAY)
    """How often a bundle is expected. After twice this time the site counts as silent."""
    decrypt_with: FileName = ""
    """The file with the private key for encrypted bundles; `watchkeeper site key` makes it."""

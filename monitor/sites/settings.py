"""The sections `site` (this daemon is a site) and `sites` (this daemon receives bundles) of the configuration."""

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from monitor.config.sections import Duration, FileName, Secret, Section, Size, WholeNumber
from monitor.config.units import DAY, HOUR
from monitor.sites import keys

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def flaw_of_site(name: str) -> str:
    """Why this is no name of a site; empty if it is. Names are parts of file names and addresses."""
    if _NAME.fullmatch(name):
        return ""
    return "is not a valid site name: use up to 64 letters, digits, dots, hyphens and underscores"


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


def _address(text: str) -> str:
    if not re.fullmatch(r"[^@\s,;<>]+@[^@\s,;<>]+", text):
        raise ValueError("is not an email address such as bundles@example.com")
    return text


def _required(text: str) -> str:
    if not text:
        raise ValueError("is required")
    return text


def _mailbox(text: str) -> str:
    if not re.fullmatch(r"[\x20-\x7e]+", text):
        raise ValueError(
            "is not a mailbox: write other letters than ASCII as the mail server does (modified UTF-7)"
        )
    return text


def _tunnelling_proxy(value: Secret) -> Secret:
    text = value.get_secret_value()
    try:
        parts = urlsplit(text)
        is_valid = not text or (parts.scheme == "http" and bool(parts.hostname) and parts.port != 0)
    except ValueError:
        is_valid = False
    if not is_valid or not text.isprintable() or " " in text:
        raise ValueError("is not the address of a proxy: use http://HOST:PORT")  # it may hold a password
    return value


Required = Annotated[str, AfterValidator(_required)]
MailAddress = Annotated[str, AfterValidator(_address)]
Port = Annotated[WholeNumber, Field(ge=1, le=65_535)]


class SftpDestination(Section):
    """A folder of an SFTP server."""

    host: Required
    """Host name or address of the server."""
    port: Port = 22
    """Port of the server."""
    user: Required
    """User name."""
    key: FileName = ""
    """The file with the private SSH key of the user, without a passphrase."""
    password: Secret | None = None
    """The password of the user, where the server takes no keys."""
    known_hosts: Annotated[FileName, AfterValidator(_required)]
    """The file with the server's host key, as `ssh-keyscan HOST` prints it. Compare it with what the server's operator
    says."""
    directory: Required = "."
    """The folder on the server, relative to the user's. It must exist."""
    proxy: Annotated[Secret, AfterValidator(_tunnelling_proxy)] = Secret("")
    """URL of an HTTP proxy that lets SSH through, such as http://user:password@proxy:3128. Empty: none, whatever
    HTTPS_PROXY is."""

    @model_validator(mode="after")
    def _with_proof(self) -> "SftpDestination":
        if not self.key and self.password is None:
            raise ValueError("sftp requires key or password")
        return self


class MailDestination(Section):
    """A mailbox of the agency, through a mail server."""

    to: MailAddress
    """The mailbox that the agency's daemon reads."""
    sender: MailAddress
    """The From address."""
    host: Required
    """Host name of the mail server."""
    port: Port = 587
    """Port of the mail server."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """`starttls`, `tls` or `none`. Use `none` only for a server on this host."""
    user: str = ""
    """User name; empty for no authentication."""
    password: Secret | None = None
    """Password."""
    ca_file: FileName = ""
    """A file of CA certificates to use instead of the system's."""
    most: Size = Field(default=7_000_000, ge=10_000)
    """Maximum size of the windows in a bundle, unless a single one is larger. An email is a third larger than its
    bundle, and many servers take 10 MB."""


class ImapMailbox(Section):
    """A mailbox in which bundles arrive."""

    host: Required
    """Host name of the mail server."""
    port: Port = 993
    """Port of the mail server."""
    security: Literal["starttls", "tls", "none"] = "tls"
    """`tls`, `starttls` or `none`. Use `none` only for a server on this host."""
    user: Required
    """User name."""
    password: Secret
    """Password."""
    mailbox: Annotated[str, AfterValidator(_mailbox)] = "INBOX"
    """The mailbox that is read. It is for bundles only: each email that is read is deleted or marked."""
    ca_file: FileName = ""
    """A file of CA certificates to use instead of the system's."""


class SiteDestination(Section):
    """Where a site's bundles go: a folder, an agency's daemon, an SFTP server or a mailbox."""

    folder: FileName = ""
    """A folder: a mounted share, or a medium that somebody carries."""
    url: str = ""
    """The address of the agency's daemon, such as https://watchkeeper.example.com."""
    key: Secret = Secret("")
    """A key of the kind `site` that the agency has made for this site's client."""
    ca_file: FileName = ""
    """Certificates to trust instead of the system's, for `url`."""
    sftp: SftpDestination | None = None
    """A folder of an SFTP server, instead of `url`."""
    mail: MailDestination | None = None
    """A mailbox of the agency, instead of `url`."""

    @property
    def is_set(self) -> bool:
        """Whether there is a destination."""
        return bool(self.folder or self.url or self.sftp or self.mail)

    @model_validator(mode="after")
    def _one(self) -> "SiteDestination":
        named = [name for name in ("folder", "url", "sftp", "mail") if getattr(self, name)]
        if len(named) > 1:
            raise ValueError(f"{' and '.join(named)} are set: a site has one destination")
        return self

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
    """A folder in which bundles arrive, also that of an SFTP server."""
    maildir: FileName = ""
    """A Maildir in which emails with bundles arrive. It is for bundles only."""
    imap: ImapMailbox | None = None
    """A mailbox in which emails with bundles arrive, read by IMAP."""
    every: Duration = float(DAY)
    """How often a bundle is expected. After twice this time the site counts as silent."""
    decrypt_with: FileName = ""
    """The file with the private key for encrypted bundles; `watchkeeper site key` makes it."""

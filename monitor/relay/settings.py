"""The configuration of a relay: a file of its own with the section `relay`."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from monitor.config.relative_paths import relative_to
from monitor.config.sections import Duration, FileName, FilePath, Secret, Section, Size, WholeNumber
from monitor.config.units import DAY
from monitor.config.yaml import read, validate
from monitor.outgoing.route import DIRECT, OutgoingRoute
from monitor.web.settings import Address, WebSettings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TOKEN = re.compile(r"[\x21-\x7e]{16,512}")
_CLIENT = re.compile(r"[^/\x00-\x20\x7f]{1,128}")


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(
            "is not a valid key name: use up to 64 letters, digits, dots, hyphens and underscores"
        )
    return name


def _token(secret: Secret) -> Secret:
    if not _TOKEN.fullmatch(secret.get_secret_value()):
        raise ValueError("is not a valid key: use 16 to 512 visible ASCII characters without spaces")
    return secret


def _url(url: str) -> str:
    if not re.fullmatch(r"https?://[\x21-\x7e]+", url) or "@" in url or "?" in url or "#" in url:
        raise ValueError("is not an address such as https://watchkeeper.example.com")
    return url.rstrip("/")


def _client(name: str) -> str:
    if not _CLIENT.fullmatch(name) or not name.isprintable():
        raise ValueError("is not a valid client name: use 1 to 128 visible characters without a slash")
    return name


def _proxy(url: str) -> str:
    if url not in ("", DIRECT) and not re.fullmatch(r"https?://[\x21-\x7e]+", url):
        raise ValueError("is not a proxy: use http://HOST:PORT, https://HOST:PORT or direct")
    return url


Token = Annotated[Secret, AfterValidator(_token)]


class Upstream(Section):
    """The daemon that the relay sends to."""

    url: Annotated[str, AfterValidator(_url)]
    """The daemon's address, such as https://watchkeeper.example.com."""
    key: Token
    """A key of the kind `ingest` of that daemon. Bind it to the client, if the relay serves one."""
    ca_file: FileName = ""
    """Certificates to trust instead of the system's."""
    certificate: FileName = ""
    """A client certificate with its chain (PEM), where the daemon's proxy asks for one. Requires `private_key`."""
    private_key: FileName = ""
    """The key of the client certificate (PEM), without a passphrase."""
    proxy: Annotated[str, AfterValidator(_proxy)] = ""
    """The URL of a proxy, or `direct`. Empty: the environment's (HTTPS_PROXY, NO_PROXY)."""
    timeout: Duration = Field(default=60.0, ge=1.0)
    """How long one request may take, from the connection to the end of the answer."""
    at_once: WholeNumber = Field(default=8, ge=1, le=32)
    """How many requests of one key are sent at once, at most one of each sending address."""

    @property
    def route(self) -> OutgoingRoute:
        """How to get there."""
        return OutgoingRoute(self.ca_file, self.proxy, self.certificate, self.private_key)

    @model_validator(mode="after")
    def _with_both(self) -> "Upstream":
        if bool(self.certificate) != bool(self.private_key):
            raise ValueError("certificate and private_key must be set together")
        return self


class SenderKey(Section):
    """The key of a sender inside."""

    client: Annotated[str, AfterValidator(_client)]
    """The client whose records come with this key. The relay sends them as this client's, whatever they say."""
    key: Token
    """The key itself, which senders have in the header `Authorization: Bearer`."""


class RelaySettings(Section):
    """A relay."""

    listen: Address = "127.0.0.1:8480"
    """Host and port."""
    certificate: FilePath | None = None
    """TLS certificate with its chain (PEM). Requires `private_key`. A renewed file is loaded within a minute."""
    private_key: FilePath | None = None
    """TLS private key (PEM)."""
    folder: FileName = "relay"
    """The folder of the disk buffer."""
    buffer: Size = Field(default=20_000_000_000, ge=1_000_000)
    """Maximum size of the requests that wait or are set aside. Beyond it, senders get 503. With several keys, the
    last tenth is for senders that have less than an equal share."""
    keep: Duration = Field(default=7.0 * DAY, ge=60.0)
    """How old the oldest waiting request of a key may become. Beyond it, its senders get 503; nothing is deleted."""
    body_limit: Size = Field(default=32_000_000, ge=1_000)
    """Maximum size of a request's body, as it is sent."""
    memory: Size = Field(default=128_000_000, ge=1_000_000)
    """Maximum size of all bodies in memory."""
    body_within: Duration = Field(default=60.0, gt=0)
    """Deadline for the body of a request."""
    metrics_key: Secret = Secret("")
    """A key for `/metrics`. Empty: only this machine may read them."""
    upstream: Upstream
    """Where requests are sent."""
    keys: dict[Annotated[str, AfterValidator(_name)], SenderKey]
    """The keys of senders, by a name of yours. Requests of one key are sent in order; a key's requests wait for
    no others."""

    @model_validator(mode="after")
    def _consistent(self) -> "RelaySettings":
        if not self.keys:
            raise ValueError("keys is empty: nobody could send")
        tokens = [key.key.get_secret_value() for key in self.keys.values()]
        if len(set(tokens)) < len(tokens):
            raise ValueError("two of the keys are equal: whose records they are would be unknown")
        if self.upstream.key.get_secret_value() in tokens:
            raise ValueError("a sender has the same key as the upstream: give it its own")
        _ = self.web
        return self

    @property
    def web(self) -> WebSettings:
        """What the web server needs to know."""
        return WebSettings(
            listen=self.listen,
            certificate=self.certificate,
            private_key=self.private_key,
            body_within=self.body_within,
        )


class RelayFile(Section):
    """The file."""

    relay: RelaySettings
    """The relay."""


def load(path: Path) -> RelaySettings:
    """Read the file of a relay. Relative paths are relative to its folder.

    Raises:
        ConfigError: it is missing or invalid, with every mistake and its place.
    """
    document = read(path)
    return relative_to(validate(RelayFile, document, document.data).relay, path.absolute().parent)

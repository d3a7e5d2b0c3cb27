"""The `web` section: where the daemon listens, who signs in how, and what `/metrics` may grow to."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from monitor.settings import Duration, Secret, Section

Role = Literal["viewer", "operator", "admin"]


def _address(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        msg = f"{value!r} is not host:port (use 127.0.0.1:8080 or [::1]:8080)"
        raise ValueError(msg)
    return value


Address = Annotated[str, AfterValidator(_address)]
"""A host and a port, as `127.0.0.1:8080`."""


class OidcSettings(Section):
    """Sign-in for staff through OpenID Connect (authorization code with PKCE)."""

    issuer: str = ""
    """The provider's address, without `/.well-known/openid-configuration`; empty switches sign-in off."""
    client_id: str = "watchkeeper"
    """What the provider calls this daemon."""
    client_secret: Secret = Secret("")
    """What the provider gave it; empty for a public client."""
    scopes: str = "openid profile email"
    """What is asked of the provider."""
    role_claim: str = "groups"
    """The claim that lists a person's groups."""
    roles: dict[str, Role] = Field(default_factory=dict)
    """Which group has which role; people in none of them cannot sign in."""
    ca_file: Path | None = None
    """Certificates that the provider is trusted by; empty uses the system's."""


class MetricsSettings(Section):
    """What `/metrics` may grow to: the worst are kept, and what is dropped is counted."""

    max_features: int = Field(default=50, ge=1)
    """Features a model."""
    max_segments: int = Field(default=20, ge=1)
    """Segments a model."""
    max_series: int = Field(default=10_000, ge=100)
    """Series a daemon."""
    version_age: Duration = 86400.0
    """A version that has not answered for so long is left out."""


class WebSettings(Section):
    """The daemon's web server."""

    listen: Address = "127.0.0.1:8080"
    """Host and port. Whatever the address, only this machine itself may send and look until keys are made."""
    public_url: str = ""
    """The address that readers use; links in pages, mails and chats begin with it."""
    certificate: Path | None = None
    """TLS certificate with its chain (PEM); needs `private_key`. A renewed file is taken within a minute."""
    private_key: Path | None = None
    """TLS private key (PEM)."""
    session_lifetime: Duration = 28800.0
    """How long a sign-in lasts."""
    requests_per_minute: int = Field(default=300, ge=1)
    """Requests for pages that one address may make; more are answered with 429."""
    allowed_proxies: tuple[str, ...] = ()
    """Proxies whose `X-Forwarded-For` is believed."""
    oidc: OidcSettings = OidcSettings()
    """Sign-in for staff."""
    metrics: MetricsSettings = MetricsSettings()
    """Limits of `/metrics`."""

    @model_validator(mode="after")
    def _whole_pair(self) -> "WebSettings":
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("certificate and private_key belong together")
        return self

    @property
    def host(self) -> str:
        """The address to listen on."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port to listen on; 0 takes a free one."""
        return int(self.listen.rpartition(":")[2])

    @property
    def is_secure(self) -> bool:
        """Whether readers come by TLS, here or at a proxy: cookies are then sent by TLS only."""
        return self.certificate is not None or self.public_url.startswith("https://")

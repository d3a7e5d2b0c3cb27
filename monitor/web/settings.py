"""The `web` section: where the daemon listens, who signs in how, and what `/metrics` may grow to."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from monitor.config.sections import Duration, FilePath, Secret, Section, WholeNumber
from monitor.exporters.settings import MetricsSettings
from monitor.web.public_url import PublicUrl, path_of

Role = Literal["viewer", "operator", "admin"]
RANKS: Mapping[str, int] = {"": 0, "viewer": 1, "operator": 2, "admin": 3}
"""A role includes those of lower rank: viewers read every client, operators acknowledge and silence, admins make keys.
The empty role is that of a client's reader.
"""


def _address(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        msg = f"{value!r} is not host:port (use 127.0.0.1:8080 or [::1]:8080)"
        raise ValueError(msg)
    return value


Address = Annotated[str, AfterValidator(_address)]
"""A host and a port, as `127.0.0.1:8080`."""


def _issuer(value: str) -> str:
    parts = urlsplit(value)
    is_here = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if value and parts.scheme != "https" and not (parts.scheme == "http" and is_here):
        msg = f"{value!r} is not an https:// URL: the provider's keys and our client secret need TLS"
        raise ValueError(msg)
    if len(value) > LONGEST_ISSUER:
        msg = f"has more than {LONGEST_ISSUER} characters"
        raise ValueError(msg)
    return value


LONGEST_ISSUER = 512
Issuer = Annotated[str, AfterValidator(_issuer)]
"""The URL of an identity provider, or nothing."""


class OidcSettings(Section):
    """Sign-in for staff through OpenID Connect (authorization code with PKCE)."""

    issuer: Issuer = ""
    """The provider's URL, without `/.well-known/openid-configuration`: `https`, or `http` on this machine. Empty
    disables this sign-in."""
    client_id: str = "watchkeeper"
    """The client id registered with the provider."""
    client_secret: Secret = Secret("")
    """The client secret; empty for a public client."""
    scopes: str = "openid profile email"
    """The requested scopes."""
    role_claim: str = "groups"
    """The claim that lists a person's groups, or a path into one: `realm_access.roles`."""
    roles: dict[str, Role] = Field(default_factory=dict)
    """The role of each group: `viewer`, `operator` or `admin`. People in none of these groups cannot sign
    in."""
    ca_file: FilePath | None = None
    """A file of CA certificates for the provider; empty uses the system's."""

    def role_of(self, groups: Iterable[str]) -> Role | Literal[""]:
        """The highest role that some groups give; empty if they give none."""
        roles = [self.roles[group] for group in groups if group in self.roles]
        return max(roles, key=lambda role: RANKS[role], default="")


class WebSettings(Section):
    """The daemon's web server."""

    listen: Address = "127.0.0.1:8080"
    """Host and port. Until keys are created, only this machine may send data and open pages, whatever the
    address."""
    public_url: PublicUrl = ""
    """The public URL of the daemon, used for links in pages, emails and chat messages. May have a path:
    `https://example.com/watch/`."""
    certificate: FilePath | None = None
    """TLS certificate with its chain (PEM). Requires `private_key`. A renewed file is loaded within a
    minute."""
    private_key: FilePath | None = None
    """TLS private key (PEM)."""
    session_lifetime: Duration = 28800.0
    """How long a sign-in is valid."""
    session_idle: Duration = Field(default=3600.0, ge=60.0)
    """How long a sign-in lasts while no page is open."""
    recent_sign_in: Duration = Field(default=900.0, ge=60.0)
    """How long after a sign-in its visitor may make and revoke keys, decide on versions, let rollbacks go on and end
    the sign-ins of others. Later, the page asks them to sign in again."""
    first_access: Literal["this_machine", "token"] = "this_machine"
    """Who has access before the first key is made: whoever runs the daemon, from this machine; or whoever has the
    link that the daemon prints once at its start."""
    commands_need_key: bool = False
    """Whether commands that read or change data need a key of staff (`WATCHKEEPER_KEY`) while the daemon runs. With the
    key they ask the daemon, whose roles then hold."""
    hosts: tuple[str, ...] = ()
    """Further host names of the daemon. Pages are served under these, under that of `public_url`, under addresses,
    and under names without a dot; otherwise any web site could have its name lead here."""
    event_streams: WholeNumber = Field(default=100, ge=1)
    """Maximum number of open pages of one client that are notified of changes. Beyond it, pages do not update
    themselves."""
    requests_per_minute: WholeNumber = Field(default=300, ge=1)
    """Page requests per minute and address of the visitor. Further requests get 429."""
    max_connections: WholeNumber = Field(default=1000, ge=10)
    """Maximum number of connections. Beyond it, the address with the most loses its longest-idle
    connection."""
    head_within: Duration = Field(default=10.0, gt=0)
    """Deadline for the head of the next request on a connection, including idle time before it."""
    body_within: Duration = Field(default=60.0, gt=0)
    """Deadline for the body of a request. Later ones get 408."""
    allowed_proxies: tuple[str, ...] = ()
    """Proxies whose `X-Forwarded-For` header is trusted."""
    oidc: OidcSettings = OidcSettings()
    """Sign-in for staff."""
    metrics: MetricsSettings = MetricsSettings()
    """Limits of `/metrics`."""

    @model_validator(mode="after")
    def _whole_pair(self) -> "WebSettings":
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("certificate and private_key must be set together")
        return self

    @property
    def host(self) -> str:
        """The address to listen on."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port to listen on; 0 chooses a free one."""
        return int(self.listen.rpartition(":")[2])

    @property
    def local_url(self) -> str:
        """The address on this machine; empty if the port is chosen at the start."""
        if not self.port:
            return ""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - not bound here
        scheme = "https" if self.certificate is not None else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def public_path(self) -> str:
        """The path of the public URL without trailing slash: empty, or `/watch`."""
        return path_of(self.public_url)

    @property
    def is_secure(self) -> bool:
        """Whether readers connect by TLS, here or at a proxy. Cookies are then sent by TLS only."""
        return self.certificate is not None or self.public_url.startswith("https://")

    @property
    def strict_transport(self) -> str:
        """The header Strict-Transport-Security; empty without TLS. At a path of a host that others use too, it says
        nothing about the host names below that one.
        """
        if not self.is_secure:
            return ""
        return "max-age=31536000" if self.public_path else "max-age=31536000; includeSubDomains"

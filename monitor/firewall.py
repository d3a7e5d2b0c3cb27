"""Which hosts and ports a firewall must open for a configuration. Opens no connection and resolves no name."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from urllib.parse import urlsplit

from sqlalchemy import URL, make_url

from monitor.config.root import Config
from monitor.config.sections import Section
from monitor.notify.delivery.reachability import addresses
from monitor.outgoing import OutgoingRoute
from monitor.sources.brokers.google_tokens import token_address
from monitor.visible import visible
from monitor.web.settings import WebSettings

_PORTS = {
    "https": 443,
    "http": 80,
    "nats": 4222,
    "tls": 4222,
    "redis": 6379,
    "rediss": 6379,
    "amqp": 5672,
    "amqps": 5671,
    "kafka": 9092,
    "postgresql": 5432,
    "mysql": 3306,
    "mariadb": 3306,
    "mssql": 1433,
    "oracle": 1521,
    "snowflake": 443,
    "socks5": 1080,
    "socks5h": 1080,
}

_PLAIN = OutgoingRoute()
_OF_S3 = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION")


@dataclass(frozen=True, slots=True)
class Opening:
    """One connection that must be allowed. `through` is the proxy, as host:port, that it is made through, or empty.

    `host` is empty for an incoming connection: any sender. `port` is None where it is not known.
    """

    purpose: str
    host: str
    port: int | None
    protocol: str
    through: str = ""
    is_incoming: bool = False


@dataclass(frozen=True, slots=True)
class Needs:
    """All openings, without doubles, and what the configuration does not tell, in sentences."""

    openings: tuple[Opening, ...]
    unknown: tuple[str, ...]


def needs_of(config: Config, environment: Mapping[str, str] = os.environ) -> Needs:
    """What must be open for a configuration; `environment` has the settings of AWS."""
    openings = [
        *_incoming(config),
        *_stores(config),
        *_channels(config),
        *_exporters(config),
        *_site(config),
        *_sign_in(config),
        *_models(config),
        *_fetched(config, environment),
    ]
    openings += _names(openings)
    return Needs(tuple(dict.fromkeys(openings)), tuple(dict.fromkeys(_unknown(config, environment))))


def needs_between(web: WebSettings, url: str, route: OutgoingRoute) -> Needs:
    """What must be open for a relay: from its senders, and to the daemon."""
    protocol = "HTTPS" if web.certificate else "HTTP"
    openings = [Opening("records of senders", web.host, web.port, protocol, is_incoming=True)]
    openings += _web("relay.upstream", url, route)
    return Needs((*openings, *_names(openings)), ())


def _names(openings: Sequence[Opening]) -> Iterator[Opening]:
    """The name server, if a name is asked for."""
    asked = (
        opening.through.rpartition(":")[0].strip("[]") or opening.host
        for opening in openings
        if not opening.is_incoming
    )
    names = [host for host in asked if not _is_address(host)]
    if names:
        yield Opening(f"names such as {names[0]}", "your name server", 53, "DNS (UDP and TCP)")


def _incoming(config: Config) -> Iterator[Opening]:
    protocol = "HTTPS" if config.web.certificate else "HTTP"
    yield Opening(
        "records, pages, /metrics, webhooks", config.web.host, config.web.port, protocol, is_incoming=True
    )


def _stores(config: Config) -> Iterator[Opening]:
    yield from _database("store", config.store.url)


def _channels(config: Config) -> Iterator[Opening]:
    for name, url, route in addresses(config.notify):
        token = config.notify.pagerduty and config.notify.pagerduty.api_url == url
        yield from _web(f"notify.{name}{' (reconciliation)' if token else ''}", url, route)
    if email := config.notify.email:
        yield Opening("notify.email", visible(email.host), email.port, f"SMTP ({email.security})")


def _exporters(config: Config) -> Iterator[Opening]:
    for name, section in config.exporters.items():
        if not section.address.startswith("unix:"):
            yield from _web(f"exporters.{name}", section.address, section.route)


def _site(config: Config) -> Iterator[Opening]:
    """Where a site's bundles go, and the mailboxes in which those of others arrive."""
    to = config.site.to
    if config.site.name and to.url:
        yield from _web("site.to", to.url, OutgoingRoute(to.ca_file))
    if config.site.name and to.sftp:
        direct = Opening("site.to.sftp", visible(to.sftp.host), to.sftp.port, "SFTP")
        yield _through(direct, to.sftp.proxy.get_secret_value())
    if config.site.name and to.mail:
        yield Opening("site.to.mail", visible(to.mail.host), to.mail.port, f"SMTP ({to.mail.security})")
    for name, known in config.sites.items():
        if known.imap:
            mailbox = known.imap
            yield Opening(
                f"sites.{name}.imap", visible(mailbox.host), mailbox.port, f"IMAP ({mailbox.security})"
            )


def _sign_in(config: Config) -> Iterator[Opening]:
    if config.web.oidc.issuer:
        yield from _web("web.oidc", config.web.oidc.issuer)


def _models(config: Config) -> Iterator[Opening]:
    for stream, model in config.streams().items():
        what = f"clients.{stream.client}.models.{stream.model}"
        if model.probe.url:
            yield from _web(f"{what}.probe", model.probe.url)
        sections = {"executor": model.rollback.executor, "drill_executor": model.rollback.drill_executor}
        for name, executor in sections.items():
            for address in executor.addresses().values() if executor else ():
                yield from _web(f"{what}.rollback.{name}", address)


def _fetched(config: Config, environment: Mapping[str, str]) -> Iterator[Opening]:
    """Sources and gauges. Their addresses have the same keys in all kinds."""
    for name, source in config.sources.items():
        yield from _addresses(f"sources.{name}", source, environment)
    for name, gauge in config.gauges.items():
        yield from _addresses(f"gauges.{name}", gauge, environment)


def _addresses(what: str, section: Section, environment: Mapping[str, str]) -> Iterator[Opening]:
    kind = _kind(section)
    for broker in getattr(section, "brokers", ()):
        yield from _direct(what, f"kafka://{broker.rpartition('://')[2]}")
    for server in getattr(section, "servers", ()):
        yield from _direct(what, server)
    if kind == "sqs":
        yield from _web(what, str(getattr(section, "queue", "")))
    if kind == "pubsub":
        yield from _pubsub(what, section, environment)
    url = str(getattr(section, "url", ""))
    if kind == "sql":
        yield from _database(what, url)
    elif url.startswith("s3://"):
        yield from _bucket(what, url, environment)
    elif url.startswith(("http://", "https://")):
        yield from _web(what, url)
    elif "://" in url and kind != "objects":
        yield from _direct(what, url)


def _pubsub(what: str, section: Section, environment: Mapping[str, str]) -> Iterator[Opening]:
    address = str(getattr(section, "address", ""))
    yield from _web(what, address)
    if address.startswith("https:"):  # an emulator needs no token
        key_file = getattr(section, "credentials", "") or environment.get(
            "GOOGLE_APPLICATION_CREDENTIALS", ""
        )
        yield from _web(f"{what} (token)", token_address(str(key_file)))


def _bucket(what: str, url: str, environment: Mapping[str, str]) -> Iterator[Opening]:
    """S3, by the variables that the reader of objects knows."""
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    if endpoint:
        yield from _direct(what, endpoint if "://" in endpoint else f"https://{endpoint}")
        return
    bucket = urlsplit(url).netloc
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or ""
    yield from _direct(what, f"https://{bucket}.s3.{region}{'.' if region else ''}amazonaws.com")


def _database(what: str, text: str) -> Iterator[Opening]:
    """The servers of a database; none for one in a file, or behind a Unix socket."""
    url = make_url(text)
    backend = url.get_backend_name()
    if backend in ("sqlite", "duckdb"):
        return
    for host, port in _servers(url):
        if not host.startswith("/"):
            yield Opening(what, visible(host), port or _PORTS.get(backend), backend)


def _servers(url: URL) -> Iterator[tuple[str, int | None]]:
    """Host and port of each server: libpq takes several, in the query."""
    more = url.query.get("host", ())
    hosts = [one for text in ((more,) if isinstance(more, str) else more) for one in text.split(",")]
    if not hosts:
        yield url.host or "localhost", url.port
    for one in hosts:
        host, colon, port = one.rpartition(":") if one.count(":") == 1 else (one, "", "")
        yield (host if colon else one), (int(port) if port.isdecimal() else url.port)


def _web(what: str, url: str, route: OutgoingRoute = _PLAIN) -> Iterator[Opening]:
    """A call through `outgoing`, which uses the proxy of its route or of the environment."""
    for one in _direct(what, url):
        yield _through(one, route.proxy_for(urlsplit(url).scheme, one.host))


def _through(one: Opening, proxy: str) -> Opening:
    """The same connection, made through a proxy if there is one."""
    for through in _direct("", proxy):
        return replace(one, through=f"{_bracketed(through.host)}:{through.port}")
    return one


def _direct(what: str, url: str) -> Iterator[Opening]:
    """A connection to a host itself; nothing where the address names none."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return
    if host:
        yield Opening(what, visible(host), port, parts.scheme.upper())


def _unknown(config: Config, environment: Mapping[str, str]) -> Iterator[str]:
    if config.notify.apprise:
        yield "notify.apprise: its hosts depend on the services; see Apprise's page of each"
    kinds = {_kind(one) for one in (*config.sources.values(), *config.gauges.values())}
    if any("kafka" in kind for kind in kinds):
        yield "Kafka: open every broker of the cluster, at the address that it advertises"
    if any("nats" in kind for kind in kinds):
        yield "NATS: open every server of the cluster, at the address that it advertises"
    in_bucket = any(map(_is_in_bucket, config.sources.values()))
    if in_bucket and not any(environment.get(name) for name in _OF_S3):
        yield "S3: set AWS_REGION as for the daemon: the host has the region in its name"
    if in_bucket or any("sqs" in kind for kind in kinds):
        yield "AWS: credentials of a role come from 169.254.169.254:80 or 169.254.170.2:80, or from sts"


def _kind(section: Section) -> str:
    return str(getattr(section, "kind", ""))


def _is_in_bucket(source: Section) -> bool:
    return str(getattr(source, "url", "")).startswith("s3://")


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return host == "localhost"
    return True


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def rows(needs: Needs) -> Sequence[tuple[str, str, str, str]]:
    """A table: direction, `host:port`, protocol, purpose. Below a proxy are the hosts that it must allow (`via`)."""
    written = []
    proxied: dict[str, list[tuple[str, str, str, str]]] = {}
    for opening in needs.openings:
        place = f"{_bracketed(opening.host)}:{'?' if opening.port is None else opening.port}"
        if opening.through:
            proxied.setdefault(opening.through, []).append(("via", place, opening.protocol, opening.purpose))
        else:
            written.append(("in" if opening.is_incoming else "out", place, opening.protocol, opening.purpose))
    for proxy, calls in proxied.items():
        written += [("out", proxy, "proxy", "the proxy, which must allow:"), *calls]
    return written


def text(needs: Needs) -> str:
    """The table as lines of text, as wide as they are, so that each host can be copied."""
    table = rows(needs)
    widths = [max(len(row[column]) for row in table) for column in range(3)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, (*widths, 0), strict=True)) for row in table
    )

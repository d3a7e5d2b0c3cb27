"""`doctor --network` names each host and port that a configuration needs, and nothing that is secret."""

import re
import socket
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from monitor.cli.registry import app
from monitor.config.root import Config
from monitor.config.sections import Section
from monitor.firewall import needs_of, rows

TEXT = """\
store: {url: "postgresql+psycopg://watch:SECRET@db.example/w?host=a.example:5433&host=b.example"}
web: {listen: "0.0.0.0:8443", oidc: {issuer: "https://login.example/realms/x"}}
sources:
  kafka: {kind: kafka, brokers: [k1.example, "k2.example:9093"], topic: t}
  nats: {kind: nats, servers: [n1.example, "tls://n2.example:4443"], stream: s}
  sqs: {kind: sqs, queue: "https://sqs.eu-central-1.amazonaws.com/123456789012/orders"}
  pubsub: {kind: pubsub, subscription: projects/p1/subscriptions/n1}
  objects: {kind: objects, url: "s3://captures/x"}
  sql: {kind: sql, url: "mysql+pymysql://warehouse.example/analytics", table: t, position: p, key: [i]}
  redis: {kind: redis, url: redis.example, stream: s, group: g}
  rabbit: {kind: rabbitmq, servers: ["amqps://rabbit.example"], queue: q}
  folder: {kind: objects, url: "captures/**/*.jsonl"}
site: {name: plant-7, to: {url: "https://agency.example", key: SECRET}}
gauges:
  machine: {kind: machine}
  server: {kind: model_server, server: vllm, url: "http://[2001:db8::1]:9090/metrics"}
sites:
  plant-8:
    client: acme
    key: "ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    imap: {host: imap.example, user: u, password: SECRET}
exporters:
  datadog: {kind: datadog, api_key: SECRET, site: datadoghq.eu}
  newrelic: {kind: newrelic, api_key: SECRET, region: eu}
  grafana: {kind: grafana_cloud, url: "https://gateway.example/otlp", instance_id: "1", token: SECRET}
  prometheus: {kind: remote_write, url: "http://prom.example:9090/api/v1/write?key=SECRET"}
  collector: {kind: otlp, url: "http://collector.example:4318/v1/metrics", proxy: "http://u:SECRET@p2.example:8080"}
  agent: {kind: statsd, url: "udp://agent.example:8125"}
  local: {kind: statsd, url: "unix:///run/dsd.socket"}
notify:
  pagerduty: {routing_key: "RRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRR"}
  slack: {webhook_url: "https://hooks.slack.com/services/T/B/SECRET"}
  jsm: {api_key: SECRET}
  teams: {webhook_url: "https://teams.example/workflows/SECRET"}
  servicenow: {url: "https://now.example", user: u, password: SECRET}
  datadog: {api_key: SECRET, site: datadoghq.eu}
  newrelic: {api_key: SECRET, account_id: "1"}
  email: {host: mail.example, sender: a@b.example, to: [c@d.example]}
  alertmanager: {urls: ["http://am1.example:9093", "http://am2.example:9093"]}
  webhook: {url: "https://hook.example/SECRET", secret: "SECRET-of-sixteen-or-more"}
  dead_man: {url: "https://hc.example/SECRET"}
  apprise: {urls: ["ntfy://SECRET"]}
clients:
  acme:
    models:
      fraud:
        probe: {url: "http://fraud.internal:9000/health?key=SECRET"}
        rollback:
          executor: {kind: webhook, url: "https://roll.example/SECRET", secret: "SECRETSECRETSECRETSECRETSECRETSECRET"}
"""
EXPECTED = {
    "0.0.0.0:8443",
    "a.example:5433",
    "agency.example:443",
    "imap.example:993",
    "b.example:5432",
    "login.example:443",
    "k1.example:9092",
    "k2.example:9093",
    "n1.example:4222",
    "n2.example:4443",
    "sqs.eu-central-1.amazonaws.com:443",
    "pubsub.googleapis.com:443",
    "metadata.google.internal:80",
    "captures.s3.eu-west-1.amazonaws.com:443",
    "warehouse.example:3306",
    "redis.example:6379",
    "rabbit.example:5671",
    "[2001:db8::1]:9090",
    "events.pagerduty.com:443",
    "hooks.slack.com:443",
    "mail.example:587",
    "am1.example:9093",
    "am2.example:9093",
    "hook.example:443",
    "hc.example:443",
    "roll.example:443",
    "fraud.internal:9000",
    "api.atlassian.com:443",
    "teams.example:443",
    "now.example:443",
    "api.datadoghq.eu:443",
    "insights-collector.newrelic.com:443",
    "otlp.datadoghq.eu:443",
    "otlp.eu01.nr-data.net:443",
    "gateway.example:443",
    "prom.example:9090",
    "collector.example:4318",
    "p2.example:8080",
    "agent.example:8125",
    "your name server:53",
}
COVERED = {
    *("DatadogSettings.url", "GrafanaCloudSettings.url", "NewRelicSettings.url", "OtlpSettings.url"),
    *("RemoteWriteSettings.url", "StatsdSettings.url", "JsmSettings.url", "TeamsSettings.webhook_url"),
    *("ServiceNowSettings.url", "DatadogEventSettings.url", "NewRelicEventSettings.url"),
    *("AlertmanagerSettings.urls", "ArgoSettings.url", "AzureMlSettings.login_url", "AzureMlSettings.url"),
    *("DeadManSettings.url", "DeploymentSettings.url", "EmailSettings.host", "GithubSettings.url"),
    *("GitlabSettings.url", "KafkaGroupSettings.brokers", "KafkaSettings.brokers", "ModelServerSettings.url"),
    *("NatsConsumerSettings.servers", "NatsSettings.servers", "ObjectsSettings.url", "OidcSettings.issuer"),
    *("PagerDutySettings.api_url", "PagerDutySettings.events_url", "ProbeSettings.url"),
    *(
        "PrometheusSettings.url",
        "PubSubSettings.address",
        "RabbitQueueSettings.url",
        "RabbitSettings.servers",
    ),
    *("RedisQueueSettings.url", "RedisSettings.url", "SageMakerSettings.url", "SlackSettings.webhook_url"),
    *("SqlSettings.url", "StoreSettings.url", "VertexSettings.metadata_url", "VertexSettings.url"),
    *(
        "WebSettings.listen",
        "WebhookSettings.url",
        "WebhookExecutorSettings.url",
        "AppriseSettings.urls",
        "SiteDestination.url",
    ),
    *("SftpDestination.host", "MailDestination.host", "ImapMailbox.host"),
}
CALLED_BY_NOBODY = {
    *("AlertSettings.dashboard_url", "AlertSettings.public_url", "AlertSettings.runbook_url"),
    *("WebSettings.public_url", "WebSettings.hosts", "RabbitSettings.virtual_host"),
    "SftpDestination.known_hosts",
}
"""Written into messages, accepted as names of the daemon itself, or the name of a file."""


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy, and nobody is asked or called."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("opens a connection")

    for name in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, refused)


def config(text: str = TEXT) -> Config:
    return Config.model_validate(YAML(typ="safe").load(text))


def places(found: Config) -> set[str]:
    return {row[1] for row in rows(needs_of(found, {"AWS_REGION": "eu-west-1"}))}


def test_each_host_and_port_is_named_once_and_no_secret() -> None:
    needs = needs_of(config(), {"AWS_REGION": "eu-west-1"})
    table = rows(needs)
    assert {row[1] for row in table} == EXPECTED
    assert len(table) == len(EXPECTED)
    assert "SECRET" not in f"{table}{needs.unknown}"
    words = " ".join(needs.unknown)
    assert all(name in words for name in ("apprise", "Kafka", "NATS", "169.254"))


def test_what_goes_through_a_proxy_is_a_matter_of_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.acme.example:3128")
    monkeypatch.setenv("NO_PROXY", "hook.example")
    table = rows(needs_of(config(), {"AWS_REGION": "eu-west-1"}))
    assert sorted(row[1] for row in table if row[2] == "proxy") == [
        "p2.example:8080",
        "proxy.acme.example:3128",
    ]
    proxied, direct = ({row[1] for row in table if row[0] == way} for way in ("via", "out"))
    for place in ("events.pagerduty.com:443", "sqs.eu-central-1.amazonaws.com:443", "login.example:443"):
        assert place in proxied
        assert place not in direct
    for place in (
        "hook.example:443",
        "mail.example:587",
        "k1.example:9092",
        "b.example:5432",
        "am1.example:9093",
    ):
        assert place in direct
        assert place not in proxied


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("store: {url: 'sqlite:///watch.db'}", set()),
        ("store: {url: 'postgresql+psycopg:///w?host=/run/postgresql'}", set()),
        ("store: {url: 'postgresql+psycopg://10.0.0.7/w'}", {"10.0.0.7:5432"}),
        ("store: {url: 'postgresql+psycopg://u@[::1]:6000/w'}", {"[::1]:6000"}),
        ("clients: {a: {models: {m: {probe: {url: 'http://[broken'}}}}}", set()),
        ("clients: {a: {models: {m: {probe: {url: 'http://x:99999/'}}}}}", set()),
        (
            "site: {name: s, to: {sftp: {host: f.example, user: u, password: p, known_hosts: k,"
            " proxy: 'http://u:p@10.0.0.9:3128'}}}",
            {"10.0.0.9:3128", "f.example:22"},
        ),
        (
            'clients: {a: {models: {m: {probe: {url: "http://a\\u202eb/"}}}}}',
            {"a\\u202eb:80", "your name server:53"},
        ),
    ],
)
def test_addresses_in_other_notations(text: str, expected: set[str]) -> None:
    base = "" if text.startswith("store") else "store: {url: 'sqlite:///watch.db'}\n"
    assert places(config(base + text)) - {"127.0.0.1:8080"} == expected


def test_an_endpoint_of_its_own_is_called_instead_of_aws() -> None:
    found = needs_of(config(), {"AWS_ENDPOINT_URL": "http://minio.example:9000"})
    assert "minio.example:9000" in {row[1] for row in rows(found)}


def sections(kind: object, seen: set[type[Section]]) -> Iterator[type[Section]]:
    for inner in typing.get_args(kind):
        yield from sections(inner, seen)
    if isinstance(kind, type) and issubclass(kind, Section) and kind not in seen:
        seen.add(kind)
        yield kind
        for field in kind.model_fields.values():
            yield from sections(field.annotation, seen)


def test_every_key_that_holds_an_address_is_known() -> None:
    """A new one must be named by `doctor --network`, or here."""
    holds = re.compile(r"(^|_)(urls?|hosts?|servers|brokers|address|issuer|listen)$")
    found = {
        f"{one.__name__}.{key}"
        for one in sections(Config, set())
        for key in one.model_fields
        if holds.search(key)
    }
    assert found == COVERED | CALLED_BY_NOBODY


def test_the_command_prints_a_table(tmp_path: Path) -> None:
    file = tmp_path / "watchkeeper.yaml"
    file.write_text(
        "store: {url: 'sqlite:///watch.db'}\nnotify: {dead_man: {url: 'https://hook.example/SECRET'}}\n"
    )
    done = CliRunner().invoke(app, ["doctor", "--network", "-c", str(file)])
    assert done.exit_code == 0, done.output
    assert re.search(r"^out +hook\.example:443 +HTTPS +notify\.dead_man", done.stdout, re.M)
    assert "SECRET" not in done.output
    assert not (tmp_path / "watch.db").exists()

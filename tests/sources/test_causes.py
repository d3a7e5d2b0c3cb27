"""A source that cannot be used names the true cause, and what to do about it."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from monitor.sources.brokers.kafka import KafkaSettings
from monitor.sources.brokers.nats import NatsSettings
from monitor.sources.brokers.pubsub import PubSubSettings
from monitor.sources.brokers.rabbitmq import RabbitSettings
from monitor.sources.brokers.redis import RedisSettings
from monitor.sources.brokers.sqs import SqsSettings
from monitor.sources.objects.objects import ObjectsSettings
from monitor.sources.settings import SourceSettings
from monitor.sources.source import SourceError
from monitor.sources.sql.database import SqlSettings
from tests.support import postgresql
from tests.support.broker_servers import NatsServer, RedisServer
from tests.support.refusing_kafka import TOPIC, refusing_kafka
from tests.support.wrong_ports import Answer, of_aws, of_http, of_s3, port, with_foreign_certificate

CA_OF_NOBODY = "/etc/ssl/certs/ca-certificates.crt"
SECTIONS: Mapping[str, Callable[[str, bool], SourceSettings]] = {
    "kafka": lambda at, tls: KafkaSettings(brokers=(at,), topic="t", security="ssl" if tls else "plaintext"),
    "nats": lambda at, tls: NatsSettings(servers=(f"{'tls' if tls else 'nats'}://{at}",), stream="t"),
    "rabbitmq": lambda at, tls: RabbitSettings(servers=(f"amqp{'s' * tls}://{at}",), queue="t"),
    "redis": lambda at, tls: RedisSettings(url=f"redis{'s' * tls}://{at}", stream="t"),
    "sqs": lambda at, tls: SqsSettings(queue=f"http{'s' * tls}://{at}/1/t"),
    "pubsub": lambda at, tls: PubSubSettings(
        address=f"http{'s' * tls}://{at}", subscription="projects/p/subscriptions/t"
    ),
    "sql": lambda at, tls: SqlSettings(
        url=f"postgresql://{at}/x" + f"?sslmode=verify-full&sslrootcert={CA_OF_NOBODY}" * tls,
        table="t",
        position="p",
        key=("k",),
    ),
}
WITHOUT_TOKENS = SECTIONS.keys() - {"pubsub"}
"""With TLS, Pub/Sub first needs a token."""


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")


def said(section: SourceSettings) -> str:
    """What people are told of a source that cannot be opened."""
    source = section.make_source("orders")
    try:
        source.open(dict)
    except SourceError as error:
        return str(error)
    finally:
        source.close()
    return "it was opened"


def all_said(sections: Mapping[str, SourceSettings]) -> dict[str, str]:
    """All at once, because some wait for seconds."""
    with ThreadPoolExecutor(max(1, len(sections))) as pool:
        return dict(zip(sections, pool.map(said, sections.values()), strict=True))


def without(expected: str, told: Mapping[str, str]) -> dict[str, str]:
    return {kind: words for kind, words in told.items() if expected not in words}


def test_what_is_wrong_with_the_address_is_named() -> None:
    nobody = all_said({kind: section("127.0.0.1:9", False) for kind, section in SECTIONS.items()})
    assert not without("(is the server running, and is this its port?)", nobody)
    unknown = all_said({kind: section("broker.invalid:999", False) for kind, section in SECTIONS.items()})
    assert not without("(is the name right, and known to this machine?)", unknown)


def test_a_program_that_speaks_something_else_is_named() -> None:
    with port(of_http("400 Bad Request")) as number:
        at = f"127.0.0.1:{number}"
        told = all_said({kind: section(at, False) for kind, section in SECTIONS.items()})
        assert not without("is it the right port", told)
        told = all_said({kind: SECTIONS[kind](at, True) for kind in WITHOUT_TOKENS - {"nats", "sql"}})
        assert not without("does not speak TLS at this port", told)


def test_an_authority_that_nobody_knows_is_named() -> None:
    with ExitStack() as servers:
        ports = {kind: servers.enter_context(port(with_foreign_certificate(kind))) for kind in WITHOUT_TOKENS}
        told = all_said({kind: SECTIONS[kind](f"127.0.0.1:{at}", True) for kind, at in ports.items()})
    assert not without("the authority of the server's certificate is not known here: ", told)


NO_LOGIN, NO_RIGHT, EXPIRED = (
    "the login was refused: ",
    "the user may not do this: ",
    "the credentials have expired: ",
)
GOOGLE_401 = b'{"error": {"code": 401, "message": "Request had invalid authentication credentials."}}'
GOOGLE_403 = b'{"error": {"code": 403, "message": "User not authorized to perform this action."}}'
CLOUDS: Mapping[tuple[str, str], tuple[Answer, str]] = {
    ("sqs", "key"): (
        of_aws("403 Forbidden", "InvalidClientTokenId", "The security token in the request is invalid."),
        NO_LOGIN,
    ),
    ("sqs", "secret"): (
        of_aws("403 Forbidden", "SignatureDoesNotMatch", "The signature we calculated does not match yours."),
        NO_LOGIN,
    ),
    ("sqs", "right"): (of_aws("400 Bad Request", "AccessDeniedException", "No access."), NO_RIGHT),
    ("sqs", "expired"): (
        of_aws("403 Forbidden", "ExpiredTokenException", "The security token in the request is expired"),
        EXPIRED,
    ),
    ("sqs", "clock"): (
        of_aws(
            "403 Forbidden", "InvalidSignatureException", "Signature expired: 20260101T000000Z is now earlier"
        ),
        "is the clock of this machine",
    ),
    ("s3", "key"): (of_s3("403 Forbidden", "InvalidAccessKeyId", "The key does not exist."), NO_LOGIN),
    ("s3", "secret"): (of_s3("403 Forbidden", "SignatureDoesNotMatch", "Check your secret."), NO_LOGIN),
    ("s3", "right"): (of_s3("403 Forbidden", "AccessDenied", "Access Denied"), NO_RIGHT),
    ("s3", "expired"): (of_s3("400 Bad Request", "ExpiredToken", "The provided token has expired."), EXPIRED),
    ("s3", "clock"): (
        of_s3("403 Forbidden", "RequestTimeTooSkewed", "The difference is too large."),
        "is the clock of this machine",
    ),
    ("pubsub", "login"): (of_http("401 Unauthorized", GOOGLE_401, "application/json"), NO_LOGIN),
    ("pubsub", "right"): (of_http("403 Forbidden", GOOGLE_403, "application/json"), NO_RIGHT),
}


@pytest.mark.parametrize("kind", ["sqs", "s3", "pubsub"])
def test_what_a_cloud_refuses_is_named(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for (of, fault), (answer, expected) in CLOUDS.items():
        if of != kind:
            continue
        with port(answer) as number:
            monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{number}")
            section = ObjectsSettings(url="s3://captures/churn") if kind == "s3" else None
            told = said(section or SECTIONS[kind](f"127.0.0.1:{number}", False))
        assert expected in told, fault


USER = {"username": "reader", "password": "right"}
WRONG = {"username": "reader", "password": "wrong"}


def check(section: SourceSettings, expected: str) -> None:
    told = said(section)
    assert expected in told
    assert "wrong" not in told


def test_what_kafka_refuses_is_named() -> None:
    with refusing_kafka() as number:
        brokers = (f"127.0.0.1:{number}",)
        check(KafkaSettings(brokers=brokers, topic=TOPIC, security="sasl_plaintext", **WRONG), NO_LOGIN)
        check(KafkaSettings(brokers=brokers, topic=TOPIC), NO_RIGHT)


class StrictNats(NatsServer):
    """A user without the right to ask for streams."""

    def command(self) -> list[str]:
        users = '{user: reader, password: right, permissions: {publish: "a", subscribe: "_INBOX.>"}}'
        (self.folder / "users.conf").write_text(f"authorization {{users: [{users}]}}")
        return [*super().command(), "-c", str(self.folder / "users.conf")]


def test_what_nats_refuses_is_named(tmp_path: Path) -> None:
    server = StrictNats(tmp_path)
    server.start()
    try:
        servers = (f"127.0.0.1:{server.port}",)
        for user, expected in ((WRONG, NO_LOGIN), ({}, NO_LOGIN), (USER, NO_RIGHT)):
            check(NatsSettings(servers=servers, stream="t", **user), expected)
    finally:
        server.kill()


def test_what_redis_refuses_is_named(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    server.start()
    try:
        with server.client as client:
            client.execute_command("ACL", "SETUSER", "reader", "on", ">right", "~other", "+@all")
            client.execute_command("ACL", "SETUSER", "default", "resetpass", ">another")
        url = f"127.0.0.1:{server.port}"
        for user, expected in ((WRONG, NO_LOGIN), ({}, NO_LOGIN), (USER, NO_RIGHT)):
            check(RedisSettings(url=url, stream="t", **user), expected)
    finally:
        server.kill()


def test_what_postgresql_refuses_is_named() -> None:
    with postgresql.postgresql() as server:
        rules = server.folder / "data" / "pg_hba.conf"
        rules.write_text("host all reader 127.0.0.1/32 scram-sha-256\n" + rules.read_text())
        server.execute(
            "create role reader login password 'right';create table t (p int, k int);select pg_reload_conf()"
        )
        place = {
            "url": f"postgresql://127.0.0.1:{server.port}/postgres",
            "table": "t",
            "position": "p",
            "key": ("k",),
        }
        for user, expected in ((WRONG, NO_LOGIN), ({"username": "reader"}, NO_LOGIN), (USER, NO_RIGHT)):
            check(SqlSettings(**place, **user), expected)

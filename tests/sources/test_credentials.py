"""A password that is rotated: the daemon says that it is refused, and goes on once the new one is in its file."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import redis

from monitor.errors import ConfigError
from monitor.sources.brokers.redis import RedisSettings
from monitor.sources.credentials import Opener, refreshed
from monitor.sources.settings import SourceSettings
from tests.sources.test_daemon_sources import stored
from tests.support.broker_servers import RedisServer
from tests.support.daemon import Daemon
from tests.support.source_checks import records
from tests.support.waiting import until

CONFIG = """
sources:
  orders: {{kind: redis, url: "redis://127.0.0.1:{port}", stream: orders, password: "${{file:{secret}}}"}}
notify: {{console: false}}
"""


def section(**more: object) -> RedisSettings:
    return RedisSettings.model_validate({"url": "redis://redis-1:6379", "stream": "orders"} | more)


OLD = section(username="watchkeeper", password="first")


@pytest.mark.parametrize(
    ("fresh", "is_used"),
    [
        ({"orders": section(username="watchkeeper", password="second")}, True),
        ({"orders": section(username="another", password="second")}, True),
        ({"orders": section(username="watchkeeper")}, True),
        ({"orders": section(username="watchkeeper", password="second", group="another")}, False),
        ({"others": section(username="watchkeeper", password="second")}, False),
    ],
    ids=["a password", "a user", "none any more", "more than credentials", "the section is gone"],
)
def test_only_credentials_are_read_again(fresh: Mapping[str, SourceSettings], is_used: bool) -> None:
    assert refreshed("orders", OLD, lambda: fresh) is (fresh["orders"] if is_used else OLD)


def test_a_configuration_that_has_mistakes_by_now_changes_nothing() -> None:
    def reread() -> Mapping[str, SourceSettings]:
        raise ConfigError([])

    assert refreshed("orders", OLD, reread) is OLD


def test_nothing_is_read_again_before_the_source_has_failed() -> None:
    asked: list[str] = []

    def reread() -> Mapping[str, SourceSettings]:
        asked.append("again")
        return {"orders": OLD}

    opener = Opener(OLD, reread)
    opener("orders")
    assert not asked
    opener("orders")
    assert asked == ["again"]


def test_a_password_that_is_rotated_needs_no_restart(tmp_path: Path) -> None:
    folder, secret = tmp_path / "redis", tmp_path / "secret"
    folder.mkdir()
    secret.write_text("first-password")
    server = RedisServer(folder)
    server.start()
    client = redis.Redis(port=server.port, single_connection_client=True)
    client.config_set("requirepass", "first-password")
    client.auth("first-password")
    try:
        with Daemon(tmp_path, CONFIG.format(port=server.port, secret=secret)) as daemon:

            def send(begin: int, end: int) -> None:
                for body in records(begin, end):
                    client.xadd("orders", {"data": body})

            send(0, 20)
            until(lambda: sum(stored(daemon)) == 20, "the first ones are stored")
            client.config_set("requirepass", "second-password")
            client.auth("second-password")
            client.client_kill_filter(skipme=True)
            send(20, 40)
            until(lambda: "orders failed" in daemon.said(), "the daemon is refused")
            secret.write_text("second-password")
            until(lambda: sum(stored(daemon)) == 40, "the others are stored")
            until(lambda: "source orders works again" in daemon.said(), "it is told")
            assert "-password" not in daemon.said()
    finally:
        client.close()
        server.kill()

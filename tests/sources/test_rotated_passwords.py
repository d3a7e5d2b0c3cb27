"""Passwords of PostgreSQL, NATS and RabbitMQ that are rotated while a daemon reads: told, waited for, nothing lost."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import nats
import pytest
from nats.js.api import StreamConfig

from tests.sources.test_daemon_sources import stored
from tests.support import http, postgresql
from tests.support.broker_servers import NatsServer, RabbitServer
from tests.support.daemon import Daemon
from tests.support.ports import free_port
from tests.support.source_checks import records
from tests.support.thorough import THOROUGH
from tests.support.waiting import until

pytestmark = [
    pytest.mark.skipif(not THOROUGH, reason="three servers: WATCHKEEPER_EACH=1"),
]
CONFIG = """
sources:
  truths:
    {{kind: sql, url: "postgresql://127.0.0.1:{pg}/postgres", username: reader, password: "${{file:{secret}}}",
      table: calls, position: loaded_at, key: [id], client: acme, model: fraud, every: 1s}}
  events: {{kind: nats, servers: ["nats://127.0.0.1:{nats}"], stream: orders, username: reader,
    password: "${{file:{secret}}}"}}
  letters: {{kind: rabbitmq, servers: ["amqp://127.0.0.1:{rabbit}"], queue: orders, username: reader,
    password: "${{file:{secret}}}"}}
notify: {{console: false}}
"""
FIRST, SECOND = "first-password", "second-password"


class GuardedNats(NatsServer):
    """NATS with one user."""

    password = FIRST

    def command(self) -> list[str]:
        return [*super().command(), "--user", "reader", "--pass", self.password]

    def with_stream(self, work: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
        async def run() -> Any:
            address = f"nats://reader:{self.password}@127.0.0.1:{self.port}"
            connection = await nats.connect(address)
            try:
                return await work(connection.jetstream())
            finally:
                await connection.close()

        return asyncio.run(run())


def guard(server: postgresql.Server) -> None:
    """Have the user `reader` need a password."""
    rules = server.folder / "data" / "pg_hba.conf"
    rules.write_text("host all reader 127.0.0.1/32 scram-sha-256\n" + rules.read_text())
    server.execute(
        f"create role reader login password '{FIRST}';"
        "create table calls (loaded_at timestamptz default now(), id text, prediction text);"
        "grant select on calls to reader;select pg_reload_conf()"
    )


def test_passwords_that_are_rotated_need_no_restart(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(FIRST)
    folders = [tmp_path / name for name in ("nats", "rabbit")]
    for folder in folders:
        folder.mkdir()
    broker, rabbit = GuardedNats(folders[0]), RabbitServer(folders[1])
    rabbit.management_port = free_port()

    def manage(method: str, path: str, content: object = None) -> httpx2.Response:
        address = f"http://127.0.0.1:{rabbit.management_port}/api/{path}"
        return http.request(method, address, json=content, auth=("guest", "guest"))

    def send(begin: int, end: int) -> None:
        bodies = list(records(begin, end))
        broker.send("orders.new", bodies)
        rabbit.send("orders", bodies)
        ids = ",".join(f"('pg-{number}', 'yes')" for number in range(begin, end))
        server.execute(f"insert into calls (id, prediction) values {ids}")

    with postgresql.postgresql() as server:
        guard(server)
        broker.start()
        rabbit.start()
        try:
            broker.with_stream(lambda js: js.add_stream(StreamConfig(name="orders", subjects=["orders.>"])))
            rabbit.declare("orders")
            user = {"password": FIRST, "tags": ""}
            until(lambda: manage("PUT", "users/reader", user).is_success, "there is a user")
            everything = {"configure": ".*", "write": ".*", "read": ".*"}
            assert manage("PUT", "permissions/%2F/reader", everything).is_success
            ports = {"pg": server.port, "nats": broker.port, "rabbit": rabbit.port}
            with Daemon(tmp_path, CONFIG.format(secret=secret, **ports)) as daemon:
                send(0, 20)
                until(lambda: sum(stored(daemon)) == 60, "the first ones are stored")
                server.execute(
                    f"alter role reader password '{SECOND}';"
                    "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'reader'"
                )
                broker.kill()
                broker.password = SECOND
                broker.start()
                assert manage("PUT", "users/reader", {**user, "password": SECOND}).is_success

                def mine() -> list[str]:
                    listed = manage("GET", "connections").json()
                    return [one["name"] for one in listed if one.get("user") == "reader"]

                until(mine, "its connection is listed")
                for name in mine():
                    assert manage("DELETE", f"connections/{quote(name, safe='')}").is_success
                send(20, 40)
                for name in ("truths", "events", "letters"):
                    until(lambda name=name: f"{name} failed" in daemon.said(), f"{name} is refused")
                secret.write_text(SECOND)
                until(lambda: sum(stored(daemon)) == 120, "the others are stored")
                for name in ("truths", "events", "letters"):
                    until(
                        lambda name=name: f"source {name} works again" in daemon.said(), f"{name} is told", 60
                    )
                assert "-password" not in daemon.said()
        finally:
            broker.kill()
            rabbit.end()

"""Real RabbitMQ, NATS and Redis."""

import asyncio
import json
import os
import socket
import subprocess
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import nats
import pika
import redis
from nats.js.api import StreamConfig

from tests.support.brokers import Broker
from tests.support.ports import free_port


class RabbitServer(Broker):
    """With an epmd of its own, which Erlang would otherwise leave behind."""

    names: "subprocess.Popen[bytes] | None" = None
    names_port = dist_port = 0
    management_port = 0
    """Set it before the start to have the management API there."""
    stranger = ""
    """Set it before the start to have another user of this name, and password, who may do nothing."""

    def command(self) -> list[str]:
        return ["/usr/lib/rabbitmq/bin/rabbitmq-server"]

    def environment(self) -> dict[str, str]:
        self.names_port = self.names_port or free_port()
        self.dist_port = self.dist_port or free_port()
        plugins = "[rabbitmq_management]." if self.management_port else "[]."
        (self.folder / "plugins").write_text(f"{plugins}\n")
        none = str(self.folder / "none")
        return {
            **os.environ,
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(self.names_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.dist_port),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_CONFIG_FILE": str(self._configured())
            if self.management_port or self.stranger
            else none,
            "RABBITMQ_CONF_ENV_FILE": none,
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 -kernel inet_dist_use_interface {127,0,0,1}",
        }

    def _configured(self) -> Path:
        file, lines = self.folder / "rabbitmq.conf", ["collect_statistics_interval = 500"]
        if self.management_port:
            lines += [f"management.tcp.port = {self.management_port}", "management.tcp.ip = 127.0.0.1"]
        if self.stranger:
            lines.append(f"load_definitions = {self._defined()}")
        file.write_text("\n".join(lines) + "\n")
        return file

    def _defined(self) -> Path:
        """A file with the two users. Only `guest` may do anything."""
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        nothing = dict.fromkeys(everything, "")
        rights = {"guest": everything, self.stranger: nothing}
        users = [{"name": name, "password": name, "tags": ""} for name in rights]
        permissions = [{"user": name, "vhost": "/", **some} for name, some in rights.items()]
        file = self.folder / "definitions.json"
        file.write_text(json.dumps({"vhosts": [{"name": "/"}], "users": users, "permissions": permissions}))
        return file

    def start(self) -> None:
        environment = self.environment()
        if self.names is None:
            command = ["epmd", "-port", str(self.names_port), "-address", "127.0.0.1"]
            self.names = subprocess.Popen(command, env=environment)
        super().start()

    def end(self) -> None:
        self.kill()
        if self.names is not None:
            self.names.kill()
            self.names.wait(300)

    def answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def channel(self) -> Any:
        return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", self.port))

    def declare(self, queue: str, **more: Any) -> None:
        with self.channel() as connection:
            connection.channel().queue_declare(queue, durable=True, arguments=more or None)

    def delete(self, queue: str) -> None:
        with self.channel() as connection:
            connection.channel().queue_delete(queue)

    def send(self, queue: str, bodies: Sequence[bytes], **properties: Any) -> None:
        with self.channel() as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            for body in bodies:
                kept = pika.BasicProperties(delivery_mode=2, **properties)
                channel.basic_publish("", queue, body, kept)


class NatsServer(Broker):
    def command(self) -> list[str]:
        return [
            "nats-server",
            "-a",
            "127.0.0.1",
            "-p",
            str(self.port),
            "-js",
            "-sd",
            str(self.folder / "data"),
        ]

    def answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def with_stream(self, work: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
        async def run() -> Any:
            connection = await nats.connect(f"nats://127.0.0.1:{self.port}")
            try:
                return await work(connection.jetstream())
            finally:
                await connection.close()

        return asyncio.run(run())

    def add(self, stream: str, **more: Any) -> None:
        config = StreamConfig(name=stream, subjects=[f"{stream}.>"], **more)
        self.with_stream(lambda js: js.add_stream(config))

    def send(self, subject: str, bodies: Sequence[bytes], headers: dict[str, str] | None = None) -> None:
        async def publish(js: Any) -> None:
            for body in bodies:
                await js.publish(subject, body, headers=headers)

        self.with_stream(publish)


class RedisServer(Broker):
    def command(self) -> list[str]:
        kept = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        return [
            "redis-server",
            "--bind",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--dir",
            str(self.folder),
            *kept,
        ]

    def answers(self) -> bool:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", self.port)):
                return False
            probe.sendall(b"PING\r\n")
            return probe.recv(7) == b"+PONG\r\n"

    @property
    def client(self) -> "redis.Redis":
        return redis.Redis(port=self.port, single_connection_client=True)

    def send(self, stream: str, bodies: Sequence[bytes], name: str = "data") -> list[bytes]:
        with self.client as client:
            return [client.xadd(stream, {name: body}) for body in bodies]

"""A consumer of NATS JetStream."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from monitor.config.sections import FileName, Secret
from monitor.gauges.reading import GaugeError, GaugeReader, Quantity, Reading
from monitor.gauges.settings import GaugeSettings
from monitor.sources.brokers.addresses import some
from monitor.sources.brokers.asynchronous import CallLoop
from monitor.sources.brokers.nats import NatsSettings, address_of, name_of


class NatsConsumerSettings(GaugeSettings):
    """A consumer of a JetStream stream. Needs the extra `nats`."""

    kind: Literal["nats"] = "nats"
    """A consumer of NATS JetStream."""
    servers: Annotated[tuple[Annotated[str, AfterValidator(address_of)], ...], AfterValidator(some)]
    """Addresses to start from, such as `[nats://nats-1:4222]`; `tls://` for TLS."""
    stream: Annotated[str, AfterValidator(name_of)]
    """The stream."""
    consumer: Annotated[str, AfterValidator(name_of)] = Field(min_length=1)
    """The consumer."""
    username: str = ""
    """User."""
    password: Secret | None = None
    """Password."""
    token: Secret | None = None
    """Token, instead of a user and a password."""
    credentials: FileName = ""
    """File with the user's JWT and NKey seed (`.creds`)."""
    certificates: FileName = ""
    """File with the certificates of the servers' authority, if the system does not know it."""

    def make_reader(self) -> GaugeReader:
        """A client, not connected yet."""
        return NatsConsumer(self)


class NatsConsumer:
    """Connects for each reading."""

    def __init__(self, settings: NatsConsumerSettings) -> None:
        self._settings = settings

    def read(self) -> Sequence[Reading]:
        """Messages that were not delivered, and those that were not acknowledged."""
        try:
            import nats.aio.client
            import nats.errors
        except ImportError as error:
            hint = "pip install 'watchkeeper[nats]'"
            raise GaugeError("the client for NATS is not installed", hint=hint) from error
        calls, section = CallLoop(), self._settings
        connection = nats.aio.client.Client()
        try:
            return calls.run(self._read(connection), section.timeout)
        except (nats.errors.Error, OSError, ValueError) as error:
            words = str(error) or "no answer in time"
            hint = "are the servers reachable from here, and do stream and consumer exist?"
            raise GaugeError(f"NATS at {', '.join(section.servers)}: {words}", hint=hint) from error
        finally:
            calls.close(connection.close())

    async def _read(self, connection: Any) -> list[Reading]:
        section = self._settings
        options = NatsSettings(**section.model_dump(include=_SHARED)).options("gauge")
        await connection.connect(error_cb=_ignored, **options)
        info = await connection.jetstream().consumer_info(section.stream, section.consumer)
        depth = float((info.num_pending or 0) + (info.num_ack_pending or 0))
        return [Reading(Quantity.QUEUE_DEPTH, f"{section.stream}/{section.consumer}", depth)]


_SHARED = {
    "servers", "stream", "consumer", "username", "password", "token", "credentials", "certificates",
}  # fmt: skip


async def _ignored(_: Exception) -> None:
    """The client reports each failure twice."""

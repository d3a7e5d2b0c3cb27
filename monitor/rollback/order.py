"""An order to an executor, and its JSON: what a signed webhook receives, and what the outbox stores."""

import hashlib
from typing import Literal

import msgspec

from monitor.clock import iso
from monitor.records import Stream

SCHEMA = "watchkeeper.rollback/1"
VALID = 300.0
"""Seconds after a decision in which its order may be carried out. A later one no longer fits what is running."""

OrderKind = Literal["rollback", "freeze"]
Mode = Literal["dry-run", "on", "drill"]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Roll a version back, or freeze its rollout. Times are seconds since the epoch.

    `id` is the same for every attempt. `trigger` is the rule that fired, or who asked for it. `other` is the version to
    go back to; empty if none is known.
    """

    id: str
    kind: OrderKind
    client: str
    model: str
    environment: str
    version: str
    other: str
    trigger: str
    reason: str
    mode: Mode
    decided_at: float

    @property
    def stream(self) -> Stream:
        """The stream of the model."""
        return Stream(self.client, self.model, self.environment)

    @property
    def expires_at(self) -> float:
        """When the order must no longer be carried out."""
        return self.decided_at + VALID

    def body(self) -> bytes:
        """The JSON for a receiver. Its versions are called as they are in predictions."""
        return msgspec.json.encode(
            {
                "schema": SCHEMA,
                "id": self.id,
                "action": self.kind,
                "client": self.client,
                "model": self.model,
                "environment": self.environment,
                "from_version": self.version,
                "to_version": self.other,
                "trigger": self.trigger,
                "reason": self.reason,
                "dry_run": self.mode == "dry-run",
                "drill": self.mode == "drill",
                "decided_at": iso(self.decided_at),
                "expires_at": iso(self.expires_at),
            }
        )


def identity(stream: Stream, version: str, trigger: str, mode: str) -> str:
    """The id of an order: the same for the same stream, version, trigger and mode, in every daemon."""
    parts = "\0".join((str(stream), version, trigger, mode))
    return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def encode(order: Order) -> bytes:
    """The order as the outbox stores it."""
    return msgspec.json.encode(order)


def decode(stored: bytes) -> Order:
    """The order of a row of the outbox.

    Raises:
        msgspec.MsgspecError: it is damaged, or of another version of Watchkeeper.
    """
    return msgspec.json.decode(stored, type=Order)

"""A call without texts, as it waits in the store for them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor.errors import DamageError
from monitor.store import checksums
from monitor.store.idempotency import RequestKey


@dataclass(frozen=True, slots=True)
class HeldCall:
    """The record of a call, its keys, and what its sender may write: the client and the models of its key."""

    record: Mapping[str, Any]
    names: Sequence[RequestKey]
    covered: Sequence[RequestKey]
    choices: int
    client: str
    models: tuple[str, ...]

    @property
    def sender(self) -> tuple[str, str]:
        """Client and model, for which texts come or do not."""
        return self.client or str(self.record["client"]), str(self.record["model"])

    def encoded(self) -> bytes:
        """As bytes, which `held_in` reads. Values are found in them as in a record, for erasure."""
        content = {
            "record": self.record,
            "names": [(name.key.hex(), name.content.hex()) for name in self.names],
            "covered": [(one.key.hex(), one.content.hex()) for one in self.covered],
            "choices": self.choices,
            "client": self.client,
            "models": self.models,
        }
        return checksums.seal(json.dumps(content).encode())


def held_in(content: bytes) -> HeldCall | None:
    """The call in the bytes of `HeldCall.encoded`; None if they are damaged."""
    try:
        fields = json.loads(checksums.unseal(content))
        return HeldCall(
            {**fields["record"], "features": {**fields["record"]["features"]}},
            [RequestKey(bytes.fromhex(key), bytes.fromhex(of)) for key, of in fields["names"]],
            [RequestKey(bytes.fromhex(key), bytes.fromhex(of)) for key, of in fields["covered"]],
            int(fields["choices"]),
            str(fields["client"]),
            tuple(str(one) for one in fields["models"]),
        )
    except (DamageError, ValueError, TypeError, KeyError, RecursionError):
        return None

"""What clients register about their prompts: hashes of system prompts, and hashes of canaries. Never the texts.

Natural keys: a system prompt by client, model and version; a canary by client and hash.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, Connection, Float, Integer, LargeBinary, String, Table, delete, select

from monitor.store import advisory_locks
from monitor.store.db import faults_of, metadata
from monitor.store.rows import blob, moment, whole_number, words
from monitor.store.statements import insert_new, replace
from monitor.text_limits import LABEL, NAME

SYSTEM_PROMPTS = Table(
    "system_prompts",
    metadata,
    Column("client", String(NAME), primary_key=True),
    Column("model", String(NAME), primary_key=True),
    Column("version", String(LABEL), primary_key=True),
    Column("shingles", LargeBinary, nullable=False),
    Column("words", Integer, nullable=False),
    Column("registered_at", Float, nullable=False),
)
CANARIES = Table(
    "canaries",
    metadata,
    Column("client", String(NAME), primary_key=True),
    Column("digest", LargeBinary(32), primary_key=True),
    Column("model", String(NAME), nullable=False),
    Column("name", String(NAME), nullable=False),
    Column("created_at", Float, nullable=False),
)
_HASH_BYTES = 8


@dataclass(frozen=True, slots=True)
class SystemPrompt:
    """The hashes of a system prompt of one version of a model, and how many words it has."""

    client: str
    model: str
    version: str
    shingles: frozenset[int]
    words: int
    registered_at: float


@dataclass(frozen=True, slots=True)
class Canary:
    """The SHA-256 of a canary. `model` is empty if it is for all models of the client."""

    client: str
    model: str
    name: str
    digest: bytes
    created_at: float

    @property
    def id(self) -> str:
        """What commands call it."""
        return self.digest.hex()[:12]


@dataclass(frozen=True, slots=True)
class RegisteredTexts:
    """All that was registered, readable rows only."""

    prompts: tuple[SystemPrompt, ...] = field(default=())
    canaries: tuple[Canary, ...] = field(default=())

    def shingles_of(self, client: str, model: str) -> frozenset[int]:
        """The hashes of the system prompts of all versions of a model: an old prompt may leak, too."""
        return frozenset().union(
            *(prompt.shingles for prompt in self.prompts if (prompt.client, prompt.model) == (client, model))
        )

    def canaries_of(self, client: str, model: str) -> frozenset[bytes]:
        """The hashes of the canaries of a model, and of those for all models of its client."""
        mine = (canary for canary in self.canaries if canary.client == client and canary.model in ("", model))
        return frozenset(one.digest for one in mine)


def register_prompt(connection: Connection, prompt: SystemPrompt) -> bool:
    """Store the hashes of a system prompt. One of the same version replaces it; False where it is this very one."""
    row = {
        "client": prompt.client,
        "model": prompt.model,
        "version": prompt.version,
        "shingles": array("Q", sorted(prompt.shingles)).tobytes(),
        "words": prompt.words,
        "registered_at": prompt.registered_at,
    }
    advisory_locks.lock(connection, "system prompts", prompt.client)
    same = (SYSTEM_PROMPTS.c[name] == value for name, value in row.items() if name != "registered_at")
    if connection.execute(select(SYSTEM_PROMPTS.c.client).where(*same)).first() is not None:
        return False
    replace(connection, SYSTEM_PROMPTS, [row], ("client", "model", "version"))
    return True


def remove_prompt(connection: Connection, client: str, model: str, version: str) -> bool:
    """Delete the hashes of a version; False if there are none."""
    columns = SYSTEM_PROMPTS.c
    mine = (columns.client == client, columns.model == model, columns.version == version)
    return connection.execute(delete(SYSTEM_PROMPTS).where(*mine)).rowcount > 0


def add_canary(connection: Connection, canary: Canary) -> bool:
    """Store the hash of a canary; one that is known stays as it is: False."""
    row = {name: getattr(canary, name) for name in Canary.__slots__}
    return bool(insert_new(connection, CANARIES, [row], ("digest",)))


def remove_canaries(connection: Connection, canaries: Iterable[Canary]) -> int:
    """Delete canaries; how many there were."""
    columns, gone = CANARIES.c, 0
    for canary in canaries:
        mine = (columns.client == canary.client, columns.digest == canary.digest)
        gone += connection.execute(delete(CANARIES).where(*mine)).rowcount
    return gone


def load(connection: Connection) -> RegisteredTexts:
    """All that was registered, by client, model and time. A damaged row is a fault, and is left out."""
    faults = faults_of(connection)
    prompts: list[SystemPrompt] = []
    canaries: list[Canary] = []
    columns = SYSTEM_PROMPTS.c
    for row in connection.execute(
        select(SYSTEM_PROMPTS).order_by(columns.client, columns.model, columns.version)
    ):
        with faults.isolate("system_prompts", f"{row.client}/{row.model}"):
            prompts.append(_prompt(row))
    for row in connection.execute(select(CANARIES).order_by(CANARIES.c.client, CANARIES.c.created_at)):
        with faults.isolate("canaries", str(row.client)):
            canaries.append(_canary(row))
    return RegisteredTexts(tuple(prompts), tuple(canaries))


def _prompt(row: Any) -> SystemPrompt:
    packed = blob(row.shingles)
    if len(packed) % _HASH_BYTES:
        msg = f"{len(packed)} bytes are not hashes of {_HASH_BYTES} bytes"
        raise ValueError(msg)
    names = words(row.client), words(row.model), words(row.version)
    hashes = frozenset(array("Q", packed))
    return SystemPrompt(*names, hashes, whole_number(row.words), moment(row.registered_at))


def _canary(row: Any) -> Canary:
    names = words(row.client), words(row.model), words(row.name)
    return Canary(*names, blob(row.digest), moment(row.created_at))

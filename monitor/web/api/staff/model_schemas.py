"""What staff read of the models of clients: alerts explained, silences, versions, baselines and registered texts.

Fields may be added, never removed; times are ISO 8601 in UTC.
"""

import msgspec

from monitor.store.rollback_drills import Drill
from monitor.store.rollbacks import Rollback


class ExplanationAnswer(msgspec.Struct, frozen=True):
    """Why an alert, or a rule without one, is in its state, in lines as `watchkeeper explain` prints them."""

    lines: list[str]


class SilenceRow(msgspec.Struct, frozen=True):
    """An active or future silence."""

    id: str
    matchers: list[str]
    starts: str
    ends: str
    author: str
    comment: str


class RecordedAnswer(msgspec.Struct, frozen=True):
    """A recorded release. `contradictions` are the components in which another release of this version differs.

    `answered_until` is when the version answered last, null if it never did.
    """

    version: str
    released_at: str
    released_by: str
    digest: str
    source: str
    answered_until: str | None
    contradictions: list[str]


class ReleasesAnswer(msgspec.Struct, frozen=True):
    """The recorded releases of a model, newest first, and the versions that answered without a record."""

    releases: list[RecordedAnswer]
    unrecorded: list[str]


class ManifestAnswer(msgspec.Struct, frozen=True):
    """A manifest as it was recorded."""

    digest: str
    released_at: str
    recorded_at: str
    recorded_by: str
    source: str
    manifest: msgspec.Raw


class MissingApprovalAnswer(msgspec.Struct, frozen=True):
    """Whether a version needs an approval, and the reason."""

    needed: bool
    reason: str


class StopAnswer(msgspec.Struct, frozen=True):
    """Rollbacks of a model are stopped, or of all models: then `model` is empty."""

    model: str
    author: str
    at: str


class RollbacksAnswer(msgspec.Struct, frozen=True):
    """Decisions on rollbacks, newest first, and what stops them. `file` stops all of them if it is not empty."""

    rollbacks: list[Rollback]
    stops: list[StopAnswer]
    file: str


class AttemptAnswer(msgspec.Struct, frozen=True):
    """An attempt to reach the executor: its outcome, and how long it took."""

    at: str
    outcome: str
    seconds: float
    detail: str


class OneRollbackAnswer(msgspec.Struct, frozen=True):
    """A decision on a rollback with the executor's answers."""

    rollback: Rollback
    attempts: list[AttemptAnswer]


class DrillsAnswer(msgspec.Struct, frozen=True):
    """The drills of a model in all environments, newest first."""

    drills: list[Drill]


class BaselineAnswer(msgspec.Struct, frozen=True):
    """The baseline of a model: where it is from, and the kinds of its columns by name."""

    stream: str
    source: str
    made: str
    rows: int
    columns: dict[str, str]
    relations: list[str]
    notes: list[str]


class PromptRow(msgspec.Struct, frozen=True):
    """A registered system prompt: the number of its words, and of their hashes."""

    client: str
    model: str
    version: str
    words: int
    hashes: int
    registered: str


class CanaryRow(msgspec.Struct, frozen=True):
    """A registered canary token. `model` is empty if it is for all models of the client."""

    id: str
    client: str
    model: str
    name: str
    created: str

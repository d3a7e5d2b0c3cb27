"""Stores decisions on versions, with their entry in the audit log."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec
from sqlalchemy import Connection

from monitor.errors import InputError
from monitor.records import Stream
from monitor.releases.approval.decision import ApprovalDecision, approval_needed
from monitor.releases.settings import ReleasePolicy
from monitor.store import advisory_locks, approvals, audit, releases
from monitor.store.approvals import TEAM, Approval
from monitor.store.audit import AuditEntry
from monitor.text_limits import LABEL, VERSION_BYTES, flaw_of_text, storable
from monitor.visible import one_line, visible

LONGEST_NOTE, LARGEST_EVIDENCE = 2000, 262_144


def decision_on(
    connection: Connection, stream: Stream, version: str, policy: ReleasePolicy
) -> ApprovalDecision:
    """Whether a version still needs an approval, from what is stored."""
    return approval_needed(policy, version, approvals.of(connection, stream), releases.of(connection, stream))


def missing_approval(
    policy_of: Callable[[Stream], ReleasePolicy],
) -> Callable[[Connection, Stream, str], str]:
    """What says why a version of a stream may not be promoted for want of an approval; empty if it may."""

    def why(connection: Connection, stream: Stream, version: str) -> str:
        decision = decision_on(connection, stream, version, policy_of(stream))
        return decision.reason if decision.is_needed else ""

    return why


def decide(connection: Connection, approval: Approval, address: str) -> bool:
    """Store a decision; False if it is known.

    The team decides about the newest release of the version, the client about the one that the team approved, which
    the page has shown: `digest` is that of the team's approval. `address` is where the person is, for the audit log.

    Raises:
        InputError: a text is too long, or cannot be stored.
    """
    approval = _checked(approval)
    if approval.role == TEAM:
        recorded = [
            one for one in releases.of(connection, approval.stream) if one.version == approval.version
        ]
        newest = max(recorded, key=lambda one: one.recorded_at, default=None)
        approval = replace(approval, digest=newest.digest if newest else "")
    advisory_locks.lock(connection, "approvals", str(approval.stream))
    if _is_repeated(approval, approvals.of(connection, approval.stream)):
        return False
    if not approvals.add(connection, approval):
        return False
    word = "approve" if approval.approved else "decline"
    what = f"{word} version {approval.version} of {approval.stream}: {approval.note}"
    client = approval.stream.client
    audit.add(
        connection, [AuditEntry(approval.at, approval.who, address[:64], "change", client, what[:512], 200)]
    )
    return True


def evidence(content: bytes) -> str:
    """What was seen: a JSON object, such as the result of the gate, on one line.

    Raises:
        InputError: it is too large, or no JSON object.
    """
    if len(content) > LARGEST_EVIDENCE:
        raise InputError(f"the evidence has {len(content):,} bytes, more than {LARGEST_EVIDENCE:,}")
    try:
        read = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        hint = "use the JSON that the gate wrote"
        raise InputError(f"the evidence is not a JSON object: {visible(str(error))}", hint=hint) from error
    return msgspec.json.encode(read).decode()


def summary(stored: str) -> str:
    """Outcome and reason of stored evidence in one line; empty without them."""
    try:
        read = msgspec.json.decode(stored.encode(), type=dict[str, object]) if stored else {}
    except (msgspec.MsgspecError, RecursionError):
        return "cannot be read"
    parts = [str(read[name]) for name in ("outcome", "reason") if isinstance(read.get(name), str)]
    return one_line(": ".join(parts))[:500]


def _is_repeated(approval: Approval, known: Sequence[Approval]) -> bool:
    """Whether the newest decision on the version is this very one."""
    newest = next((one for one in reversed(known) if one.version == approval.version), None)
    return (
        newest is not None
        and approval.role == TEAM
        and replace(newest, at=approval.at, answers=approval.answers) == approval
    )


def _checked(approval: Approval) -> Approval:
    if (
        not approval.version
        or len(approval.version) > LABEL
        or len(approval.version.encode()) > VERSION_BYTES
    ):
        raise InputError("the version is empty or too long", hint="use the version that the predictions name")
    if flaw := flaw_of_text(approval.version):
        raise InputError(f"the version {flaw}")
    who, note = one_line(storable(approval.who))[:256], one_line(storable(approval.note))
    if not who:
        raise InputError("the name of the person is empty", hint="say who decides")
    if len(note) > LONGEST_NOTE:
        raise InputError(f"the note has {len(note):,} characters, more than {LONGEST_NOTE:,}")
    return replace(approval, who=who, note=note)

"""Whether a version still needs an approval before it is promoted, and why. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.clock import iso
from monitor.releases.recording.manifest import contradictions
from monitor.releases.settings import ReleasePolicy
from monitor.store.approvals import CLIENT, TEAM, Approval
from monitor.store.releases import Release
from monitor.visible import visible

_ROLES = {"none": (), "team": (TEAM,), "client": (TEAM, CLIENT)}


@dataclass(frozen=True, slots=True)
class ApprovalDecision:
    """Whether an approval is missing, in which role, and the reason."""

    is_needed: bool
    reason: str
    role: str = ""


def approval_needed(
    policy: ReleasePolicy, version: str, approvals: Sequence[Approval], recorded: Sequence[Release]
) -> ApprovalDecision:
    """Whether `version` may not be promoted yet for want of an approval.

    `approvals` and `recorded` are those of the stream, oldest first. The newest decision of each role counts. It does
    not count if the newest release of the version differs from the one that was approved.
    """
    roles = _ROLES[policy.approval]
    if not roles:
        return ApprovalDecision(False, "no approval is required")
    own = [approval for approval in approvals if approval.version == version]
    names = []
    for role in roles:
        newest = next((one for one in reversed(own) if one.role == role), None)
        if reason := _why_not(version, role, newest, recorded):
            return ApprovalDecision(True, reason, role)
        assert newest is not None
        names.append(f"{visible(newest.who)} ({role}, {iso(newest.at)})")
    return ApprovalDecision(False, f"version {visible(version)} was approved by {' and '.join(names)}")


def waiting_for_client(
    policy: ReleasePolicy, approvals: Sequence[Approval], recorded: Sequence[Release]
) -> list[Approval]:
    """The team's approvals of one stream that the client has to answer, newest first. Pure."""
    waiting = []
    answered = {approval.answers for approval in approvals if approval.role == CLIENT}
    for version in dict.fromkeys(approval.version for approval in reversed(approvals)):
        decision = approval_needed(policy, version, approvals, recorded)
        by_team = [
            approval for approval in approvals if approval.version == version and approval.role == TEAM
        ]
        if decision.role == CLIENT and by_team and by_team[-1].id not in answered:
            waiting.append(by_team[-1])
    return waiting


def _why_not(version: str, role: str, newest: Approval | None, recorded: Sequence[Release]) -> str:
    """Why a role's newest decision does not suffice; empty if it does."""
    shown = visible(version)
    if newest is None:
        return f"version {shown} needs the approval of the {role}"
    if not newest.approved:
        note = f": {visible(newest.note)}" if newest.note else ""
        return f"version {shown} was declined by {visible(newest.who)} ({role}, {iso(newest.at)}){note}"
    if not newest.digest:
        return ""
    of_version = [one for one in recorded if one.version == version]
    seen = next((one for one in of_version if one.digest == newest.digest), None)
    if seen is None:
        return f"the release of version {shown} that the {role} approved is no longer recorded"
    since = [one for one in of_version if one.recorded_at >= seen.recorded_at]
    differ = sorted({name for one in since for name in contradictions(seen.components, one.components)})
    if differ:
        return f"version {shown} differs from what the {role} approved: {', '.join(differ)}"
    return ""

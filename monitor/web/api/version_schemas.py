"""The schemas of the JSON API about versions: releases and rollbacks. The rules are those of `schemas`."""

from collections.abc import Sequence

import msgspec

from monitor.clock import iso
from monitor.releases.recording.record import contradicting
from monitor.store.releases import Release
from monitor.store.rollbacks import Rollback


class ReleaseAnswer(msgspec.Struct, frozen=True):
    """A recorded release. `contradictions` are the components in which another release of this version differs.

    `released_by` is empty for a client's reader.
    """

    version: str
    digest: str
    released_at: str
    released_by: str
    flags: list[str]
    contradictions: list[str]


class RollbackAnswer(msgspec.Struct, frozen=True):
    """A decision to roll a version back, or to freeze its rollout. Shares are those of `from_version` in all answers.

    `action` is rollback or freeze; `mode` is on, dry-run or drill; `state` is withheld, decided, sent, confirmed,
    verified or failed. `trigger` is the rule that fired, or who asked for it; `detail` is what became of the order.
    `trigger`, `reason`, `detail`, `executor` and `author` are empty for a client's reader.
    """

    id: str
    action: str
    mode: str
    state: str
    from_version: str
    to_version: str
    trigger: str
    reason: str
    detail: str
    executor: str
    author: str
    decided_at: str
    sent_at: str | None
    answered_at: str | None
    ended_at: str | None
    share_before: float | None
    share_after: float | None


def release(one: Release, of_version: Sequence[Release], *, with_names: bool) -> ReleaseAnswer:
    """A release; `of_version` are all of its version."""
    by = one.released_by if with_names else ""
    differ = list(contradicting(of_version))
    return ReleaseAnswer(one.version, one.digest, iso(one.released_at), by, list(one.flags), differ)


def rollback(one: Rollback, *, with_reasons: bool) -> RollbackAnswer:
    """A decision on a rollback."""

    def told(text: str) -> str:
        return text if with_reasons else ""

    def passed(at: float | None) -> str | None:
        return None if at is None else iso(at)

    return RollbackAnswer(
        id=one.id,
        action=one.kind,
        mode=one.mode,
        state=one.state.value,
        from_version=one.version,
        to_version=one.other,
        trigger=told(one.trigger),
        reason=told(one.reason),
        detail=told(one.detail),
        executor=told(one.executor),
        author=told(one.author),
        decided_at=iso(one.decided_at),
        sent_at=passed(one.sent_at),
        answered_at=passed(one.answered_at),
        ended_at=passed(one.ended_at),
        share_before=one.share_before,
        share_after=one.share_after,
    )

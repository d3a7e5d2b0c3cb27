"""What a restored backup brings back although it was erased since: nothing of it may come back without a word.

The audit log of the database that is replaced knows the erasures, that of the backup those before it. A receipt holds
the HMAC of an id only, so what was erased by id cannot be erased again without whoever has the ids.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from monitor.errors import StoreError
from monitor.store import audit
from monitor.store.audit import AuditEntry, AuditFilter
from monitor.store.db import Store
from monitor.visible import visible

EVERYTHING = "erase everything"
_MOST = 10_000


def erasures(store: Store) -> list[AuditEntry] | None:
    """The erasures that the audit log of a store knows, newest first; None if it has none of anything, or cannot be
    read.
    """
    if store.path is not None and not store.path.exists():
        return None
    try:
        with store.read() as connection:
            is_empty = audit.count(connection, AuditFilter()) == 0
            return None if is_empty else audit.find(connection, AuditFilter(action="erase"), 0, _MOST)
    except StoreError:
        return None


def brought_back(before: Sequence[AuditEntry], after: Sequence[AuditEntry]) -> list[AuditEntry]:
    """The erasures of the replaced database that the restored one does not know, oldest first."""
    known = set(after)
    return sorted((one for one in before if one not in known), key=lambda one: one.at)


def enter(store: Store, back: Sequence[AuditEntry], now: float, who: str) -> None:
    """Note in the audit log of each client what came back: the entry of its erasure is gone."""
    with store.write() as connection:
        for one in back:
            audit.note(
                connection,
                now,
                who,
                f"brings back what was erased: {words(one)}",
                one.client,
                action="restore",
            )


def words(one: AuditEntry) -> str:
    """An erasure on one line."""
    at = datetime.fromtimestamp(one.at, UTC)
    return f"{visible(one.target)}, {at:%Y-%m-%d %H:%M} UTC, by {visible(one.who)}"


def command(one: AuditEntry) -> str:
    """What erases it again."""
    whole = f"watchkeeper erase --client {visible(one.client)}"
    is_whole = one.target.startswith(EVERYTHING)
    return whole if is_whole else f"{whole} with the ids or the segment of that receipt"

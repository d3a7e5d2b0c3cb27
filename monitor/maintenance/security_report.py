"""The regular security audit on one page: what deserves a look, worst first, and what is well."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from monitor.clock import iso
from monitor.config.units import DAY, format_duration
from monitor.store import api_keys, audit_check, quarantine, sessions
from monitor.store.api_keys import Key, KeyKind
from monitor.store.audit import count_strangers
from monitor.store.audit_check import ChainCheck
from monitor.store.audit_checkpoints import Signer
from monitor.store.quarantine import Refused
from monitor.store.sessions import Session
from monitor.visible import counted, visible

_MOST = 20
UNUSED = 90.0 * DAY
"""Seconds after which a key that is not used counts as forgotten."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What the configuration says: whether checkpoints are signed, data at rest encrypted, pages served by TLS or on
    this machine only. `session_idle` is in seconds; `retention` says how long what is kept, in seconds.
    """

    is_signed: bool
    is_encrypted: bool
    is_secure: bool
    is_local: bool
    session_idle: float
    retention: dict[str, float]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the report is made of. `failed` is the number of requests without access since `since`."""

    now: float
    since: float
    keys: Sequence[Key]
    sessions: Sequence[Session]
    failed: int
    verdicts: Sequence[ChainCheck]
    refused: Sequence[Refused]
    installation: Installation


@dataclass(frozen=True, slots=True)
class SecurityFinding:
    """One finding: what it is about, whether it is well, and the details."""

    subject: str
    is_well: bool
    detail: str


def read(
    connection: Connection, installation: Installation, signer: Signer, since: float, now: float
) -> Facts:
    """The facts at `now`. Verifies the whole audit log: about 100,000 entries a second."""
    return Facts(
        now,
        since,
        api_keys.keys(connection),
        sessions.open_sessions(connection, now, installation.session_idle),
        count_strangers(connection, since),
        audit_check.verify(connection, signer),
        quarantine.summary(connection, since, now + 1),
        installation,
    )


def words(line: SecurityFinding) -> str:
    """A finding on one line of text."""
    return f"{'✔' if line.is_well else '✖'} {visible(line.subject)}: {visible(line.detail)}"


def report(facts: Facts) -> list[SecurityFinding]:
    """All findings, those that deserve a look first."""
    lines = [*_keys(facts), *_people(facts), *_storage(facts), *_log(facts), *_quarantine(facts)]
    return sorted(lines, key=lambda line: line.is_well)


def _keys(facts: Facts) -> list[SecurityFinding]:
    valid = [key for key in facts.keys if key.is_valid(facts.now)]
    never = [key for key in valid if key.last_used_at is None and key.created_at <= facts.now - DAY]
    idle = [key for key in valid if key.last_used_at is not None and key.last_used_at < facts.now - UNUSED]
    endless = [key for key in valid if key.expires_at is None]
    admins = [key for key in valid if key.kind is KeyKind.STAFF and key.role in ("", "admin")]
    return [
        _named("keys never used", never),
        _named(f"keys not used for {format_duration(UNUSED)}", idle),
        _named("keys without expiry", endless),
        SecurityFinding("admin keys", len(admins) <= 2, _list(admins)),
    ]


def _named(subject: str, keys: Sequence[Key]) -> SecurityFinding:
    return SecurityFinding(subject, not keys, _list(keys))


def _word(key: Key) -> str:
    """A key with its name, and whom it is for."""
    named = f"{key.id} {key.name}" if key.name else key.id
    return f"{named} ({key.kind} {key.client})" if key.client else f"{named} ({key.kind})"


def _list(keys: Sequence[Key]) -> str:
    shown = ", ".join(map(_word, keys[:_MOST]))
    return (shown + (f" and {len(keys) - _MOST} more" if len(keys) > _MOST else "")) or "none"


def _people(facts: Facts) -> list[SecurityFinding]:
    admins = sorted({session.who for session in facts.sessions if session.role == "admin"})
    return [
        SecurityFinding("admins signed in now", True, ", ".join(admins[:_MOST]) or "none"),
        SecurityFinding(
            "unauthorized requests", facts.failed < 100, f"{facts.failed:,} since {iso(facts.since)}"
        ),
    ]


def _storage(facts: Facts) -> list[SecurityFinding]:
    kept = ", ".join(
        f"{name} {format_duration(seconds)}" for name, seconds in facts.installation.retention.items()
    )
    tls = "pages are served by TLS" if facts.installation.is_secure else "pages are not served by TLS"
    return [
        SecurityFinding(
            "encryption at rest",
            facts.installation.is_encrypted,
            f"store.key is {'' if facts.installation.is_encrypted else 'not '}set",
        ),
        SecurityFinding(
            "TLS",
            facts.installation.is_secure or facts.installation.is_local,
            tls + (", on this machine only" if facts.installation.is_local else ""),
        ),
        SecurityFinding("retention", True, kept),
    ]


def _log(facts: Facts) -> list[SecurityFinding]:
    broken = [
        f"{verdict.client or '(no single client)'}: {verdict.problem}"
        for verdict in facts.verdicts
        if verdict.problem
    ]
    entries = sum(verdict.entries for verdict in facts.verdicts)
    signed = "checkpoints are signed" if facts.installation.is_signed else "audit.key is not set"
    return [
        SecurityFinding("audit log", not broken, "; ".join(broken) or f"{counted(entries, 'entry')}, intact"),
        SecurityFinding("signature of the audit log", facts.installation.is_signed, signed),
    ]


def _quarantine(facts: Facts) -> list[SecurityFinding]:
    foreign = sum(one.count for one in facts.refused if one.reason in ("other_client", "unknown_client"))
    total = sum(one.count for one in facts.refused)
    return [
        SecurityFinding("records sent for other clients", not foreign, f"{foreign:,}"),
        SecurityFinding("quarantine", True, f"{counted(total, 'rejected record')} since {iso(facts.since)}"),
    ]

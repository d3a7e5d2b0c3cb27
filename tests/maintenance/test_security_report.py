"""The security audit on one page: what deserves a look is told, first; what is well is not complained about."""

from dataclasses import replace

from monitor.maintenance.security_report import UNUSED, Facts, report
from monitor.store.api_keys import Key, KeyKind
from monitor.store.audit_check import Verdict
from monitor.store.quarantine import Refused
from monitor.store.sessions import Session

NOW = 1_795_420_800.0
DAY = 86_400.0


def key(name: str, **changes: object) -> Key:
    sound = Key(name, KeyKind.INGEST, "acme", "", name.encode(), NOW - DAY, NOW + DAY, None, NOW - 60)
    return replace(sound, **changes)  # type: ignore[arg-type]


def facts(**changes: object) -> Facts:
    chain, kept = [Verdict("acme", 5)], {"rows": DAY}
    sound = Facts(NOW, NOW - 30 * DAY, [key("good")], [], 0, chain, [], True, True, True, False, kept)
    return replace(sound, **changes)  # type: ignore[arg-type]


def bad(of: Facts) -> dict[str, str]:
    return {line.subject: line.detail for line in report(of) if not line.is_well}


def test_a_sound_installation_has_no_complaint() -> None:
    assert bad(facts()) == {}


def test_each_fault_is_named_and_comes_first() -> None:
    keys = [
        key("never", last_used_at=None),
        key("idle", last_used_at=NOW - UNUSED - 1),
        key("endless", expires_at=None),
        key("revoked", expires_at=None, last_used_at=None, revoked_at=NOW - 1),
        *(key(f"root{n}", kind=KeyKind.STAFF, client="", role="admin") for n in range(3)),
    ]
    found = facts(
        keys=keys,
        failed=100,
        verdicts=[Verdict("acme", 5, "entry 3 was removed")],
        refused=[Refused("acme", "fraud", "other_client", 7, "")],
        is_signed=False,
        is_encrypted=False,
        is_secure=False,
        sessions=[Session("ada", "admin", "", "", NOW, NOW + 1)],
    )
    assert bad(found) == {
        "keys never used": "never (ingest acme)",
        "keys not used for 90d": "idle (ingest acme)",
        "keys without expiry": "endless (ingest acme)",
        "admin keys": "root0 (staff), root1 (staff), root2 (staff)",
        "requests without access": "100 since 2026-10-24T08:00:00Z",
        "encryption at rest": "store.key is not set",
        "TLS": "pages are not served by TLS",
        "audit log": "acme: entry 3 was removed",
        "signature of the audit log": "audit.key is not set",
        "records of foreign clients": "7",
    }
    wells = [line.is_well for line in report(found)]
    assert wells == sorted(wells)
    assert bad(facts(is_secure=False, is_local=True)) == {}


def test_long_lists_are_cut() -> None:
    many = [key(f"k{n}", expires_at=None) for n in range(10_000)]
    assert bad(facts(keys=many))["keys without expiry"].endswith("k19 (ingest acme) and 9980 more")

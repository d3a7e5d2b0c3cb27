"""The security audit on one page: what deserves a look is told, first; what is well is not complained about."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.alerts.notification import decode
from monitor.config.installation import installation_of
from monitor.config.schema import Config
from monitor.maintenance.security_mail import KIND, AuditMailer, due, message
from monitor.maintenance.security_report import UNUSED, Facts, Installation, report
from monitor.records import DAEMON
from monitor.store import audit, digests, outbox
from monitor.store.api_keys import Key, KeyKind
from monitor.store.audit_check import ChainCheck
from monitor.store.audit_checkpoints import Signer
from monitor.store.db import Store
from monitor.store.quarantine import Refused
from monitor.store.sessions import Session
from tests.support import schema

NOW = 1_795_420_800.0
DAY = 86_400.0
SOUND = Installation(True, True, True, False, 3600.0, {"rows": DAY})


def key(identity: str, **changes: object) -> Key:
    sound = Key(identity, KeyKind.INGEST, "acme", "", identity.encode(), NOW - DAY, NOW + DAY, None, NOW - 60)
    return replace(sound, **changes)  # type: ignore[arg-type]


def facts(**changes: object) -> Facts:
    sound = Facts(NOW, NOW - 30 * DAY, [key("good")], [], 0, [ChainCheck("acme", 5)], [], SOUND)
    return replace(sound, **changes)  # type: ignore[arg-type]


def bad(of: Facts) -> dict[str, str]:
    return {line.subject: line.detail for line in report(of) if not line.is_well}


def test_a_sound_installation_has_no_complaint() -> None:
    assert bad(facts()) == {}


def test_each_fault_is_named_and_comes_first() -> None:
    keys = [
        key("never", last_used_at=None, name="old portal"),
        key("new", last_used_at=None, created_at=NOW - 60),
        key("idle", last_used_at=NOW - UNUSED - 1),
        key("endless", expires_at=None),
        key("revoked", expires_at=None, last_used_at=None, revoked_at=NOW - 1),
        *(key(f"root{n}", kind=KeyKind.STAFF, client="", role="admin") for n in range(3)),
    ]
    found = facts(
        keys=keys,
        failed=100,
        verdicts=[ChainCheck("acme", 5, "entry 3 was removed")],
        refused=[Refused("acme", "fraud", "other_client", 7, "")],
        installation=replace(SOUND, is_signed=False, is_encrypted=False, is_secure=False),
        sessions=[Session("ada", "admin", "", "", NOW, NOW + 1)],
    )
    assert bad(found) == {
        "keys never used": "never old portal (ingest acme)",
        "keys not used for 90d": "idle (ingest acme)",
        "keys without expiry": "endless (ingest acme)",
        "admin keys": "root0 (staff), root1 (staff), root2 (staff)",
        "unauthorized requests": "100 since 2026-10-24T08:00:00Z",
        "encryption at rest": "store.key is not set",
        "TLS": "pages are not served by TLS",
        "audit log": "acme: entry 3 was removed",
        "signature of the audit log": "audit.key is not set",
        "records sent for other clients": "7",
    }
    wells = [line.is_well for line in report(found)]
    assert wells == sorted(wells)
    assert bad(facts(installation=replace(SOUND, is_secure=False, is_local=True))) == {}


def test_long_lists_are_cut() -> None:
    many = [key(f"k{n}", expires_at=None) for n in range(10_000)]
    assert bad(facts(keys=many))["keys without expiry"].endswith("k19 (ingest acme) and 9980 more")


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-11-01T07:59:59", None),
        ("2026-11-01T08:00:00", ("2026-11-01", "October 2026")),
        ("2026-11-08T07:59:59", ("2026-11-01", "October 2026")),
        ("2026-11-08T08:00:00", None),
        ("2027-01-01T08:00:00", ("2027-01-01", "December 2026")),
        ("2028-03-01T09:00:00", ("2028-03-01", "February 2028")),
    ],
)
def test_the_report_of_a_month_is_due_for_a_week(now: str, expected: tuple[str, str] | None) -> None:
    period = due(at(now))
    assert (None if period is None else (period.key, period.title)) == expected


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path}/a.db")
    schema.create(made)
    yield made
    made.close()


def test_sessions_count_as_open_for_as_long_as_they_are() -> None:
    config = Config.model_validate({"web": {"session_idle": "30m", "session_lifetime": "8h"}})
    assert installation_of(config).session_idle == 1800.0


def mailer(store: Store, *to: str, channels: tuple[str, ...] = ("email",)) -> AuditMailer:
    return AuditMailer(store, to, channels, installation_of(Config()), Signer(), "0.1.0")


def test_the_report_is_mailed_once_to_each_reader_also_by_several_daemons_and_after_a_restart(
    store: Store,
) -> None:
    now = at("2026-11-01T08:00:10")
    to = ("security@example.com", "ada@example.com", "security@example.com")
    assert mailer(store, *to).send_due(now - 60) == 0
    assert mailer(store, *to, channels=("slack",)).send_due(now) == 0  # sent once mails can be
    assert mailer(store).send_due(now) == 0
    assert [mailer(store, *to).send_due(now + n * 60) for n in range(4)] == [2, 0, 0, 0]
    assert mailer(store, *to).send_due(at("2026-12-01T08:00:00")) == 2
    with store.read() as connection:
        (sent,) = outbox.conversation(
            connection, "email", "digest/watchkeeper/audit/2026-11-01/security@example.com"
        )
    mail = decode(sent.body).message
    assert mail is not None
    assert mail.to == ("security@example.com",)
    assert mail.subject == "Watchkeeper security audit, October 2026: 2 findings need attention"
    assert "✖ encryption at rest: store.key is not set" in mail.text
    assert "✔ audit log: 0 entries, intact" in mail.text
    with store.read() as connection:
        told = [one.target for one in audit.latest(connection) if one.action == "send"]
    assert told[-1] == "send the security audit of October 2026, readers: 2"
    assert len(told) == 2


def test_another_daemon_that_claims_it_meanwhile_sends_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = at("2026-11-01T08:00:10")
    with store.write() as connection:
        assert digests.claim(connection, DAEMON.client, KIND, "2026-11-01", now, "sent")
    monkeypatch.setattr(digests, "is_out", lambda *_: False)
    assert mailer(store, "ada@example.com").send_due(now) == 0
    with store.read() as connection:
        assert outbox.oldest_due(connection, now + 1) is None


def test_hostile_names_stay_on_their_line(store: Store) -> None:
    hostile = "a\r\nBcc: evil@example.com\u202e\u2028"
    found = report(facts(sessions=[Session(hostile, "admin", "", "", NOW, NOW + 1)]))
    period = due(at("2026-11-01T08:00:00"))
    assert period is not None
    text = message(found, period, "0.1.0", "ada@example.com").text
    assert "a\\r\\nBcc" not in text
    assert "a\\x0d\\x0aBcc: evil@example.com\\u202e\\u2028" in text
    assert len(text.splitlines()) == len(found) + 4

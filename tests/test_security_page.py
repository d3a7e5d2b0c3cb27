"""docs/security.md names every requirement of the standard, and tests that exist."""

import re
from pathlib import Path

import pytest

from monitor.store.sessions import MOST_OPEN
from monitor.web.settings import WebSettings

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if re.match(r"\| \d+\.\d+\.\d+", line)
]
ASVS = """
1.1.1-1.1.2 1.2.1-1.2.9 1.3.1-1.3.11 1.4.1-1.4.3 1.5.1-1.5.2 2.1.1-2.1.3 2.2.1-2.2.3 2.3.1-2.3.4
2.4.1 3.2.1-3.2.2 3.3.1-3.3.4 3.4.1-3.4.6 3.5.1-3.5.5 3.7.1-3.7.2 4.1.1-4.1.3 4.2.1 4.3.1-4.3.2
4.4.1-4.4.4 5.1.1 5.2.1-5.2.3 5.3.1-5.3.2 5.4.1-5.4.3 6.1.1-6.1.3 6.2.1-6.2.12 6.3.1-6.3.4
6.4.1-6.4.4 6.5.1-6.5.5 6.6.1-6.6.3 6.8.1-6.8.4 7.1.1-7.1.3 7.2.1-7.2.4 7.3.1-7.3.2 7.4.1-7.4.5
7.5.1-7.5.2 7.6.1-7.6.2 8.1.1-8.1.2 8.2.1-8.2.3 8.3.1 8.4.1 9.1.1-9.1.3 9.2.1-9.2.4 10.1.1-10.1.2
10.2.1-10.2.2 10.3.1-10.3.4 10.4.1-10.4.11 10.5.1-10.5.5 10.6.1-10.6.2 10.7.1-10.7.3 11.1.1-11.1.2
11.2.1-11.2.3 11.3.1-11.3.3 11.4.1-11.4.4 11.5.1 11.6.1 12.1.1-12.1.3 12.2.1-12.2.2 12.3.1-12.3.4
13.1.1 13.2.1-13.2.5 13.3.1-13.3.2 13.4.1-13.4.5 14.1.1-14.1.2 14.2.1-14.2.4 14.3.1-14.3.3
15.1.1-15.1.3 15.2.1-15.2.3 15.3.1-15.3.7 16.1.1 16.2.1-16.2.5 16.3.1-16.3.4 16.4.1-16.4.3
16.5.1-16.5.3
"""
"""The requirements of levels 1 and 2 of ASVS 5.0.0, by their numbers."""

KEYS = {
    "cli/commands/sites/relay.py": "senders to a relay",
    "digest/changes/subscriptions.py": "links in emails",
    "maintenance/erasure.py": "ids that were erased",
    "notify/channels/smtp.py": "passwords of mail servers",
    "notify/channels/webhook.py": "webhooks out",
    "notify/pagerduty_webhook.py": "webhooks in",
    "releases/recording/mlflow_webhook.py": "webhooks in",
    "rollback/executors/clouds/aws_signature.py": "requests to AWS and Azure",
    "rollback/executors/webhook.py": "webhooks out",
    "runtime/file_encryption.py": "reports, spool, backups",
    "sites/keys.py": "bundles of sites, signed",
    "sources/files/remote/azure_account.py": "requests to AWS and Azure",
    "store/api_keys.py": "API keys",
    "store/audit_checkpoints.py": "entries of the audit log",
    "store/change_subscriptions.py": "links in emails",
    "store/digests.py": "links in emails",
    "store/temporary_database.py": "the database (`store.key`)",
    "store/sessions.py": "sessions",
    "store/signing_keys.py": "sign-ins in progress",
    "web/auth/authentication.py": "the link of the start",
    "web/auth/oidc.py": "sign-ins in progress",
    "web/auth/session.py": "form tokens",
    "web/auth/sign_in.py": "sign-ins in progress",
    "web/certificate.py": "TLS",
}
"""Each module that draws a key, signs or encrypts, with the row of the list of keys that says how."""


def numbers(words: list[str]) -> list[str]:
    """The numbers in `1.2.3` and `1.2.3-1.2.5`."""
    found = []
    for word in words:
        first, _, last = word.partition("-")
        section, start = first.rsplit(".", 1)
        end = (last or first).rsplit(".", 1)[1]
        found += [f"{section}.{number}" for number in range(int(start), int(end) + 1)]
    return found


def test_every_requirement_is_on_the_page_once() -> None:
    covered = [number for requirement, *_ in ROWS for number in numbers(requirement.split(", "))]
    assert sorted(covered) == sorted(numbers(ASVS.split()))
    assert len(covered) == 246


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_row_says_where_it_is_met_and_names_tests_that_exist(row: list[str]) -> None:
    _, in_short, where, test = row
    assert in_short
    assert where
    for one in test.split(", ") if test != "—" else ():
        path, _, name = one.strip("`").partition("::")
        assert (ROOT / path).exists(), path
        assert not name or f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), name


def test_every_module_with_keys_has_a_row_in_the_list_of_keys() -> None:
    """11.1.1: an inventory is of use if it is whole."""
    uses = re.compile(
        r"hmac\.(new|digest)\(|AESGCM|Ed25519PrivateKey|token_urlsafe\(|token_bytes\(|token_hex\(32"
    )
    room = ROOT / "monitor"
    found = {
        path.relative_to(room).as_posix()
        for path in room.rglob("*.py")
        if uses.search(path.read_text(encoding="utf-8"))
    }
    assert found == KEYS.keys()
    listed = PAGE.partition("## Keys and algorithms")[2]
    assert [row for row in KEYS.values() if f"\n| {row} |" not in listed] == []


def test_times_of_sessions_are_those_of_the_settings() -> None:
    """7.1.1, 7.1.2: what is documented is what happens."""
    [where] = [row[2] for row in ROWS if row[0].startswith("7.1.1")]
    usual = WebSettings()
    hours = {"lifetime": usual.session_lifetime / 3600, "idle": usual.session_idle / 3600}
    assert [f"`web.session_{name}` ({value:g} h)" in where for name, value in hours.items()] == [True] * 2
    assert f"{MOST_OPEN:,} sessions of a key or person" in where
    assert hours["lifetime"] <= 24, "NIST SP 800-63B-4, 2.2.3"
    assert hours["idle"] <= 1

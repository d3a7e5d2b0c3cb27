"""What a client's texts held is nowhere under the default policy: not on disk, on a page, in a mail or in a log."""

import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.support.daemon import Daemon
from tests.support.mailbox import Inbox, mail_server
from tests.support.pagerduty import PagerDutyStandIn
from tests.support.waiting import until

CARD, IBAN, KEY = "4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00", "ghp_" + "a1B2c3D4e5F6" * 3
MAIL = "erika.mustermann@example.org"
PLANTED = (CARD, CARD.replace(" ", ""), IBAN, IBAN.replace(" ", ""), KEY, MAIL)
CONFIG = """\
evaluate: {{every: 500ms, recent: 5s}}
alerts: {{critical: {{channels: [pagerduty, email, file]}}}}
clients:
  acme: {{name: Acme, models: {{bot: {{title: Assistant}}}}}}
notify:
  pagerduty: {{routing_key: "{key}", events_url: "{url}", ca_file: "{ca}"}}
  email: {{host: 127.0.0.1, port: {port}, security: none, sender: wk@example.org, to: [team@example.org]}}
  file: {{path: "{folder}/pages.jsonl"}}
  console: true
"""


@pytest.fixture
def pager(tmp_path: Path) -> Iterator[PagerDutyStandIn]:
    with PagerDutyStandIn(tmp_path, time.time) as stand_in:
        yield stand_in


@pytest.fixture
def inbox() -> Iterator[tuple[Inbox, int]]:
    with mail_server() as found:
        yield found


def written(mail: EmailMessage) -> str:
    """All of a mail: as it was sent, and its parts as they are read."""
    parts = [str(part.get_content()) for part in mail.walk() if not part.is_multipart()]
    return "\n".join([mail.as_string(), *parts])


def calls(number: int) -> list[dict[str, object]]:
    """Calls that leak in every text; one of them is refused, and one line is no JSON."""
    leak = f"Card {CARD}, IBAN {IBAN}, key {KEY}, mail {MAIL}."
    own = {"input": "what is in the file?", "output": leak}
    given = {
        "input": leak,
        "output": "fine",
        "context": [leak],
        "tool_results": leak,
        "system": leak,
        "samples": [leak],
    }
    ids = (f"{time.time()}-{number}-{place}" for place in range(3))
    record = {"client": "acme", "model": "bot", "version": "1"}
    return [
        {**record, "id": next(ids), "texts": own},
        {**record, "id": next(ids), "texts": given},
        {**record, "id": next(ids), "texts": own, "confidence": "high"},
    ]


def test_nothing_that_was_redacted_is_left_anywhere(
    tmp_path: Path, pager: PagerDutyStandIn, inbox: tuple[Inbox, int]
) -> None:
    folder = tmp_path / "daemon"
    folder.mkdir()
    mails, port = inbox
    config = CONFIG.format(key=pager.routing_key, url=pager.url, ca=pager.ca_file, port=port, folder=folder)
    with Daemon(folder, config) as daemon:

        def is_paged() -> bool:
            assert daemon.post("/v1/predictions", calls(0)).status_code == 202
            told = str([one.events for one in pager.incidents])
            return all(rule in told for rule in ("card numbers", "keys, tokens or passwords"))

        until(is_paged, "the leaks are paged")
        until(lambda: mails.mails, "a mail is there")
        lines = f'{{"client": "acme", "model": "bot", "texts": {{"output": "{MAIL} {KEY}'
        assert daemon.post("/v1/predictions", lines).status_code in (400, 422)
        model = "/staff/m/acme/bot/production"
        addresses = (
            model,
            f"{model}/texts",
            f"{model}/texts?signal=secret_leak",
            f"{model}/features",
            "/staff/quarantine",
            "/staff/alerts",
            "/staff/audit",
            "/staff/",
            "/c/acme/",
            "/c/acme/m/bot",
            "/api/v1/clients/acme/alerts",
            "/api/v1/clients/acme/models/bot/signals",
            "/metrics",
        )
        pages = {address: daemon.get(address) for address in addresses}
        shown = pages[f"{model}/texts?signal=secret_leak"].text
        assert "[card]" in shown
        assert "[secret]" in shown
        assert "secret_leak" in pages[model].text
        said = {address: answer.text for address, answer in pages.items()}
        said |= {
            "pager": str([one.events for one in pager.incidents]),
            "mail": "\n".join(map(written, mails.mails)),
        }
        until(lambda: "read texts" in daemon.get("/staff/audit").text, "the look is in the audit log")
        on_disk = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    on_disk |= {f"{path.name} afterwards": path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert any(name.endswith("-wal") for name in on_disk)
    for planted in PLANTED:
        for where, text in said.items():
            assert planted not in text, f"{planted} on {where}"
        for name, content in on_disk.items():
            assert planted.encode() not in content, f"{planted} in {name}"
            assert planted.encode("utf-16-le") not in content

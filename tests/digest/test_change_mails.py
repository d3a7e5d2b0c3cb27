"""Mails about changes: asked for on the page, confirmed and left by signed links, told once and as the page says it."""

import email
import email.policy
import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from aiosmtpd.controller import Controller
from hypothesis import given
from hypothesis import strategies as st

from monitor.alerts.notification import Message, decode
from monitor.digest.changes import subscriptions
from monitor.digest.changes.emails import BETWEEN, ChangeMailer
from monitor.errors import InputError
from monitor.health import client_state, notes
from monitor.notify.channels.email import Email, EmailSettings
from monitor.records import Severity
from monitor.store import api_keys, change_subscriptions, outbox
from monitor.store.api_keys import KeyKind
from monitor.web.settings import WebSettings
from tests.support import clients
from tests.support.clients import CHURN, CLIENTS, NOW, Shop, fire, resolve
from tests.support.ports import free_port
from tests.support.server import serving

URL = "https://watch.example.com/w"
READER = "Ann@Example.com"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return clients.opened(tmp_path, hours=1)


@pytest.fixture
def web(shop: Shop) -> Iterator[httpx2.Client]:
    settings = WebSettings(requests_per_minute=100_000, public_url="http://127.0.0.1")
    with serving(shop, channels=("email",), settings=settings) as client:
        yield client


def mailer(shop: Shop, **changed: object) -> ChangeMailer:
    usual = {"channels": frozenset(("email",)), "public_url": URL}
    return ChangeMailer(shop.store, shop.clients, **(usual | changed))  # type: ignore[arg-type]


def waiting(shop: Shop) -> list[Message]:
    with shop.store.read() as connection:
        found = [decode(one.body).message for one in outbox.waiting(connection)]
    return [one for one in found if one is not None]


def link(text: str, purpose: str) -> str:
    return re.findall(rf"(/changes/{purpose}/\S+)", text)[-1]


def subscribe(shop: Shop, address: str = READER) -> str:
    """Ask, confirm, and take the state of now as told; the link for leaving."""
    with shop.store.write() as connection:
        assert subscriptions.ask(connection, "acme", "Acme", address, URL, NOW)
    carried = link(waiting(shop)[-1].text, "confirm").removeprefix("/changes/confirm/")
    with shop.store.write() as connection:
        one = subscriptions.opened(connection, "confirm", carried, NOW)
        assert one is not None
        change_subscriptions.confirm(connection, one, NOW)
    assert mailer(shop).send_due(shop.clock.now()) == 0
    return subscriptions.link(one, "leave", "")


def test_an_address_is_confirmed_told_and_left_through_the_page(shop: Shop, web: httpx2.Client) -> None:
    assert 'action="/c/acme/changes"' in web.get("/c/acme/").text
    assert "Check your inbox" in web.post("/c/acme/changes", data={"address": READER}).text
    [asked] = waiting(shop)
    assert asked.to == ("ann@example.com",)
    confirm = link(asked.text, "confirm")
    fire(shop, at=NOW - 5)
    assert mailer(shop).send_due(NOW) == 0, "it is not confirmed"
    assert "Subscribe</button>" in web.get(confirm).text
    assert mailer(shop).send_due(NOW) == 0, "following a link changes nothing"
    assert "Subscribed" in web.post(confirm).text
    assert mailer(shop).send_due(NOW) == 0, "what was there before is no change"
    fire(shop, CHURN, at=NOW, rule="HighErrorRate", client_text="Churn fails.")
    assert mailer(shop).send_due(NOW) == 1
    told = waiting(shop)[-1]
    assert "✖ Churn: needs attention (before: working). Churn fails." in told.text
    assert "Fraud" not in told.text
    leave = link(told.text, "leave")
    assert dict(told.headers)["List-Unsubscribe"] == f"<{URL}{leave}>"
    assert "Unsubscribed" in web.post(leave, data={"List-Unsubscribe": "One-Click"}).text
    assert "Unsubscribed" in web.post(leave).text
    fire(shop, at=NOW, rule="Another")
    assert mailer(shop).send_due(NOW + BETWEEN) == 0
    assert web.get(confirm).status_code == 404, "an old link does not subscribe again"
    shop.clock.advance(3601)
    web.post("/c/acme/changes", data={"address": READER})
    assert web.get(confirm).status_code == 404
    assert web.get(link(waiting(shop)[-1].text, "confirm")).status_code == 200


def test_a_mail_says_what_the_page_says(shop: Shop) -> None:
    subscribe(shop)
    alert = fire(shop, at=NOW)
    assert mailer(shop).send_due(NOW) == 1
    with shop.store.read() as connection:
        health = client_state.client(connection, "acme", CLIENTS["acme"], NOW)
    assert health is not None
    text = waiting(shop)[-1].text
    assert text.startswith(f"{health.headline}\n")
    assert health.models[0].sentence in text
    resolve(shop, alert, NOW + 60)
    assert mailer(shop).send_due(NOW + 60) == 0, "changes of five minutes are one mail"
    assert mailer(shop).send_due(NOW + BETWEEN) == 1
    assert "✔ Fraud check: working (before: needs attention)" in waiting(shop)[-1].text
    assert mailer(shop).send_due(NOW + 2 * BETWEEN) == 0


def test_a_change_that_is_gone_again_is_not_told(shop: Shop) -> None:
    subscribe(shop)
    alert = fire(shop, at=NOW)
    assert mailer(shop).send_due(NOW) == 1
    resolve(shop, alert, NOW + 10)
    fire(shop, at=NOW + 20)
    assert mailer(shop).send_due(NOW + BETWEEN) == 0


def test_an_update_on_an_incident_is_told_once(shop: Shop) -> None:
    fire(shop, at=NOW - 60)
    subscribe(shop)
    with shop.store.write() as connection:
        [incident] = client_state.incidents(connection, "acme", CLIENTS["acme"], NOW)
        notes.write(connection, incident, "A fix is on its way.", author="Ann", address="", now=NOW)
    assert mailer(shop).send_due(NOW + 1) == 1
    assert "Update on Fraud check, Mon 13:00: A fix is on its way." in waiting(shop)[-1].text
    assert mailer(shop).send_due(NOW + 2 * BETWEEN) == 0


def test_two_daemons_tell_once(shop: Shop) -> None:
    subscribe(shop)
    with shop.store.read() as connection:
        [[one]] = change_subscriptions.active(connection).values()
    with shop.store.write() as connection:
        assert change_subscriptions.tell(connection, one, '{"models":{}}', NOW)
        assert not change_subscriptions.tell(connection, one, '{"models":{"a":"b"}}', NOW)


def test_a_mail_is_delivered_with_its_headers(shop: Shop) -> None:
    subscribe(shop)
    fire(shop, at=NOW)
    mailer(shop).send_due(NOW)
    found: list[bytes] = []

    class Handler:
        async def handle_DATA(self, server: object, session: object, envelope: object) -> str:  # noqa: N802
            found.append(envelope.content)  # type: ignore[attr-defined]
            return "250 ok"

    port = free_port()
    controller = Controller(Handler(), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        settings = EmailSettings(
            host="127.0.0.1", port=port, security="none", sender="watch@example.com", to=("x@example.com",)
        )
        with shop.store.read() as connection:
            for delivery in outbox.waiting(connection):
                Email(settings).send(decode(delivery.body))
    finally:
        controller.stop()
    mails = [email.message_from_bytes(one, policy=email.policy.default) for one in found]
    assert [mail["subject"] for mail in mails] == [
        "Acme: confirm that you want emails about changes",
        "Acme: 1 of 3 models needs attention",
    ]
    assert mails[1]["to"] == "ann@example.com"
    assert mails[1]["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"


@pytest.mark.parametrize("changed", [{"channels": ()}, {"settings": WebSettings()}])
def test_without_a_mail_channel_or_a_public_address_there_is_no_form(
    shop: Shop, changed: dict[str, object]
) -> None:
    usual = {"channels": ("email",), "settings": WebSettings(public_url="http://127.0.0.1")}
    with serving(shop, **(usual | changed)) as web:
        assert "/changes" not in web.get("/c/acme/").text
        assert web.post("/c/acme/changes", data={"address": READER}).status_code == 404
    assert waiting(shop) == []
    assert mailer(shop, channels=frozenset()).send_due(NOW) == 0
    assert mailer(shop, public_url="").send_due(NOW) == 0


@pytest.mark.parametrize(
    "address",
    ["", "ann", "ann@", "@b", "a b@c.org", "a@b.org\r\nBcc: x@y.org", "a@b.org,c@d.org", "<a@b.org>", "\u202ea@b.org",
     "a\0@b.org", "x" * 250 + "@b.org"],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_a_reason(shop: Shop, web: httpx2.Client, address: str) -> None:
    answer = web.post("/c/acme/changes", data={"address": address})
    assert answer.status_code == 400
    assert "name@example.org" in answer.text
    assert waiting(shop) == []


@given(st.text(max_size=300))
def test_law_what_is_accepted_is_one_address_on_one_line(text: str) -> None:
    try:
        address = subscriptions.checked(text)
    except InputError:
        return
    assert address.count("@") == 1
    assert not re.search(r"[\s,;<>]", address)


def test_asking_again_and_again_sends_one_mail_an_hour_and_tells_nothing(
    shop: Shop, web: httpx2.Client
) -> None:
    answers = {web.post("/c/acme/changes", data={"address": READER}).text for _ in range(5)}
    assert len(answers) == 1
    assert len(waiting(shop)) == 1
    web.post(link(waiting(shop)[0].text, "confirm"))
    shop.clock.advance(7200)
    assert web.post("/c/acme/changes", data={"address": READER}).text in answers
    assert len(waiting(shop)) == 1, "it is subscribed already"


def test_only_some_addresses_may_wait_for_their_confirmation(shop: Shop, web: httpx2.Client) -> None:
    for number in range(100):
        web.post("/c/acme/changes", data={"address": f"a{number}@b.org"})
    refused = web.post("/c/acme/changes", data={"address": "one@more.org"})
    assert refused.status_code == 400
    assert "too many addresses" in refused.text
    with shop.store.write() as connection:
        assert change_subscriptions.delete_before(connection, NOW + 1) == 100


def test_a_link_is_valid_for_two_days_for_its_purpose_and_as_it_was_signed(
    shop: Shop, web: httpx2.Client
) -> None:
    web.post("/c/acme/changes", data={"address": READER})
    confirm = link(waiting(shop)[0].text, "confirm")
    wrong = [
        confirm[:-1] + ("0" if confirm[-1] != "0" else "1"),
        confirm.replace("confirm", "leave"),
        confirm.partition(".")[0],
        "/changes/confirm/%00.%ff",
        "/changes/delete/x",
        f"/changes/confirm/{'x' * 3000}",
    ]
    assert {web.get(one).status_code for one in wrong} <= {400, 404}
    assert {web.post(one).status_code for one in wrong} <= {400, 404}
    shop.clock.advance(2 * 86_400 + 1)
    assert web.get(confirm).status_code == 404


def test_strangers_cannot_subscribe_to_a_client(shop: Shop, web: httpx2.Client) -> None:
    with shop.store.write() as connection:
        api_keys.create(connection, KeyKind.PAGE, "globex", NOW)
        api_keys.create(connection, KeyKind.STAFF, "", NOW)
    assert web.post("/c/acme/changes", data={"address": READER}).status_code == 404
    assert waiting(shop) == []


def test_a_damaged_row_stops_no_other(shop: Shop) -> None:
    subscribe(shop)
    subscribe(shop, "bob@example.com")
    with shop.store.write() as connection:
        table = change_subscriptions.SUBSCRIPTIONS
        connection.execute(table.update().where(table.c.address == "ann@example.com").values(told="{broken"))
    fire(shop, at=NOW, severity=Severity.CRITICAL)
    assert mailer(shop).send_due(NOW) == 2
    told = {one.to[0]: one.text for one in waiting(shop)[2:]}
    assert "(new)" in told["ann@example.com"]
    assert "(before: working)" in told["bob@example.com"]

"""The client approves a version: only a signed-in reader of this client, once, from our own form."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from monitor.records import Stream
from monitor.releases.approval.approve import decide, decision_on
from monitor.releases.settings import ReleasePolicy
from monitor.store import api_keys, approvals, audit
from monitor.store.api_keys import KeyKind
from monitor.store.approvals import TEAM, Approval
from monitor.store.audit import AuditFilter
from tests.support import clients
from tests.support.clients import FRAUD, NOW, Shop
from tests.support.server import serving

BY_CLIENT = ReleasePolicy(approval="client")
HOSTILE = "<script>alert(1)</script> \u202e'\""


class Asked:
    """A shop whose fraud model needs the client's approval, and its web."""

    def __init__(self, shop: Shop, web: httpx2.Client) -> None:
        self.shop, self.web = shop, web
        self.keys = {(kind, client): self._key(kind, client) for kind, client in (
            (KeyKind.PAGE, "acme"), (KeyKind.PAGE, "globex"), (KeyKind.STAFF, ""),
        )}  # fmt: skip

    def _key(self, kind: KeyKind, client: str) -> str:
        with self.shop.store.write() as connection:
            return api_keys.create(connection, kind, client, NOW)[1]

    def ask(self, version: str, stream: Stream = FRAUD) -> str:
        made = Approval(
            stream, version, TEAM, True, HOSTILE, NOW, note=HOSTILE, evidence='{"outcome": "pass"}'
        )
        with self.shop.store.write() as connection:
            decide(connection, made, "command line")
            return next(one.id for one in approvals.of(connection, stream) if one.version == version)

    def signed_in(self, kind: KeyKind = KeyKind.PAGE, client: str = "acme") -> dict[str, str]:
        answer = self.web.post("/enter", data={"key": self.keys[kind, client], "next": ""})
        self.web.cookies.clear()
        return {"Cookie": answer.headers["set-cookie"].split(";")[0]}

    def form(self, path: str, cookie: dict[str, str], **fields: str) -> dict[str, str]:
        csrf = re.search(r'name="csrf" value="(\w+)"', self.web.get(path, headers=cookie).text)
        return {"csrf": csrf[1] if csrf else "", "name": "Ann", "decision": "approve", **fields}


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    shop = clients.opened(tmp_path_factory.mktemp("approvals"), hours=24)
    policies = {FRAUD: BY_CLIENT}
    with serving(shop, release_policy=lambda stream: policies.get(stream, ReleasePolicy())) as web:
        yield Asked(shop, web)


def path_of(identity: str, client: str = "acme") -> str:
    return f"/c/{client}/approvals/{identity}"


def test_the_client_s_page_links_to_what_waits_and_the_first_answer_counts(asked: Asked) -> None:
    path = path_of(asked.ask("8"))
    ann = asked.signed_in()
    home = asked.web.get("/c/acme/", headers=ann).text
    assert f'href="{path}"' in home
    assert "Fraud check: version 8 waits for your approval" in home
    page = asked.web.get(path, headers=ann)
    assert "<script>alert" not in page.text
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    form = asked.form(path, ann, note="fine \u2028 by us")
    done = asked.web.post(f"{path}/decide", data=form, headers=ann)
    assert (done.status_code, "is approved" in done.text) == (200, True)
    assert (
        asked.web.post(f"{path}/decide", data=form | {"decision": "decline"}, headers=ann).status_code == 404
    )
    assert "waits for your approval" not in asked.web.get("/c/acme/", headers=ann).text
    with asked.shop.store.read() as connection:
        decision = decision_on(connection, FRAUD, "8", BY_CLIENT)
        assert not decision.is_needed
        assert "Ann (key " in decision.reason
        [entry] = audit.find(
            connection, AuditFilter(client="acme", action="change", target="approve version 8"), 0, 9
        )[:1]
        assert entry.who.startswith("Ann (key ")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"csrf": "0" * 64}, 403), ({"csrf": ""}, 403), ({"name": " "}, 400), ({"name": "x" * 121}, 400),
        ({"decision": "maybe"}, 400), ({"note": "x" * 2001}, 400),
    ],
)  # fmt: skip
def test_what_is_not_our_form_decides_nothing(asked: Asked, change: dict[str, str], status: int) -> None:
    path, ann = path_of(asked.ask("9")), asked.signed_in()
    answer = asked.web.post(f"{path}/decide", data=asked.form(path, ann, **change), headers=ann)
    assert answer.status_code == status
    other = ann | {"Sec-Fetch-Site": "cross-site"}
    assert asked.web.post(f"{path}/decide", data=asked.form(path, ann), headers=other).status_code == 403
    with asked.shop.store.read() as connection:
        assert decision_on(connection, FRAUD, "9", BY_CLIENT).role == "client"


def test_nobody_else_decides(asked: Asked) -> None:
    path = path_of(asked.ask("10"))
    form = asked.form(path, asked.signed_in())
    others: list[tuple[Any, int]] = [
        ({}, 404),
        (asked.signed_in(KeyKind.PAGE, "globex"), 404),
        (asked.signed_in(KeyKind.STAFF, ""), 403),
        ({"Authorization": f"Bearer {asked.keys[KeyKind.PAGE, 'acme']}"}, 403),
    ]
    for headers, status in others:
        assert asked.web.post(f"{path}/decide", data=form, headers=headers).status_code == status, headers
    staff = asked.signed_in(KeyKind.STAFF, "")
    assert asked.web.post(f"{path}/decide", data=asked.form(path, staff), headers=staff).status_code == 403
    globex = asked.signed_in(KeyKind.PAGE, "globex")
    assert asked.web.get(path.replace("acme", "globex"), headers=globex).status_code == 404
    assert asked.web.get(path_of("0" * 16), headers=asked.signed_in()).status_code == 404


def test_what_needs_no_client_is_not_shown(asked: Asked) -> None:
    identity = asked.ask("1", replace(FRAUD, model="churn"))
    ann = asked.signed_in()
    assert "Churn: version" not in asked.web.get("/c/acme/", headers=ann).text
    assert asked.web.get(path_of(identity), headers=ann).status_code == 404

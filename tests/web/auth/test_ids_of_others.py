"""Whoever knows the ids of another client's things reads and changes none of them.

The routes are those of the application; the ids are all that the database holds of that client, and those of its
incidents and sessions. Each stands in each place of a path, below both clients' names.
"""

import hashlib
import hmac
import itertools
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from litestar.routes import HTTPRoute
from sqlalchemy import select

from monitor.health import client_state, notes
from monitor.records import Silence
from monitor.releases.settings import ReleasePolicy
from monitor.store import api_keys, approvals, registered_texts, sessions, silences
from monitor.store.api_keys import KeyKind, bounds
from monitor.store.approvals import TEAM, Approval
from monitor.store.db import metadata
from monitor.store.registered_texts import Canary
from monitor.store.sessions import Session
from monitor.web import app as web_app
from monitor.web.auth.session import COOKIE
from monitor.web.settings import WebSettings
from tests.support import clients
from tests.support.audited import state
from tests.support.clients import FRAUD, NOW, Shop, fire
from tests.support.server import services, serving
from tests.support.thorough import THOROUGH

MARK = "ACME-SECRET"
FIELDS: dict[str, Any] = {
    "settings": WebSettings(requests_per_minute=1_000_000, public_url="http://watch"),
    "channels": ("email",),
}
INSIDE = (
    "layouts",
    "measurement_shapes",
    "baselines",
    "prediction_batches",
    "outcome_batches",
    "outbox",
    "receipts",
)
"""Tables whose ids no page and no answer has."""
SIGNING_IN = ("/enter", "/leave", "/staff/callback", "/staff/sign-in")
IDS = ("id", "fingerprint", "key_id", "digest")
"""Columns by which the pages and the API name things. Tokens of links in mails are keys, and not among them."""
OF_GLOBEX = {"client": "globex", "model": "price", "environment": "production"}
OF_ACME = {"client": "acme", "model": "fraud", "environment": "production"}
OTHERS = {
    "metric": "error_rate",
    "left": "staging",
    "right": "production",
    "alert": "LowAccuracy",
    "feature": "amount",
}
OTHERS |= {"period": "2026-11", "name": "style.css"}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = clients.opened(tmp_path, hours=1)
    named = {**made.clients, "acme": made.clients["acme"].model_copy(update={"name": MARK})}
    made = replace(made, clients=named)
    metadata.create_all(made.store.engine)
    fire(made, client_text=f"{MARK} is right in 79 of 100 cases.")
    approval = Approval(FRAUD, "8", TEAM, True, MARK, NOW - 60, note=MARK, digest="ab" * 32)
    silence = Silence("s-of-acme", ('client="acme"',), NOW - 9, NOW + 999, MARK, MARK)
    canary = Canary("acme", "", MARK, bytes(range(32)), NOW)
    with made.store.write() as connection:
        approvals.add(connection, approval)
        silences.add(connection, silence)
        registered_texts.add_canary(connection, canary)
        key, _ = api_keys.create(connection, KeyKind.PAGE, "acme", NOW, name=MARK)
        sessions.open_session(connection, Session(MARK, "", "acme", key.id, NOW, NOW + 9999))
        incident = client_state.incidents(connection, "acme", made.clients["acme"], NOW)[0]
        notes.write(connection, incident, f"{MARK} knows.", author=MARK, address="", now=NOW - 30)
    return made


def ids(shop: Shop) -> set[str]:
    """Whatever names a thing of acme, or of all clients."""
    found: set[str] = set()
    with shop.store.read() as connection:
        for table in metadata.sorted_tables:
            own = [table.c[name] for name in IDS if name in table.c and table.name not in INSIDE]
            rows = select(*own).where(table.c.client == "acme") if "client" in table.c else select(*own)
            found |= {
                one.hex() if isinstance(one, bytes) else str(one)
                for row in (connection.execute(rows) if own else ())
                for one in row
                if one
            }
        found |= {one.id for one in client_state.incidents(connection, "acme", shop.clients["acme"], NOW)}
        found |= {one.id for one in sessions.open_sessions(connection, NOW, 1e9) if one.client == "acme"}
        found |= {one.id for one in registered_texts.load(connection).canaries}
    return {one for one in found if not one.isdigit()}


@dataclass(frozen=True)
class Visitor:
    """Somebody of globex: the headers that say so, and the token of their forms."""

    kind: str
    headers: dict[str, str]
    csrf: str = ""


@pytest.fixture
def visitors(shop: Shop) -> list[Visitor]:
    """With a key of each kind that pages and API accept, and signed in as a reader."""
    made = []
    with shop.store.write() as connection:
        for kind, role in ((KeyKind.PAGE, ""), (KeyKind.STAFF, "admin")):
            bound = bounds(kind, role, (), ())
            key, token = api_keys.create(connection, kind, "globex", NOW, bound=bound)
            made.append(Visitor(str(kind), {"Authorization": f"Bearer {token}"}))
            opened = Session("Mallory", role, "globex", key.id, NOW, NOW + 9999, authenticated_at=NOW)
            secret = sessions.open_session(connection, opened)
            csrf = hmac.new(secret.encode(), b"form", hashlib.sha256).hexdigest()
            made.append(Visitor(f"{kind} session", {"Cookie": f"{COOKIE}={secret}"}, csrf))
    return made


def addresses(shop: Shop, known: set[str]) -> list[tuple[str, str]]:
    """The methods and paths in which an id may stand."""
    application, found = web_app.create(services(shop, **FIELDS)), dict[tuple[str, str], None]()
    for route in application.routes:
        if not isinstance(route, HTTPRoute) or "{carried" in route.path or route.path in SIGNING_IN:
            continue
        names = re.findall(r"\{(\w+):str\}", route.path)
        given = [name for name in names if name not in OTHERS and name not in OF_ACME and name != "key"]
        for owner, one in itertools.product((OF_ACME, OF_GLOBEX), sorted(known) if given else [""]):
            if owner is OF_GLOBEX and not given:
                continue  # a page of its own
            good = {**OTHERS, **owner, "key": owner["client"], **dict.fromkeys(given, one)}
            parts = [
                quote(good[part[1:].partition(":")[0]], safe="") if part.startswith("{") else part
                for part in route.path.split("/")
            ]
            for method in sorted(route.methods & {"GET", "POST"}):
                found[method, "/".join(parts)] = None
    return list(found)


FORM = {"name": "Mallory", "decision": "approve", "comment": "c", "for": "1h", "text": "t", "version": "8"}
FORM |= {"kind": "page", "client": "acme", "address": "mallory@example.org", "digest": "ab" * 32, "note": "n"}
BODY: dict[str, object] = {**OF_ACME, "version": "8", "note": "n", "kind": "page", "canary": "8", "words": 9}
BODY |= {"stable": "7", "hashes": [1], "digest": "cd" * 32, "since": NOW - 60, "text": "t", "change": True}
BODY |= {"incident": "acme/fraud/LowAccuracy", "matchers": ['client="acme"'], "seconds": 60, "comment": "c"}
MATCHERS: tuple[list[str], ...] = (['alert=~".+"'], ['client=~".*"'], ['client!="globex"'], [])


def asked(method: str, path: str, one: Visitor) -> Iterator[dict[str, Any]]:
    """What is sent to a path."""
    if method == "GET":
        yield {}
    elif not path.startswith("/api/"):
        yield {"data": {**FORM, "csrf": one.csrf}}
    else:
        yield {"json": BODY}
        if path.endswith("/silences"):
            yield from ({"json": {**BODY, "matchers": matchers}} for matchers in MATCHERS)


def test_no_id_of_another_client_opens_or_changes_anything(
    shop: Shop, visitors: list[Visitor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_app, "AUDIT_EVERY", 1e6)  # only what a change writes itself is seen
    known, wrong, count = ids(shop), [], 0
    assert len(known) >= 8, known
    policy = ReleasePolicy(approval="client")
    path = Path(str(shop.store.url.database))
    with (
        serving(shop, **FIELDS, release_policy=lambda _stream: policy) as web,
        closing(sqlite3.connect(path)) as watching,
    ):

        def version() -> int:
            return int(watching.execute("PRAGMA data_version").fetchone()[0])

        kept, before = state(path)[0], version()
        for method, address in addresses(shop, known):
            for one in visitors if THOROUGH else visitors[1:3]:
                for sent in asked(method, address, one):
                    answer = web.request(method, address, headers=one.headers, **sent)
                    count += 1
                    told = f"{method} {address} {one.kind} {sent}: {answer.status_code} {answer.text[:200]}"
                    if MARK in answer.text or answer.status_code >= 500:
                        wrong.append(told)
                    if version() != before and state(path)[0] != kept:
                        wrong.append(f"changed something: {told}")
                        kept = state(path)[0]
                    before = version()
    assert count > 300
    assert not wrong, "\n".join(wrong)


def test_no_page_of_another_site_changes_anything_for_whoever_is_signed_in(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_app, "AUDIT_EVERY", 1e6)
    known, path, wrong, count = ids(shop), Path(str(shop.store.url.database)), [], 0
    with shop.store.write() as connection:
        key, _ = api_keys.create(connection, KeyKind.STAFF, "", NOW)
        secret = sessions.open_session(
            connection, Session("Ann", "admin", "", key.id, NOW, NOW + 9999, authenticated_at=NOW)
        )
    cookie = {"Cookie": f"{COOKIE}={secret}"}
    right = hmac.new(secret.encode(), b"form", hashlib.sha256).hexdigest()
    forged: list[tuple[dict[str, str], str]] = [
        ({"Origin": "https://evil.example"}, "\u00e4"),
        ({"Origin": "null"}, ""),
        ({"Sec-Fetch-Site": "cross-site"}, right),
        ({"Sec-Fetch-Site": "same-site"}, right),
    ]
    with serving(shop, **FIELDS) as web, closing(sqlite3.connect(path)) as watching:
        kept = state(path)[0]
        changes = watching.execute("PRAGMA data_version").fetchone()
        for address in (path for method, path in addresses(shop, known) if method == "POST"):
            for headers, csrf in forged if THOROUGH else forged[::2]:
                content = {"data": {**FORM, "csrf": csrf}}
                if address.startswith("/api/"):  # a form can send JSON as plain text
                    content = {"content": json.dumps(BODY)}
                    headers = headers | {"Content-Type": "text/plain"}
                answer = web.post(address, headers=cookie | headers, **content)
                count += 1
                now = watching.execute("PRAGMA data_version").fetchone()
                is_refused = 400 <= answer.status_code < 500
                if not is_refused or (now != changes and state(path)[0] != kept):
                    wrong.append(f"{address} {headers}: {answer.status_code} {answer.text[:200]}")
                changes = now
    assert count > 100
    assert not wrong, "\n".join(wrong)


def test_law_no_get_changes_anything_for_whoever_is_signed_in(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_app, "AUDIT_EVERY", 1e6)
    known, path, count = ids(shop), Path(str(shop.store.url.database)), 0
    with shop.store.write() as connection:
        key, _ = api_keys.create(connection, KeyKind.STAFF, "", NOW)
        secret = sessions.open_session(
            connection, Session("Ann", "admin", "", key.id, NOW, NOW + 9999, authenticated_at=NOW)
        )
    with serving(shop, **FIELDS) as web:
        kept = state(path)[0]
        for method, address in addresses(shop, known):
            if method == "GET" and "{" not in address and not address.endswith("/events"):
                for query in ({}, FORM):
                    answer = web.get(address, params=query, headers={"Cookie": f"{COOKIE}={secret}"})
                    count += answer.status_code == 200
        assert state(path)[0] == kept
    assert count > 50

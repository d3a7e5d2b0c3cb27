"""A change that is sent several times at once to daemons on PostgreSQL has the effect of one that is sent once.

Two databases begin equal. In one of them each change is sent once, in the other several times at the same moment, to
two daemons whose clocks go on; afterwards every table has as many rows in both, the audit log too.
"""

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, select

from monitor.clock import ManualClock
from monitor.records import Window
from monitor.store import api_keys, predictions, registered_texts, silences
from monitor.store.api_keys import KeyKind
from monitor.store.db import Store
from monitor.store.predictions import NewBatch
from monitor.store.tables import metadata
from monitor.web import app as web_app
from monitor.web.api import staff_changes
from monitor.web.settings import WebSettings
from tests.support import clients
from tests.support.clients import CLIENTS, FRAUD, NOW, Shop, fire
from tests.support.postgresql import Server, postgresql
from tests.support.server import serving

TIMES = 8
FINGERPRINT = "LowAccuracyfraud"
FIELDS: dict[str, Any] = {
    "settings": WebSettings(requests_per_minute=1_000_000, public_url="http://127.0.0.1"),
    "channels": ("email",),
}
OF_FRAUD = {"client": "acme", "model": "fraud"}
PAGE = "/staff/m/acme/fraud/production"


class GoingClock(ManualClock):
    """A clock that shows a later time whenever somebody looks: no two requests have the same."""

    def __init__(self, start: float) -> None:
        super().__init__(start)
        self._looks = count()

    def now(self) -> float:
        return super().now() + next(self._looks) * 1e-4


@dataclass
class Side:
    """A database, the daemons that share it, and how often each change is sent at once."""

    store: Store
    webs: list[httpx2.Client]
    times: int

    def send(self, path: str, body: dict[str, Any]) -> list[int]:
        """The statuses. What begins with /api/ is JSON, the rest a form."""
        meet = threading.Barrier(self.times)

        def one(number: int) -> int:
            meet.wait(300)
            kind = "json" if path.startswith("/api/") else "data"
            return int(self.webs[number % len(self.webs)].post(path, **{kind: body}).status_code)

        with ThreadPoolExecutor(self.times) as threads:
            return sorted(threads.map(one, range(self.times)))

    def rows(self) -> dict[str, int]:
        with self.store.read() as connection:
            return {
                name: connection.execute(select(func.count()).select_from(table)).scalar_one()
                for name, table in metadata.tables.items()
            }

    def the(self, what: Callable[[Any], Any]) -> Any:
        with self.store.read() as connection:
            return what(connection)


def filled(server: Server) -> Store:
    store = Store(server.url)
    metadata.create_all(store.engine)
    shop = Shop(store, ManualClock(NOW), CLIENTS)
    with store.write() as connection:
        batch = NewBatch(FRAUD, Window(int(NOW) - 60, int(NOW)), 5, NOW - 30, b"x", b"", clients._rows())
        predictions.put(connection, [batch], NOW - 20)
    fire(shop)
    return store


@pytest.fixture(scope="module")
def sides() -> Iterator[tuple[Side, Side]]:
    with postgresql() as server, ExitStack() as stack, pytest.MonkeyPatch.context() as patched:
        patched.setattr(web_app, "AUDIT_EVERY", 1e6)  # only what a change writes itself is compared
        store = filled(server)
        with store.write() as connection:
            _, token = api_keys.create(connection, KeyKind.STAFF, "", NOW)
            api_keys.create(connection, KeyKind.PAGE, "acme", NOW, identity="0123456789ab")
        store.close()
        server.execute("CREATE DATABASE once TEMPLATE postgres")
        server.execute("CREATE DATABASE several TEMPLATE postgres")
        made = []
        for name, times in (("once", 1), ("several", TIMES)):
            store = Store(server.url.removesuffix("postgres") + name)
            stack.callback(store.close)
            clock = GoingClock(NOW)
            webs = [stack.enter_context(serving(Shop(store, clock, CLIENTS), **FIELDS)) for _ in range(2)]
            for web in webs:
                web.headers["Authorization"] = f"Bearer {token}"
            made.append(Side(store, webs, times))
        yield made[0], made[1]


def silence_of(comment: str) -> Callable[[Any], str]:
    return lambda connection: next(s.id for s in silences.load(connection, NOW) if s.comment == comment)


CHANGES: dict[str, tuple[str, dict[str, Any]]] = {
    "acknowledge": (f"/staff/alerts/{FINGERPRINT}/acknowledge", {}),
    "silence": (f"/staff/alerts/{FINGERPRINT}/silence", {"for": "2h", "comment": "by form"}),
    "silence by API": (
        "/api/v1/silences",
        {"matchers": ['client="acme"'], "seconds": 3600, "comment": "by API"},
    ),
    "end a silence": ("/staff/silences/{by form}/expire", {}),
    "end a silence by API": ("/api/v1/silences/{by API}/expire", {}),
    "note by API": ("/api/v1/incidents/notes", {"incident": "acme/fraud/LowAccuracy", "text": "by API"}),
    "note": ("/staff/incidents/acme/{incident}/note", {"text": "by form"}),
    "withdraw a note": ("/staff/incidents/acme/notes/{note by form}/withdraw", {}),
    "withdraw a note by API": ("/api/v1/incidents/notes/{note by API}/withdraw", {}),
    "approve by API": ("/api/v1/approvals", {**OF_FRAUD, "version": "8", "note": "seen"}),
    "decline": (
        f"{PAGE}/approval/decide",
        {"version": "8", "decision": "decline", "note": "no", "digest": ""},
    ),
    "start a rollout": ("/api/v1/rollouts", {**OF_FRAUD, "canary": "8", "stable": "7"}),
    "stop a rollout": ("/api/v1/rollouts/stop", OF_FRAUD),
    "start another rollout": ("/api/v1/rollouts", {**OF_FRAUD, "canary": "9", "stable": "7"}),
    "stop it on the page": (f"{PAGE}/rollout/stop", {}),
    "stop rollbacks": (f"{PAGE}/rollback/stop", {"comment": "c"}),
    "let them go on": (f"{PAGE}/rollback/resume", {}),
    "stop all rollbacks": ("/api/v1/rollbacks/stop", {}),
    "let all go on": ("/api/v1/rollbacks/resume", {}),
    "register a prompt": ("/api/v1/prompts", {**OF_FRAUD, "version": "8", "words": 9, "hashes": [1, 2]}),
    "forget it": ("/api/v1/prompts/remove", {**OF_FRAUD, "version": "8"}),
    "add a canary": ("/api/v1/canaries", {"client": "acme", "digest": "ab" * 32}),
    "remove it": ("/api/v1/canaries/{canary}/remove", {}),
    "make a key": ("/staff/keys/new", {"kind": "metrics", "client": "acme", "new": "aaaaaaaaaaaa"}),
    "revoke a key": ("/staff/keys/aaaaaaaaaaaa/revoke", {}),
    "revoke a key by API": ("/api/v1/keys/0123456789ab/revoke", {}),
    "ask for mails": ("/c/acme/changes", {"address": "ann@example.org"}),
}
"""In the order in which they are sent: later ones are about what earlier ones made."""
NOT_ONE = {
    "keys": "equal keys may be wanted, and each secret is shown to whoever asked",
    "keys/list": "changes nothing",
    "commands": "each command has an entry in the audit log",
    "rollbacks": "needs an executor; the one under way refuses others (tests of rollback)",
    "baselines/accept": "each acceptance counts windows since a time: the second accepts the same again",
}


def found(side: Side, path: str) -> str:
    """A path with the ids that stand in this database."""

    def one(named: re.Match[str]) -> str:
        name = named[1]
        if name == "canary":
            return str(side.the(registered_texts.load).canaries[0].id)
        if name == "incident":
            page = side.webs[0].get("/staff/incidents", params={"client": "acme"}).text
            return re.findall(r"/staff/incidents/acme/([^/\"]+)/note", page)[0]
        if name.startswith("note "):
            query = "SELECT id FROM incident_notes WHERE text = %s"
            return str(side.the(lambda c: c.exec_driver_sql(query, (name[5:],)).scalar()))
        return str(side.the(silence_of(name)))

    return re.sub(r"\{([^}]+)\}", one, path)


def test_every_change_of_the_api_is_sent_or_says_why_not() -> None:
    sent = {path.removeprefix("/api/v1/") for path, _ in CHANGES.values() if path.startswith("/api/")}
    patterns = [re.compile(re.sub(r"\{\w+:str\}", r"[^/]+", one.path)) for one in staff_changes.CHANGES]
    missing = {
        change.path
        for change, pattern in zip(staff_changes.CHANGES, patterns, strict=True)
        if not any(pattern.fullmatch(path) for path in sent)
    }
    assert missing == NOT_ONE.keys()


def test_a_change_that_is_sent_several_times_at_once_is_made_once(sides: tuple[Side, Side]) -> None:
    wrong = []
    for name, (path, body) in CHANGES.items():
        statuses = [side.send(found(side, path), body) for side in sides]
        rows = [side.rows() for side in sides]
        differing = {
            table: (rows[0][table], rows[1][table]) for table in rows[0] if rows[0][table] != rows[1][table]
        }
        if differing or statuses[0][0] >= 400 or statuses[1][0] >= 400 or statuses[1][-1] >= 500:
            wrong.append(f"{name}: {statuses} {differing}")
    assert wrong == [], "\n".join(wrong)

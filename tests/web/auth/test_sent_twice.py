"""A form or a request of staff that is sent several times at once has one effect, and none fails with 500."""

import re
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from monitor.store import api_keys, audit, incident_notes, silences
from monitor.store.api_keys import KeyKind
from monitor.web.settings import WebSettings
from tests.support import clients, schema
from tests.support.clients import NOW, Shop, fire
from tests.support.server import serving

TIMES = 6
NOTE = {"incident": "acme/fraud/LowAccuracy", "text": "We are on it."}
SILENCE = {"matchers": ['client="acme"'], "seconds": 3600, "comment": "a deployment"}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = clients.opened(tmp_path, hours=1)
    schema.create(made.store)
    fire(made)
    return made


@pytest.fixture
def web(shop: Shop) -> Iterator[httpx2.Client]:
    with shop.store.write() as connection:
        _, token = api_keys.create(connection, KeyKind.STAFF, "", NOW)
    with serving(shop, settings=WebSettings(requests_per_minute=100_000)) as client:
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def at_once(web: httpx2.Client, path: str, **sent: Any) -> list[int]:
    """The statuses of a request that is sent several times at the same moment, a little later in each."""
    meet = threading.Barrier(TIMES)

    def send(_: int) -> int:
        meet.wait(300)
        return int(web.post(path, **sent).status_code)

    with ThreadPoolExecutor(TIMES) as threads:
        return sorted(threads.map(send, range(TIMES)))


def entries(shop: Shop, word: str) -> list[str]:
    """What the audit log says of changes with a word, in which the change itself is written down."""
    with shop.store.read() as connection:
        listed = audit.latest(connection, "", 1000)
    return [one.target for one in listed if one.target.startswith(word)]


def test_an_update_is_written_once_and_withdrawn_once(shop: Shop, web: httpx2.Client) -> None:
    assert at_once(web, "/api/v1/incidents/notes", json=NOTE) == [200] * TIMES
    with shop.store.read() as connection:
        [note] = incident_notes.of_client(connection, "acme")
    assert len(entries(shop, "note on ")) == 1
    withdrawn = at_once(web, f"/api/v1/incidents/notes/{note.id}/withdraw", json={})
    assert Counter(withdrawn) == {200: 1, 404: TIMES - 1}
    assert len(entries(shop, "withdraw note ")) == 1


def test_different_updates_of_one_moment_are_all_there(shop: Shop, web: httpx2.Client) -> None:
    texts = [f"Step {number}." for number in range(3)]
    for text in (*texts, *texts):  # the shop's clock stands still
        assert web.post("/api/v1/incidents/notes", json=NOTE | {"text": text}).status_code == 200
    with shop.store.read() as connection:
        assert sorted(one.text for one in incident_notes.of_client(connection, "acme")) == texts


def test_a_silence_is_stored_once_from_the_api_and_from_the_page_and_ends_once(
    shop: Shop, web: httpx2.Client
) -> None:
    assert at_once(web, "/api/v1/silences", json=SILENCE) == [200] * TIMES
    with shop.store.read() as connection:
        [fired] = connection.exec_driver_sql("SELECT DISTINCT fingerprint FROM alerts").scalars()
    form = {"for": "2h", "comment": "known"}
    assert at_once(web, f"/staff/alerts/{fired}/silence", data=form) == [303] * TIMES
    with shop.store.read() as connection:
        stored = {one.comment: one.id for one in silences.load(connection, NOW)}
        assert len(silences.load(connection, NOW)) == len(stored) == 2
    ended = at_once(web, f"/api/v1/silences/{stored['known']}/expire", json={})
    assert Counter(ended) == {200: 1, 404: TIMES - 1}


def test_the_form_of_a_key_makes_one_key_and_a_key_is_revoked_once(shop: Shop, web: httpx2.Client) -> None:
    page = web.get("/staff/keys").text
    new = re.search(r'name="new" value="(\w+)"', page)
    assert new is not None
    form = {"kind": "metrics", "client": "acme", "name": "once", "new": new[1]}
    assert Counter(at_once(web, "/staff/keys/new", data=form)) == {200: 1, 400: TIMES - 1}
    with shop.store.read() as connection:
        [made] = [one for one in api_keys.keys(connection) if one.name == "once"]
    assert made.id == new[1]
    assert web.post("/staff/keys/new", data=form).json()["hint"]
    assert new[1] not in web.get("/staff/keys").text.partition("<table")[0]
    revoked = at_once(web, f"/api/v1/keys/{made.id}/revoke", json={})
    assert Counter(revoked) == {200: 1, 404: TIMES - 1}


def test_a_decision_on_a_version_counts_once(shop: Shop, web: httpx2.Client) -> None:
    decision = {"client": "acme", "model": "fraud", "version": "8", "note": "seen"}
    assert at_once(web, "/api/v1/approvals", json=decision) == [200] * TIMES
    with shop.store.read() as connection:
        count = connection.exec_driver_sql("SELECT count(*) FROM release_approvals").scalar()
    assert count == 1
    assert len(entries(shop, "approve version 8 ")) == 1


@pytest.mark.parametrize(("later", "count"), [(3, 1), (60, 2)])
def test_what_is_sent_again_within_seconds_is_the_same_and_later_another(
    shop: Shop, web: httpx2.Client, later: float, count: int
) -> None:
    for _ in range(2):
        assert web.post("/api/v1/incidents/notes", json=NOTE).status_code == 200
        assert web.post("/api/v1/silences", json=SILENCE).status_code == 200
        shop.clock.advance(later)
    with shop.store.read() as connection:
        assert len(incident_notes.of_client(connection, "acme")) == count
        assert len(silences.load(connection, NOW)) == count

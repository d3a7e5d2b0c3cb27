"""Requests that come through a relay: whose they are, when they arrived there, and that each is stored once."""

import re
import time
from pathlib import Path

import pytest

from monitor.web.ingest.request import OF_RELAYS
from tests.support.ingest_server import rows_of, serving
from tests.support.log import prediction


@pytest.fixture(scope="module")
def ingest(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("relayed")) as made:
        yield made


@pytest.fixture(scope="module")
def keys(ingest) -> dict[str, str]:
    """All that are used, made before the first request, since the daemon looks for new ones once a second."""
    return {client: ingest.make_key(client) for client in ("acme", "")}


def stored(ingest, name: str) -> list[dict]:
    return [row for row in rows_of(ingest) if row["version"] == name]


def record(name: str, **fields: object) -> dict:
    return {**prediction(**fields), "version": name}


def test_a_relay_never_sends_as_another_client(ingest, keys):
    acme, any_client = keys["acme"], keys[""]
    mine, other = record("own"), {**record("own"), "client": "globex"}
    answer = ingest.post([mine, other], key=any_client, watchkeeper_relay_client="acme")
    assert (answer.status_code, answer.json()["accepted"]) == (202, 1)
    assert answer.json()["rejected"][0]["index"] == 1
    answer = ingest.post([mine], key=acme, watchkeeper_relay_client="globex")
    assert answer.status_code == 403
    assert "globex" in answer.json()["hint"]
    assert ingest.post([record("own")], key=acme, watchkeeper_relay_client="acme").status_code == 202


@pytest.mark.parametrize("count", [1, 60])
def test_records_without_a_time_have_that_of_their_arrival_at_the_relay(ingest, keys, count):
    key, name = keys["acme"], f"waited-{count}"
    records = [{**record(name, id=f"{name}-{n}"), "timestamp": None} for n in range(count)]
    timed = {**record(name, id=f"{name}-timed"), "timestamp": time.time() - 10}
    answer = ingest.post([*records, timed], key=key, watchkeeper_waited="7200.5")
    assert answer.json()["accepted"] == count + 1, "a time after the arrival is not in the future"
    times = sorted(row["timestamp"] for row in stored(ingest, name))
    assert len(times) == count + 1
    assert len(set(times[:-1])) == 1
    assert (times[-1] - times[0]) / 1e6 == pytest.approx(7190.5, abs=20)


@pytest.mark.parametrize("waited", ["", "-1", "nan", "1e9", "1" * 40, "٣"])
def test_a_wait_that_is_no_number_is_refused(ingest, keys, waited):
    answer = ingest.post([record("no")], key=keys["acme"], watchkeeper_waited=waited.encode())
    assert answer.status_code == 400


def test_what_nothing_else_identifies_is_known_by_the_key_of_the_relay(ingest, keys):
    key = keys["acme"]
    anonymous = [{**record("anonymous"), "id": None, "timestamp": None}]
    for request in ("relay-1", "relay-1", "relay-2"):
        assert ingest.post(anonymous, key=key, watchkeeper_request=request).status_code == 202
    assert len(stored(ingest, "anonymous")) == 2, "two calls, one of them sent twice"
    named = [{**record("named", id="x"), "timestamp": None}]
    for request in ("relay-3", "relay-4"):  # the sender had no answer from the relay, and sent it again
        assert ingest.post(named, key=key, watchkeeper_request=request).status_code == 202
    assert len(stored(ingest, "named")) == 1


def test_no_header_of_a_relay_is_one_that_the_client_library_sends() -> None:
    library = Path(__file__).parents[3] / "client" / "watchkeeper_client"
    sent = {
        name.lower()
        for path in library.rglob("*.py")
        for name in re.findall(r"Watchkeeper-[A-Za-z-]+", path.read_text())
    }
    assert "watchkeeper-client" in sent
    assert sent.isdisjoint(OF_RELAYS)

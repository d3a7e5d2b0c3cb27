"""Who may send, and what is counted when somebody may not."""

import pyarrow as pa
import pytest

from monitor.clock import ManualClock
from monitor.errors import AccessError, StoreError
from monitor.predictions.intake.arrow import CONTENT_TYPE as ARROW
from monitor.store import api_keys, quarantine
from monitor.store.api_keys import KeyKind
from monitor.store.db import Store
from monitor.web.auth.authentication import Access, Principal
from monitor.web.auth.refused_keys import UNKNOWN, RefusedKeys
from tests.support import schema
from tests.support.ingest_server import serving
from tests.support.log import NOW, outcome, prediction


@pytest.fixture
def store(tmp_path):
    store = Store(f"sqlite:///{tmp_path}/watchkeeper.db")
    schema.create(store)
    yield store
    store.close()


@pytest.fixture
def clock():
    return ManualClock(NOW)


def make(store, clock, kind=KeyKind.INGEST, client="acme", **options):
    with store.write() as connection:
        return api_keys.create(connection, kind, client, clock.now(), **options)


def bearer(token):
    return {"authorization": f"Bearer {token}"}


def test_without_any_key_only_this_machine_may_send(store, clock):
    who = Access(store, clock).who
    here = {"host": "localhost:8080"}
    assert who(KeyKind.INGEST, here, "127.0.0.1") == Principal(KeyKind.INGEST)
    assert who(KeyKind.INGEST, here, "::1") == Principal(KeyKind.INGEST)
    for headers, peer in (
        (here, "10.0.0.8"),
        (here, ""),
        ({}, "127.0.0.1"),
        (here | {"x-forwarded-for": "10.0.0.8"}, "127.0.0.1"),
        (here | {"origin": "https://elsewhere.example"}, "127.0.0.1"),
        (here | {"via": "1.1 proxy"}, "127.0.0.1"),
        (here | {"x-forwarded-proto": "https"}, "127.0.0.1"),
        ({"host": "watch.example.org"}, "127.0.0.1"),  # a name that somebody made point here
        ({"host": "localhost.example.org"}, "127.0.0.1"),
        ({"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:9999"}, "127.0.0.1"),
        ({"host": "127.0.0.1:8080", "origin": "null"}, "127.0.0.1"),
        ({"host": "127.0.0.1:8080", "sec-fetch-site": "cross-site"}, "127.0.0.1"),
        ({"host": "[::1", "origin": "null"}, "127.0.0.1"),
    ):
        with pytest.raises(AccessError, match="only this machine"):
            who(KeyKind.INGEST, headers, peer)


def test_a_proxy_that_passes_requests_on_in_the_old_version_is_not_this_machine(store, clock):
    with pytest.raises(AccessError, match="only this machine"):
        Access(store, clock).who(KeyKind.PAGE, {"host": "127.0.0.1:8080"}, "127.0.0.1", "1.0")


def test_a_daemon_with_a_public_address_trusts_nobody_for_where_they_are(store, clock):
    with pytest.raises(AccessError, match="create a key first"):
        Access(store, clock, "https://watch.example.org").who(
            KeyKind.PAGE, {"host": "localhost"}, "127.0.0.1"
        )
    assert Access(store, clock, "http://localhost:8080").who(KeyKind.PAGE, {"host": "localhost"}, "127.0.0.1")


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "[::1]:8080", "LOCALHOST:80"])
def test_the_forms_of_our_own_pages_come_from_this_machine(store, clock, host):
    who = Access(store, clock).who
    assert who(KeyKind.PAGE, {"host": host, "origin": f"http://{host}"}, "127.0.0.1")
    assert who(KeyKind.PAGE, {"host": host, "origin": "null", "sec-fetch-site": "same-origin"}, "::1")


def test_once_a_key_was_made_everybody_needs_one_even_after_it_was_revoked(store, clock):
    key, _ = make(store, clock)
    with store.write() as connection:
        api_keys.revoke(connection, key.id, clock.now())
    with pytest.raises(AccessError, match="an API key is required"):
        Access(store, clock).who(KeyKind.INGEST, {}, "127.0.0.1")


def test_a_key_says_whose_records_these_are(store, clock):
    key, token = make(store, clock)
    found = Access(store, clock).who(KeyKind.INGEST, bearer(token), "10.0.0.8")
    assert found == Principal(KeyKind.INGEST, "acme", key.id)


def test_a_key_for_something_else_is_known_but_may_not(store, clock):
    _, token = make(store, clock, KeyKind.PAGE)
    with pytest.raises(AccessError) as refused:
        Access(store, clock).who(KeyKind.INGEST, bearer(token), "127.0.0.1")
    assert refused.value.known


@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_a_key_that_ended_is_refused_within_seconds(store, clock, end):
    key, token = make(store, clock, expires_at=NOW + 3 if end == "expired" else None)
    who = Access(store, clock).who
    assert who(KeyKind.INGEST, bearer(token), "10.0.0.8").key == key.id
    if end == "revoked":
        with store.write() as connection:
            assert api_keys.revoke(connection, key.id, clock.now())
    clock.advance(6)
    with pytest.raises(AccessError, match="not valid"):
        who(KeyKind.INGEST, bearer(token), "10.0.0.8")


def test_a_new_key_is_known_soon_though_keys_are_kept_in_memory(store, clock):
    make(store, clock)
    who = Access(store, clock).who
    with pytest.raises(AccessError):
        who(KeyKind.INGEST, bearer("wk_guess"), "10.0.0.8")
    _, token = make(store, clock, client="bank")
    clock.advance(1.5)
    assert who(KeyKind.INGEST, bearer(token), "10.0.0.8").client == "bank"


def test_keys_that_cannot_be_read_open_nothing(store, clock):
    _, token = make(store, clock)
    known = Access(store, clock)
    assert known.who(KeyKind.INGEST, bearer(token), "10.0.0.8").client == "acme"
    with store.write() as connection:
        connection.exec_driver_sql("DROP TABLE api_keys")
    clock.advance(86_400)
    for access in (known, Access(store, clock)):
        for headers, peer in (
            (bearer(token), "10.0.0.8"),
            (bearer("wk_x"), "10.0.0.8"),
            ({"host": "localhost:8080"}, "127.0.0.1"),
        ):
            with pytest.raises(StoreError):
                access.who(KeyKind.INGEST, headers, peer)


def test_no_key_is_stored_only_its_hash(store, clock, tmp_path):
    _, token = make(store, clock)
    with store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    assert token.startswith("wk_")
    assert token.encode() not in (tmp_path / "watchkeeper.db").read_bytes()
    assert api_keys.digest(token) in (tmp_path / "watchkeeper.db").read_bytes()


def test_when_a_key_was_last_used_is_written_down(store, clock):
    key, token = make(store, clock)
    keys = Access(store, clock)
    clock.advance(3)
    keys.who(KeyKind.INGEST, bearer(token), "10.0.0.8")
    keys.write_uses()
    with store.read() as connection:
        assert api_keys.find(connection, key.id).last_used_at == NOW + 3


def test_refused_keys_are_named_with_their_addresses(store, clock):
    access = Access(store, clock)
    key, token = make(store, clock, expires_at=NOW + 1)
    clock.advance(2)
    for headers, peer in [(bearer(token), "10.0.0.8")] * 3 + [(bearer("wk_guess"), "10.0.0.9")]:
        with pytest.raises(AccessError):
            access.who(KeyKind.INGEST, headers, peer)
    with pytest.raises(AccessError):
        access.who(KeyKind.PAGE, bearer("wk_guess"), "10.0.0.10")  # a page is no record
    words = access.refused_keys.words(clock.now())
    assert words == f"key {key.id} from 10.0.0.8 3 times, an unknown key from 10.0.0.9 once"
    assert access.refused_keys.words(clock.now() + 360) == ""


def test_the_names_of_many_and_hostile_addresses_stay_short():
    refused = RefusedKeys()
    for n in range(3000):
        refused.count(UNKNOWN, f"{n}\r\n\u202e\x00" + "x" * 10_000, NOW)
    assert len(refused._minutes[int(NOW // 60)]) == 1001
    words = refused.words(NOW)
    assert words.isprintable()
    assert len(words) < 700
    assert words.endswith(", and 2,995 from others")
    refused.count("a", "", NOW - 3600)  # the clock was set back: what was counted later is gone
    assert refused.words(NOW - 3600) == "key a from an unknown address once"


def test_a_wrong_key_is_refused_and_counted(tmp_path):
    with serving(tmp_path, ManualClock(NOW)) as ingest:
        token = ingest.make_key("acme")
        for key, status in ((token, 202), ("wk_wrong", 401), ("", 401)):
            answer = ingest.post(prediction(id="k"), key=key)
            assert answer.status_code == status
            assert status == 202 or answer.headers["www-authenticate"] == "Bearer"
        page = ingest.make_key("acme", KeyKind.PAGE)
        assert ingest.post(prediction(id="k"), key=page).status_code == 401  # not known to the daemon yet
        assert ingest.log.stats().rejected_wrong_key == 2
        assert ingest.log.stats().rejected["no_key"] == 1


@pytest.mark.parametrize(
    ("path", "make_record"), [("/v1/predictions", prediction), ("/v1/outcomes", outcome)]
)
def test_records_of_another_client_are_refused_one_by_one_and_counted(tmp_path, path, make_record):
    with serving(tmp_path, ManualClock(NOW)) as ingest:
        token = ingest.make_key("acme")
        records = [make_record(id="1", reviewed=True), make_record(id="2", client="bank", reviewed=True)]
        answer = ingest.post(records, path, token)
        assert answer.json()["accepted"] == 1
        assert answer.json()["rejected"][0]["error"] == "this key is for client 'acme', the record for 'bank'"
        assert ingest.log.stats().rejected_wrong_key == 1
        with ingest.store.read() as connection:
            (refused,) = quarantine.summary(connection, 0, 2 * NOW, "acme")
            assert (refused.reason, refused.count) == ("other_client", 1)
            assert quarantine.latest(connection, "bank") == []


@pytest.mark.parametrize("form", ["new", "known", "arrow"])
def test_records_of_a_client_that_is_not_configured_are_refused_one_by_one(tmp_path, form):
    with serving(tmp_path, ManualClock(NOW)) as ingest:
        if form == "known":
            ingest.post([prediction(id="0", client="bank")])  # its shape is learnt while any client may send
        ingest.log.clients = frozenset({"acme"})
        records = [prediction(id="1", client="bank"), prediction(id="2")]
        if form == "arrow":
            sink = pa.BufferOutputStream()
            table = pa.Table.from_pylist(records)
            with pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)
            answer = ingest.post(sink.getvalue().to_pybytes(), content_type=ARROW)
        else:
            answer = ingest.post(records)
        assert answer.json()["accepted"] == 1
        assert answer.json()["rejected"] == [
            {
                "index": 0,
                "error": "client 'bank' is not configured",
                "hint": "add it under clients: in the configuration",
            }
        ]
        assert ingest.log.stats().rejected == {"unknown_client": 1}


def test_a_key_fills_in_the_client_that_a_record_leaves_out(tmp_path):
    with serving(tmp_path, ManualClock(NOW)) as ingest:
        acme, bank = ingest.make_key("acme"), ingest.make_key("bank")
        record = {"id": "1", "model": "fraud", "prediction": "ok"}
        for token in (acme, bank, acme):
            assert ingest.post(record, key=token).json()["accepted"] == 1
        assert ingest.log.stats().replayed == 1  # acme's second; bank's equal content is its own

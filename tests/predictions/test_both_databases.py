"""The prediction log on SQLite and on PostgreSQL: the same calls, the same answers."""

import threading
from queue import Queue

import msgspec
import pytest
from sqlalchemy import select, text

from monitor.clock import ManualClock
from monitor.predictions.intake import parse
from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.log.batch import decode
from monitor.predictions.log.compaction import compact
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.outcomes.join import expire_outcomes, with_outcomes_of
from monitor.predictions.settings import PredictionSettings
from monitor.store import api_keys, idempotency, outcomes, predictions, quarantine, streams, uncounted_batches
from monitor.store.db import Store, metadata
from monitor.store.retention import delete_old, with_old
from tests.support import schema
from tests.support.joining import join
from tests.support.log import NOW, STREAM, outcome, prediction, send
from tests.support.postgresql import postgresql

BOTH = ["sqlite", "postgresql"]


@pytest.fixture(scope="module", params=BOTH)
def url(request, tmp_path_factory):
    if request.param == "sqlite":
        folder = tmp_path_factory.mktemp("database")
        yield f"sqlite:///{folder}/watchkeeper.db"
    else:
        with postgresql() as server:
            yield server.url


@pytest.fixture
def store(url):
    store = Store(url)
    metadata.drop_all(store.engine)
    schema.create(store)
    yield store
    store.close()


@pytest.fixture
def log(store):
    log = PredictionLog(store, PredictionSettings(), ManualClock(NOW))
    log.start()
    yield log
    log.stop()


def test_from_arrival_to_what_is_known(log, store):
    records = [prediction(id=f"p{n}", features={"a": n, "b": "x"}, timestamp=NOW - 60 * n) for n in range(5)]
    assert send(log, RecordKind.PREDICTIONS, records).accepted == 5
    assert send(log, RecordKind.PREDICTIONS, records).replayed
    send(log, RecordKind.OUTCOMES, [outcome(id="p3", truth="fraud"), outcome(id="later", feedback=1)])
    with store.write() as connection:
        assert streams.streams(connection) == uncounted_batches.waiting_streams(connection) == [STREAM]
        batches = uncounted_batches.oldest(connection, STREAM).batches
        assert sum(batch.rows for batch in batches) == 5
        assert predictions.mark_counted(connection, [batch.id for batch in batches]) == 5
        assert predictions.mark_counted(connection, [batch.id for batch in batches]) == 0
        ((window, joined),) = join(connection, STREAM, NOW)
        assert NOW - 180 in window
        assert joined.column("outcome.truth").to_pylist() == ["fraud"]
        assert outcomes.counts(connection, STREAM) == outcomes.OutcomeCounts(2, 1, 0, 0, 1)
        assert outcomes.counts_of_all(connection) == {STREAM: outcomes.OutcomeCounts(2, 1, 0, 0, 1)}
        figures = streams.figures(connection, STREAM)
        assert (figures.rows, figures.watermark, figures.last_received) == (5, NOW, NOW)
    send(log, RecordKind.PREDICTIONS, [prediction(id="later")])
    with store.write() as connection:
        predictions.mark_counted(
            connection, [batch.id for batch in uncounted_batches.oldest(connection, STREAM).batches]
        )
        assert [rows.column("id").to_pylist() for _, rows in join(connection, STREAM, NOW)] == [["later"]]
    assert compact(store, NOW + 100) == 1
    with store.read() as connection:
        kept = list(predictions.batches(connection, STREAM, 0, 2 * NOW))
        ids = [decode(batch.blob).column("id").to_pylist() for batch in kept]
        assert sorted(ids, key=str) == [["p0", "later"], ["p1"], ["p2"], ["p3"], ["p4"]]
        told = [
            rows.column("id").to_pylist()
            for batch in kept
            if (rows := with_outcomes_of(connection, batch)) is not None
        ]
        assert sorted(told) == [["later"], ["p3"]]


def test_what_is_old_is_forgotten_a_little_at_a_time(log, store):
    for number in range(5):
        send(
            log,
            RecordKind.PREDICTIONS,
            [prediction(id=f"p{number}", timestamp=NOW - 600 + number * 60), {"client": "acme"}],
        )
    send(log, RecordKind.OUTCOMES, outcome(id="p0", truth="ok"))
    send(log, RecordKind.OUTCOMES, outcome(id="nobody", truth="ok"))
    with store.write() as connection:
        join(connection, STREAM, NOW)
        (batch,) = connection.scalars(select(outcomes.KNOWN.c.batch)).all()
        old = with_old(connection, outcomes.AGED_PREDICTIONS, NOW - 400)
        gone = [delete_old(connection, outcomes.AGED_PREDICTIONS, old, NOW - 400, most=2) for _ in range(3)]
        assert gone == [2, 1, 0]
        assert predictions.count_rows(connection, STREAM) == 2
        assert outcomes.known(connection, [batch]) == {}
        assert expire_outcomes(connection, STREAM, NOW + 1, NOW) == 1
        (refused,) = quarantine.summary(connection, 0, 2 * NOW)
        assert (refused.reason, refused.count) == ("incomplete", 5)
        assert quarantine.delete_before(connection, NOW + 1) == 5
        assert idempotency.delete_before(connection, NOW + 1, limit=4) == 4
        assert idempotency.delete_before(connection, NOW + 1, limit=4) == 3


def test_keys_are_made_found_and_revoked(store):
    with store.write() as connection:
        key, token = api_keys.create(connection, api_keys.KeyKind.INGEST, "acme", NOW, name="batch job")
        assert [one.hash for one in api_keys.keys(connection)] == [api_keys.digest(token)]
        api_keys.mark_used(connection, {key.id: NOW + 5})
        assert api_keys.revoke(connection, key.id, NOW + 9)
        assert not api_keys.revoke(connection, key.id, NOW + 9)
        (stored,) = api_keys.keys(connection)
    assert (stored.last_used_at, stored.revoked_at, stored.is_valid(NOW)) == (NOW + 5, NOW + 9, False)


def test_the_same_request_to_two_processes_is_stored_once(url, store):
    """Two logs on one database, as two ingest processes would be."""
    stores = [Store(url), Store(url)]
    logs = [PredictionLog(one, PredictionSettings(), ManualClock(NOW)) for one in stores]
    for log in logs:
        log.start()
    receipts, start = [], threading.Barrier(8)

    def submit(number):
        start.wait()
        receipts.append(
            send(logs[number % 2], RecordKind.PREDICTIONS, [prediction(id=f"p{n}") for n in range(20)])
        )

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    for log, own in zip(logs, stores, strict=True):
        log.stop()
        own.close()
    assert sorted(receipt.replayed for receipt in receipts) == [False] + [True] * 7
    with store.read() as connection:
        assert connection.execute(text("select sum(rows) from prediction_batches")).scalar_one() == 20


def test_what_is_handed_over_is_stored_also_when_nobody_calls_the_writer(log):
    records = msgspec.json.encode([prediction(id="alone")])
    answers = Queue()
    for _ in range(2):  # also when it was idle for a while
        one = parse.read(RecordKind.PREDICTIONS, records, "application/json", log.rules(), log.decoders)
        log.submit([(one, answers.put)])
        assert answers.get(timeout=300).accepted == 1

"""Small batches of one window are merged into one with the same rows."""

import random

import pytest

from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.log.batch import decode, hashes
from monitor.predictions.log.compaction import compact
from monitor.predictions.outcomes.join import with_outcomes_of
from monitor.store import predictions, uncounted_batches
from tests.support.joining import join
from tests.support.log import NOW, STREAM, outcome, prediction, running, send


@pytest.fixture
def log_and_store(tmp_path):
    with running(tmp_path) as both:
        yield both


def settle(store):
    with store.write() as connection:
        predictions.mark_counted(
            connection, [b.id for b in uncounted_batches.oldest(connection, STREAM).batches]
        )
        return join(connection, STREAM, NOW)


def contents(store):
    """Rows of the log with all that is known of them, by id; and the number of batches."""
    found, count = {}, 0
    with store.read() as connection:
        for batch in predictions.batches(connection, STREAM, 0, 2 * NOW):
            count += 1
            rows = decode(batch.blob)
            assert predictions.ids(connection, batch.id) == hashes(rows).tobytes()
            for row in rows.to_pylist():
                found[row["id"]] = {name: value for name, value in row.items() if value is not None}
            joined = with_outcomes_of(connection, batch)
            for row in [] if joined is None else joined.to_pylist():
                found[row["id"]] |= {name: value for name, value in row.items() if value is not None}
    return found, count


def test_a_window_of_single_posts_becomes_one_batch_that_says_the_same(log_and_store):
    log, store = log_and_store
    rng = random.Random(5)
    for number in range(60):
        features = {f"f{rng.randint(0, 4)}": rng.choice((1.5, "text", True)) for _ in range(3)}
        send(
            log,
            RecordKind.PREDICTIONS,
            prediction(id=f"p{number}", timestamp=NOW - 120 + number % 2 * 60, features=features),
        )
        if number % 3 == 0:
            send(log, RecordKind.OUTCOMES, outcome(id=f"p{number}", truth=rng.choice(("ok", "fraud"))))
            settle(store)
    settle(store)
    before, many = contents(store)
    assert (len(before), many) == (60, 60)
    assert compact(store, NOW) == 58
    after, few = contents(store)
    assert few == 2
    assert {
        key: {k: str(v) for k, v in row.items() if not k.startswith("features")} for key, row in after.items()
    } == {
        key: {k: str(v) for k, v in row.items() if not k.startswith("features")}
        for key, row in before.items()
    }
    assert {key: set(row) for key, row in after.items()} == {key: set(row) for key, row in before.items()}
    assert compact(store, NOW) == 0


def test_outcomes_find_their_predictions_after_they_were_put_together(log_and_store):
    log, store = log_and_store
    for number in range(10):
        send(log, RecordKind.PREDICTIONS, prediction(id=f"p{number}", timestamp=NOW - 300))
    send(log, RecordKind.OUTCOMES, outcome(id="p4", truth="ok"))
    settle(store)
    compact(store, NOW)
    send(
        log, RecordKind.OUTCOMES, [outcome(id="p4", truth="fraud", feedback=2), outcome(id="p7", truth="ok")]
    )
    ((_, rows),) = settle(store)
    told = {row["id"]: (row["outcome.truth"], row["outcome.feedback"]) for row in rows.to_pylist()}
    assert told == {"p4": (None, 2.0), "p7": ("ok", None)}


def test_what_is_not_counted_yet_or_still_open_is_left_alone(log_and_store):
    log, store = log_and_store
    for number in range(4):
        send(log, RecordKind.PREDICTIONS, prediction(id=f"old{number}", timestamp=NOW - 300))
    assert compact(store, NOW) == 0
    settle(store)
    assert compact(store, NOW - 301) == 0
    assert compact(store, NOW) == 3


def test_batches_that_are_large_in_memory_are_not_put_together(log_and_store, monkeypatch):
    log, store = log_and_store
    for number in range(6):
        texts = {"text": f"{number}" * 4000} if number < 3 else {"x": 1.0}
        send(log, RecordKind.PREDICTIONS, prediction(id=f"p{number}", timestamp=NOW - 300, features=texts))
    settle(store)
    monkeypatch.setattr("monitor.predictions.log.compaction.MOST_BYTES", 6000)
    before, many = contents(store)
    compact(store, NOW)
    after, few = contents(store)
    assert after == before
    assert (many, few) == (6, 4)

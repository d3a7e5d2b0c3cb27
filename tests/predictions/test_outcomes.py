"""Outcomes are joined to their predictions once, whichever of the two comes first."""

import random
from collections import Counter

import pytest

from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.outcomes.join import expire_outcomes, with_outcomes_of
from monitor.store import outcomes, predictions
from tests.support.joining import join
from tests.support.log import NOW, STREAM, outcome, prediction, running, send


@pytest.fixture
def log_and_store(tmp_path):
    with running(tmp_path) as both:
        yield both


def predict(log, *rows):
    send(log, RecordKind.PREDICTIONS, [prediction(**row) for row in rows])


def learn(log, *rows):
    send(log, RecordKind.OUTCOMES, [outcome(**row) for row in rows])


def joined(store, now=NOW):
    """Joins, and gives (id, field, value) for each thing that became known."""
    with store.write() as connection:
        parts = join(connection, STREAM, now)
    found = []
    for _, rows in parts:
        for row in rows.to_pylist():
            news = {
                name: value
                for name, value in row.items()
                if name.startswith("outcome.") and value is not None
            }
            found += [
                (row["id"], name.removeprefix("outcome."), value) for name, value in sorted(news.items())
            ]
    return found


def has_new(store):
    with store.read() as connection:
        return bool(outcomes.streams_with_new(connection))


def test_an_outcome_finds_its_prediction(log_and_store):
    log, store = log_and_store
    predict(log, {"id": "a", "version": "7"}, {"id": "b"})
    learn(log, {"id": "b", "truth": "fraud", "reviewed": True, "timestamp": NOW + 60})
    assert joined(store) == [("b", "delay", 60.0), ("b", "reviewed", True), ("b", "truth", "fraud")]


def test_a_joined_batch_carries_the_prediction_and_its_window(log_and_store):
    log, store = log_and_store
    predict(log, {"id": "a", "version": "7", "confidence": 0.5, "segments": {"region": "eu"}})
    learn(log, {"id": "a", "truth": "ok"})
    with store.write() as connection:
        ((window, rows),) = join(connection, STREAM, NOW)
    assert NOW in window
    (row,) = rows.to_pylist()
    assert (row["version"], row["confidence"], row["segments.region"], row["prediction"]) == (
        "7",
        0.5,
        "eu",
        "ok",
    )


def test_what_was_joined_is_not_joined_again(log_and_store):
    log, store = log_and_store
    predict(log, {"id": "a"})
    learn(log, {"id": "a", "truth": "ok"})
    assert joined(store)
    assert joined(store) == []


def test_of_very_many_outcomes_some_are_joined_at_a_time_and_none_is_forgotten(log_and_store, monkeypatch):
    monkeypatch.setattr("monitor.predictions.outcomes.join._MAX_OUTCOMES", 4)
    log, store = log_and_store
    predict(log, *({"id": str(n)} for n in range(10)))
    for start in range(0, 10, 2):
        learn(log, *({"id": str(n), "reviewed": True} for n in range(start, start + 2)))
    parts = [joined(store) for _ in range(4)]
    assert [len(part) for part in parts] == [4, 4, 2, 0]
    assert {name for part in parts for name, *_ in part} == {str(n) for n in range(10)}


def test_an_outcome_before_its_prediction_waits_for_it(log_and_store):
    log, store = log_and_store
    learn(log, {"id": "a", "feedback": 4})
    assert joined(store) == []
    predict(log, {"id": "b"})
    assert joined(store) == []
    predict(log, {"id": "a"})
    assert joined(store) == [("a", "feedback", 4.0)]
    with store.read() as connection:
        assert outcomes.counts(connection, STREAM) == outcomes.OutcomeCounts(received=1, matched=1)


def test_a_field_that_is_told_again_is_not_counted_again(log_and_store):
    log, store = log_and_store
    predict(log, {"id": "a"})
    learn(log, {"id": "a", "truth": "ok"}, {"id": "a", "truth": "fraud"})
    assert joined(store) == [("a", "delay", 0.0), ("a", "truth", "ok")]
    learn(log, {"id": "a", "truth": "fraud", "corrected": True})
    assert joined(store) == [("a", "corrected", True)]
    with store.read() as connection:
        assert outcomes.counts(connection, STREAM) == outcomes.OutcomeCounts(
            received=3, matched=3, repeated=2
        )


def test_all_that_is_known_of_a_batch_can_be_counted_again(log_and_store):
    log, store = log_and_store
    predict(log, {"id": "a"}, {"id": "b"}, {"id": "c"})
    learn(log, {"id": "c", "truth": 3})
    joined(store)
    learn(log, {"id": "a", "reviewed": True}, {"id": "c", "feedback": 1})
    joined(store)
    with store.read() as connection:
        (batch,) = predictions.batches(connection, STREAM, 0, 2 * NOW)
        rows = with_outcomes_of(connection, batch).to_pylist()
    assert [
        (row["id"], row["outcome.truth"], row["outcome.reviewed"], row["outcome.feedback"]) for row in rows
    ] == [
        ("a", None, True, None),
        ("c", 3.0, None, 1.0),
    ]


def test_outcomes_that_wait_too_long_are_given_up_and_counted(log_and_store):
    log, store = log_and_store
    learn(log, {"id": "a", "truth": "ok"}, {"id": "b", "truth": "ok"})
    joined(store)
    log.clock.advance(100)
    learn(log, {"id": "c", "truth": "ok"})
    joined(store)
    with store.write() as connection:
        assert expire_outcomes(connection, STREAM, NOW + 50, NOW + 100) == 2
        counts = outcomes.counts(connection, STREAM)
    assert (counts.unmatched, counts.waiting) == (2, 1)
    predict(log, {"id": "a"}, {"id": "c"})
    assert [row[0] for row in joined(store)] == ["c", "c"]


def test_an_outcome_for_another_stream_matches_nothing(log_and_store):
    log, store = log_and_store
    predict(log, {"id": "a"})
    learn(log, {"id": "a", "truth": "ok", "environment": "staging"})
    assert joined(store) == []


def test_many_outcomes_that_wait_lie_in_few_batches(log_and_store):
    log, store = log_and_store
    for number in range(70):
        learn(log, {"id": f"w{number}", "truth": "ok"})
        predict(log, {"id": f"other{number}"})
        joined(store)
    with store.read() as connection:
        lying = outcomes.pending(connection, STREAM, waiting=True)
    assert sum(batch.rows for batch in lying) == 70
    assert len(lying) <= 33
    predict(log, *({"id": f"w{number}"} for number in range(70)))
    assert {row[0] for row in joined(store)} == {f"w{number}" for number in range(70)}


def test_waiting_outcomes_are_merged_only_while_they_are_small(log_and_store, monkeypatch):
    monkeypatch.setattr("monitor.predictions.outcomes.join._SMALL_BYTES", 10)
    log, store = log_and_store
    for number in range(40):
        learn(log, {"id": f"w{number}", "truth": "ok"})
        predict(log, {"id": f"other{number}"})
        joined(store)
    with store.read() as connection:
        assert len(outcomes.pending(connection, STREAM, waiting=True)) == 40
    predict(log, *({"id": f"w{number}"} for number in range(40)))
    assert {row[0] for row in joined(store)} == {f"w{number}" for number in range(40)}


def test_what_is_joined_is_limited_by_its_size_and_none_is_forgotten(log_and_store, monkeypatch):
    for place in ("join", "pending"):
        monkeypatch.setattr(f"monitor.predictions.outcomes.{place}.MOST_BYTES", 1)
    log, store = log_and_store
    ids = [str(number) for number in range(12)]
    for one in ids:
        predict(log, {"id": one, "ranking": ["a", "b"]})
    for at in range(0, 12, 3):
        learn(log, *({"id": one, "relevant": ["a"]} for one in ids[at : at + 3]))
    parts = [joined(store) for _ in range(13)]
    assert [len(part) for part in parts] == [1] * 12 + [0]
    assert {name for part in parts for name, *_ in part} == set(ids)
    with store.read() as connection:
        assert outcomes.counts(connection, STREAM).matched == 12


@pytest.mark.parametrize("most_bytes", [None, 1])
@pytest.mark.parametrize("seed", range(8))
def test_every_field_is_told_once_in_whatever_order_things_come(tmp_path, seed, most_bytes, monkeypatch):
    """Random arrivals against the obvious model: the first value of each field of each id that is logged."""
    if most_bytes:
        for place in ("join", "pending"):
            monkeypatch.setattr(f"monitor.predictions.outcomes.{place}.MOST_BYTES", most_bytes)
    rng = random.Random(seed)
    ids = [f"id-{number}" * rng.choice((1, 1, 7)) for number in range(60)]
    to_predict, expected, told = ids[:45], {}, []
    rng.shuffle(to_predict)
    with running(tmp_path) as (log, store):
        for _ in range(40):
            count = rng.randint(0, 2)
            some, to_predict = to_predict[:count], to_predict[count:]
            if some:
                predict(log, *({"id": one, "timestamp": NOW - rng.randint(0, 300)} for one in some))
            news = [
                {"id": rng.choice(ids), rng.choice(("truth", "feedback")): rng.randint(0, 5)}
                for _ in range(rng.randint(1, 5))
            ]
            log.clock.advance(1)
            learn(log, *news)
            for row in news:
                for name in ("truth", "feedback"):
                    if name in row:
                        expected.setdefault((row["id"], name), float(row[name]))
            if rng.random() < 0.7:
                told += joined(store)
        told += joined(store)
        while has_new(store):
            told += joined(store)
        with store.read() as connection:
            logged = {
                row.id
                for row in connection.exec_driver_sql("select id from prediction_batches where not searched")
            }
            counts = outcomes.counts(connection, STREAM)
    assert not logged
    known = {(name, what): value for name, what, value in told if what != "delay"}
    assert max(Counter((name, what) for name, what, _ in told).values()) == 1
    predicted = set(ids[:45]) - set(to_predict)
    assert known == {key: value for key, value in expected.items() if key[0] in predicted}
    assert counts.received == counts.matched + counts.waiting

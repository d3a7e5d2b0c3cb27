"""Messages that are parsed many at a time: the same records as one by one, each once, whoever else stores them."""

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.clock import SystemClock
from monitor.predictions.log.batch import decode
from monitor.predictions.log.writer import PredictionLog
from monitor.sources.brokers.redis import RedisSettings
from monitor.sources.formats.plain import PlainFormat
from monitor.sources.reading import ParsedPayloads, PayloadReader
from monitor.sources.runner import SourceRunner
from monitor.sources.source import Fetched, Payload
from monitor.store import idempotency, predictions
from monitor.store.db import Store
from tests.support.log import running
from tests.support.source_checks import POISON, stored
from tests.support.thorough import SHARED_FIXTURES, examples

NOW = float(int(time.time()) - 3600)
REDIS = RedisSettings.model_validate({"url": "redis://127.0.0.1:1", "stream": "orders"})
DEFAULTS = {"client": "acme", "model": 'fr"aud é'}
FIELDS = st.fixed_dictionaries(
    {"prediction": st.sampled_from(["ok", "fraud"])},
    optional={
        "id": st.text(min_size=1, max_size=5) | st.none(),
        "timestamp": st.sampled_from([NOW - 5, None]),
        "model": st.sampled_from(["other", None]),
        "confidence": st.sampled_from([0.5, 2.0]),
        "latency_ms": st.sampled_from([1.5, -1.0, None]),
        "truth": st.sampled_from(["ok", None]),
        "features": st.dictionaries(
            st.sampled_from(["a", "timestamp", "id", "truth"]), st.sampled_from([1.5, "x"])
        ),
        "version": st.text(max_size=4),
        "ranking": st.sampled_from([["a", "b"], ["b", None], "a"]),
        "relevant": st.sampled_from([["a"], {"a": -1}, None]),
    },
)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PredictionLog, Store]]:
    with running(tmp_path_factory.mktemp("log"), SystemClock()) as found:
        yield found


def messages(
    records: Sequence[object], *, has_key: bool = True, sent_at: float | None = NOW
) -> list[Payload]:
    return [
        Payload(json.dumps(one).encode(), f"entry {n}", key=b"%d" % n if has_key else b"", sent_at=sent_at)
        for n, one in enumerate(records)
    ]


def taken(log: PredictionLog, store: Store, reading: ParsedPayloads) -> list[dict[str, Any]]:
    """The rows that a reading leaves in the store, which is emptied again."""
    log.store_delivery(list(reading.requests), lambda _: None)
    with store.write() as connection:
        batches = connection.execute(predictions.BATCHES.select()).all()
        connection.execute(predictions.BATCHES.delete())
        connection.execute(idempotency.REQUESTS.delete())
    found = [{"stream": one.stream, **row} for one in batches for row in decode(one.blob).to_pylist()]
    return sorted(({k: v for k, v in row.items() if v is not None} for row in found), key=repr)


def reader(log: PredictionLog, defaults: dict[str, str], *, is_ordered: bool) -> PayloadReader:
    return PayloadReader("orders", PlainFormat(), log, defaults, is_ordered=is_ordered)


@settings(max_examples=examples(25), deadline=None, suppress_health_check=SHARED_FIXTURES)
@given(
    st.lists(FIELDS, min_size=2, max_size=5), st.booleans(), st.booleans(), st.sampled_from([None, NOW - 60])
)
def test_law_together_is_as_one_by_one(
    log: tuple[PredictionLog, Store],
    records: list[dict[str, Any]],
    has_key: bool,
    is_ordered: bool,
    sent_at: float | None,
) -> None:
    payloads = messages(records, has_key=has_key, sent_at=sent_at or time.time())
    together = reader(log[0], DEFAULTS, is_ordered=is_ordered).read_all(payloads)
    alone = ParsedPayloads.joined(map(reader(log[0], DEFAULTS, is_ordered=is_ordered).read, payloads))
    assert sum(one.rejected_count for one in together.requests) == sum(
        one.rejected_count for one in alone.requests
    )
    expected = taken(*log, alone)
    if has_key or is_ordered or all("timestamp" in record for record in records):
        assert taken(*log, together) == expected
    else:
        assert len(taken(*log, together)) == len(expected)


@pytest.mark.parametrize(
    "fields",
    [
        {"ranking": ["a", "b"], "relevant": ["b"]},
        {"predicted_labels": ["a"], "true_labels": []},
        {"outputs": {"w": 1}, "true_outputs": {"w": 2}},
    ],
)
def test_messages_with_another_answer_and_its_truth_are_a_prediction_and_an_outcome(
    log: tuple[PredictionLog, Store], fields: dict[str, Any]
) -> None:
    known = list(fields)[1]
    records = [{"id": f"{known}-{n}", **fields} for n in range(3)]
    later = [{"id": one["id"], known: one[known]} for one in records]
    for sent, kinds in ((records, {"predictions": 3, "outcomes": 3}), (later, {"outcomes": 3})):
        requests = reader(log[0], DEFAULTS, is_ordered=False).read_all(messages(sent)).requests
        found: dict[str, int] = {}
        for one in requests:
            found[one.kind.value] = found.get(one.kind.value, 0) + one.accepted
        assert {kind: amount for kind, amount in found.items() if amount} == kinds
        assert not sum(one.rejected_count for one in requests)


def of_message(fields: dict[str, Any]) -> bytes:
    return json.dumps({**DEFAULTS, "prediction": "ok", **fields}).encode()


GOOD = st.integers(0, 9).map(
    lambda n: of_message({"id": f"p-{n}", "timestamp": NOW - n, "features": {"a": n}})
)
HOSTILE = (
    *POISON,
    of_message({"id": "l-1"}) + b"\n" + of_message({"id": "l-2"}),
    of_message({"id": "l-1"}) + b"\r" + of_message({"id": "l-2"}),
    b'{"id": 1}, {"id": 2}',
    b'{"prediction": "ok"}\n{"prediction": "ok"}',
    b'{"prediction": "ok"}}',
    b'[{"prediction": "ok", "timestamp": %d}]' % NOW,
    b'{"prediction": "\xff", "timestamp": %d}' % NOW,
    b'{"prediction": "ok", "latency_ms": NaN, "timestamp": %d}' % NOW,
    b'{"prediction": "ok", "prediction": "late", "timestamp": %d}' % NOW,
    b'\xef\xbb\xbf{"prediction": "ok", "timestamp": %d}' % NOW,
    b' \r\n{"prediction": "ok", "timestamp": %d} ' % NOW,
    b'{"prediction": "ok",\r"timestamp": %d}' % NOW,
    b'{"prediction": "ok", "features": ' + b"[" * 2000 + b"]" * 2000 + b"}",
    of_message({"timestamp": NOW + 10**7}),
    of_message({"timestamp": 0}),
    of_message({"id": "x" * 10_000, "timestamp": NOW}),
    of_message({"prediction": "\u2028\r\n\x85\u202e", "timestamp": NOW}),
    of_message({"timestamp": NOW, "confidence": "much"}),
    of_message({"id": "p-1", "truth": "ok", "timestamp": NOW}),
    b"",
    b"  ",
)


@settings(max_examples=examples(25), deadline=None, suppress_health_check=SHARED_FIXTURES)
@given(st.lists(GOOD | GOOD | st.sampled_from(HOSTILE), min_size=2, max_size=8), st.booleans())
def test_law_hostile_messages_are_stored_and_refused_as_one_by_one(
    log: tuple[PredictionLog, Store], bodies: list[bytes], is_ordered: bool
) -> None:
    check_alike(log, bodies, is_ordered=is_ordered)


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_message_among_good_ones_is_read_as_by_itself(
    log: tuple[PredictionLog, Store], body: bytes
) -> None:
    good = [of_message({"id": f"g-{n}", "timestamp": NOW - n}) for n in range(3)]
    for is_ordered in (False, True):
        check_alike(log, [*good[:2], body, good[2]], is_ordered=is_ordered)


def check_alike(log: tuple[PredictionLog, Store], bodies: Sequence[bytes], *, is_ordered: bool) -> None:
    """Messages that are read many at a time are stored and refused as one by one."""
    payloads = [
        Payload(one, f"entry {n}", key=b"%d" % n, sent_at=NOW - 60.0 - n) for n, one in enumerate(bodies)
    ]
    together = reader(log[0], DEFAULTS, is_ordered=is_ordered).read_all(payloads)
    alone = ParsedPayloads.joined(map(reader(log[0], DEFAULTS, is_ordered=is_ordered).read, payloads))
    assert refused(together) == refused(alone)
    assert taken(*log, together) == taken(*log, alone)


def refused(reading: ParsedPayloads) -> list[Any]:
    """What goes to quarantine, with its message's name in the error."""
    return sorted((one.reason, repr(one.rejected)) for each in reading.requests for one in each.rejected)


def test_many_plain_messages_become_one_request_and_known_ones_none(log: tuple[PredictionLog, Store]) -> None:
    payloads = messages([{"prediction": "ok", "features": {"a": n}} for n in range(50)])
    first = reader(log[0], DEFAULTS, is_ordered=False).read_all([*payloads, payloads[3]])
    assert len(first.requests) == 1
    assert len(first.keys) == 50
    again = reader(log[0], DEFAULTS, is_ordered=False).read_all(payloads, lambda keys: keys[:49])
    assert len(taken(*log, again)) == 1
    nothing = reader(log[0], DEFAULTS, is_ordered=False).read_all(payloads, lambda keys: keys)
    assert (list(nothing.requests), list(nothing.keys)) == ([], [])


def test_equal_messages_without_key_id_and_time_are_two_predictions(log: tuple[PredictionLog, Store]) -> None:
    payloads = messages([{"prediction": "ok", "features": {"timestamp": 1}}] * 2, has_key=False)
    assert len(taken(*log, reader(log[0], DEFAULTS, is_ordered=False).read_all(payloads))) == 2


def test_a_message_that_another_daemon_stores_in_the_meantime_is_stored_once(tmp_path: Path) -> None:
    with running(tmp_path, SystemClock()) as (log, store):
        payloads = messages([{**DEFAULTS, "prediction": "ok", "id": f"p{n}"} for n in range(20)])
        one = SourceRunner("orders", "redis", REDIS, log, store, SystemClock())
        other = reader(log, {}, is_ordered=False)
        late = PayloadReader("orders", PlainFormat(), log, {}, is_ordered=False)
        log.store_delivery(
            list(ParsedPayloads.joined(map(other.read, payloads[5:8])).requests), lambda _: None
        )
        one._store_all(late, Fetched(payloads))
        assert stored(store) == 20
        one._store_all(late, Fetched(payloads))
        assert stored(store) == 20

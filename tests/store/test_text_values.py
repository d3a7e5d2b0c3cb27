"""Texts and the columns that hold them: the same limits at the border and in every table, on both databases."""

import json
from queue import Queue

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import String, insert, inspect, select

from monitor.clock import ManualClock
from monitor.errors import InputError
from monitor.predictions.intake import parse
from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.records import DAEMON, Stream
from monitor.store import api_keys, audit, drift, model_versions, quarantine, streams
from monitor.store.db import Store, metadata
from monitor.store.migrate import migrate
from monitor.store.tables import MODULES
from monitor.store.text_values import fitted
from monitor.text_limits import COLUMN, ENVIRONMENT, LABEL, NAME
from tests.support.log import NOW, prediction, send
from tests.support.postgresql import postgresql
from tests.support.thorough import SHARED_FIXTURES, examples

assert MODULES  # every table is known to `metadata`

LONGEST = {"client": NAME, "model": NAME, "environment": ENVIRONMENT, "version": LABEL, "column": COLUMN}
"""What a sender's text may be at most, by the column that keeps it."""
TEXTS = [
    (table, column)
    for table in metadata.sorted_tables
    for column in table.columns
    if isinstance(column.type, String)
]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def store(request, tmp_path_factory):
    if request.param == "sqlite":
        store = Store(f"sqlite:///{tmp_path_factory.mktemp('database')}/watchkeeper.db")
        migrate(store)
        yield store
        store.close()
        return
    with postgresql() as server:
        store = Store(server.url)
        migrate(store)
        yield store
        store.close()


def test_no_column_is_shorter_than_what_intake_takes_for_it():
    for table, column in TEXTS:
        if column.name in LONGEST and column.type.length is not None:
            assert column.type.length >= LONGEST[column.name], (table.name, column.name)


def test_what_intake_takes_is_no_longer_than_these_limits():
    with pytest.raises(ValueError, match="512"):
        PredictionSettings(max_label=LABEL + 1)
    assert len("probabilities.") + LABEL <= COLUMN
    assert max(map(len, ("development", "staging", "production"))) <= ENVIRONMENT
    assert len(DAEMON.client) <= NAME


def test_the_migrated_columns_are_as_long_as_the_tables_say(store):
    found = inspect(store.engine)
    for table, column in TEXTS:
        if isinstance(column.type.length, int):
            (actual,) = [one for one in found.get_columns(table.name) if one["name"] == column.name]
            assert actual["type"].length == column.type.length, (table.name, column.name)


@pytest.mark.parametrize("value", ["\x00", "a\x00b", "\ud800", "x" * 5000, "é" * 700, "\U0001f600" * 300])
def test_no_text_fails_in_any_column_of_any_table(store, value):
    """Neither written nor asked for."""
    for table, column in TEXTS:
        with store.read() as connection:
            try:
                connection.execute(select(column).where(column == value)).all()
                connection.execute(select(column).where(column.in_([value]))).all()
            except Exception as error:
                raise AssertionError((table.name, column.name)) from error


@settings(max_examples=examples(30), suppress_health_check=SHARED_FIXTURES)
@given(st.text(st.characters(exclude_categories=()), max_size=600), st.text(max_size=600))
def test_whatever_somebody_did_is_written_down(store, target, who):
    entry = audit.AuditEntry(NOW, who, "127.0.0.1", "GET", "", target, 200)
    with store.write() as connection:
        audit.add(connection, [entry])
        (kept,) = audit.latest(connection, limit=1)
    assert (kept.target, kept.who) == (fitted(target, 512), fitted(who, 256))


def longest_of(length, letter):
    return "".join(letter for _ in range(length))


WIDE = {"letters": "x", "two bytes": "é", "four bytes": "\U0001f600"}


@pytest.mark.parametrize("letter", WIDE.values(), ids=WIDE)
def test_the_longest_names_that_are_taken_are_stored_and_found(store, letter):
    stream = Stream(longest_of(NAME, letter), longest_of(NAME, letter), "development")
    version = longest_of(min(LABEL, 1024 // len(letter.encode())), letter)
    name = longest_of(LABEL, letter)
    log = PredictionLog(store, PredictionSettings(), ManualClock(NOW))
    log.start()
    record = prediction(id=longest_of(LABEL, letter), version=version, error=name, features={name: 1.0})
    record |= {"segments": {name: name}, "probabilities": {name: 0.5}}
    record |= {"client": stream.client, "model": stream.model, "environment": stream.environment}
    receipt = send(log, RecordKind.PREDICTIONS, [record])
    assert (receipt.accepted, list(receipt.rejected)) == (1, [])
    with store.write() as connection:
        model_versions.put(connection, [model_versions.Version(stream, version, NOW, NOW)])
        row = {"stream": streams.find(connection, stream), "start": 0, "column": f"probabilities.{name}"}
        connection.execute(
            insert(drift.VERDICTS).values(row | {"ratio": 1.0, "significant": True, "reason": ""})
        )
    with store.read() as connection:
        assert [one.version for one in model_versions.of(connection, stream)] == [version]
    log.stop()


HOSTILE = ["\x00", "a\x00b", "\ud800", "a\udfff", "x" * 513, "x" * 70_000, "x" * 10_000, "\u202e", "\x1b[31m"]
FIELDS = ("client", "model", "environment", "id", "version", "error", "prediction", "truth", "timestamp")
GROUPS = ("features", "segments", "probabilities")
PLACES = [
    *FIELDS,
    *(f"{group} name" for group in GROUPS),
    *(f"{group} value" for group in GROUPS),
    "unknown field",
]


def with_text(place, text):
    record = prediction(id="1", truth="ok")
    group, _, what = place.partition(" ")
    if place == "unknown field":
        return {**record, text: text}
    if what == "name":
        return {**record, group: {text: 0.5 if group == "probabilities" else "a"}}
    return {**record, group: {"a": text} if what == "value" else text}


@pytest.mark.parametrize("place", PLACES)
def test_no_text_in_any_field_stops_the_log(store, place):
    """Each is taken or refused with its reason, the next request is taken, and what was refused can be read."""
    log = PredictionLog(store, PredictionSettings(), ManualClock(NOW))
    log.start()
    for number, text in enumerate(HOSTILE):
        for kind in RecordKind:
            body = json.dumps([with_text(place, text), prediction(id=f"{place}{number}{kind}", truth="ok")])
            receipt = send_body(log, kind, body.encode())
            assert receipt.accepted >= 1
            for one in receipt.rejected:
                assert one.error.isprintable()
                assert one.error
    with store.read() as connection:
        assert quarantine.latest(connection) is not None
        assert quarantine.summary(connection, NOW - 1e6, NOW + 1e6) is not None
    log.stop()


def send_body(log, kind, body):
    answers = Queue()
    submission = parse.read(kind, body, "", log.rules(), log.decoders)
    log.submit([(submission, answers.put)])
    log.submit([])
    return answers.get(timeout=300)


@pytest.mark.parametrize("name", ["a\x00b", "\ud800", "a/b", "..", "x" * 129, "a\nb", "a\u202eb"], ids=ascii)
@pytest.mark.parametrize("field", ["name", "client"])
def test_a_key_has_a_name_and_a_client_by_the_grammar_of_names(store, field, name):
    texts = {"client": "acme", "name": "till 4", field: name}
    with store.write() as connection, pytest.raises(InputError, match=f"the {field} of a key"):
        api_keys.create(connection, api_keys.KeyKind.INGEST, texts["client"], NOW, name=texts["name"])

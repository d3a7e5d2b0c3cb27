"""Whatever holds rows of persons is searched by an erasure, in the form in which it is stored."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from monitor.maintenance.erasure import ErasureSubject, erase_client, erase_records
from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.log.batch import decode, encode
from monitor.records import Alert, Diagnosis, Severity
from monitor.sources.formats.format import HalfCall, Side
from monitor.sources.otlp.held_call import HeldCall
from monitor.sources.pairing.halves import Half
from monitor.store import (
    alerts,
    diagnoses,
    erasing,
    half_calls,
    predictions,
    scores,
    texts,
    waiting_calls,
    waiting_runs,
)
from monitor.store.checksums import seal
from monitor.store.client_data import PLACES
from monitor.store.db import Store
from monitor.store.scores import Score
from monitor.store.tables import metadata
from monitor.store.texts import StoredTexts
from monitor.store.waiting_calls import SPAN, WaitingPart
from monitor.store.waiting_runs import WaitingSpans
from tests.support.log import NOW, STREAM, running, send

PERSON, OTHER = "pérsön-4711 \N{GRINNING FACE}", "somebody else"


def row(identity: str, customer: str, at: float) -> dict[str, Any]:
    return {
        "id": identity, "client": "acme", "model": "fraud", "timestamp": at, "prediction": "ok",
        "segments": {"customer": customer},
    }  # fmt: skip


def half(identity: str, customer: str) -> half_calls.StoredHalf:
    answer = {"id": identity, "customer": customer}
    return Half(HalfCall(identity, Side.REQUEST, (answer,)), "here", NOW).stored()


def call(identity: str, customer: str) -> bytes:
    return HeldCall(row(identity, customer, NOW), (), (), 0, "acme", ()).encoded()


def diagnosed(rule: str, what: str) -> Alert:
    return Alert(rule, rule, Severity.WARNING, STREAM, episode=1, diagnosis=Diagnosis(NOW, NOW, what))


def counts(store: Store) -> dict[str, int]:
    with store.read() as connection:
        return {
            place.table: connection.execute(
                select(func.count()).select_from(metadata.tables[place.table])
            ).scalar_one()
            for place in PLACES
            if place.has_rows
        }


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Store]:
    with running(tmp_path) as (log, store):
        everybody = ((PERSON, PERSON), (OTHER, OTHER))
        send(log, RecordKind.PREDICTIONS, [row(name, value, NOW - 30) for name, value in everybody])
        send(log, RecordKind.OUTCOMES, [outcome(f"{name}!") for name, _ in everybody])
        send(
            log,
            RecordKind.PREDICTIONS,
            [{**row(name, value, NOW), "confidence": 7} for name, value in everybody],
        )
        with store.write() as connection:
            numbers = predictions.numbers(connection, STREAM, 0, 1e11)
            [batch] = predictions.some(connection, STREAM, numbers)
            texts.put(connection, [StoredTexts(STREAM, b"d" * 16, NOW, NOW, 2, batch.blob)])
            scores.put(
                connection, [Score(STREAM, "tone", "judge", name, 1.0, None) for name, _ in everybody], NOW
            )
            half_calls.put(connection, "kafka", [half(*one) for one in everybody])
            waiting_calls.put(
                connection,
                [WaitingPart(str(n), SPAN, "acme", NOW, call(*one)) for n, one in enumerate(everybody)],
            )
            told = [diagnosed(name[:5], f"segment customer={value}") for name, value in everybody]
            waiting_runs.put(
                connection,
                [
                    WaitingSpans(str(n), "p", "acme", NOW, None, seal(f'["{name}"]'.encode()))
                    for n, (name, _) in enumerate(everybody)
                ],
            )
            alerts.put(connection, told)
            diagnoses.put(connection, told)
        yield store


def outcome(identity: str) -> dict[str, Any]:
    return {"client": "acme", "model": "fraud", "id": identity, "truth": "ok", "timestamp": NOW}


SEARCHED = {"scores", "half_calls", "waiting_calls", "waiting_runs", "quarantine", "diagnoses"}
REWRITTEN = {"prediction_batches", "outcome_batches", "known_outcomes", "texts", "baselines"}


def test_every_place_with_rows_of_persons_is_searched_or_rewritten() -> None:
    assert {place.table for place in PLACES if place.has_rows} == SEARCHED | REWRITTEN


@pytest.mark.parametrize(
    "subject", [ErasureSubject(frozenset((PERSON,))), ErasureSubject(column="customer", value=PERSON)]
)
def test_one_of_two_is_erased_wherever_rows_are_stored(filled: Store, subject: ErasureSubject) -> None:
    before = counts(filled)
    receipt = erase_records(filled, "acme", subject, NOW, "ada", "here")
    assert {
        name: receipt.removed.get(name) for name in SEARCHED | {"prediction_batches", "texts"}
    } == dict.fromkeys(SEARCHED | {"prediction_batches", "texts"}, 1)
    after = counts(filled)
    assert {name for name in before if after[name] == before[name] - 1} == SEARCHED
    assert after["prediction_batches"] == before["prediction_batches"]


def test_halves_of_another_client_s_calls_stay_and_those_of_an_erased_client_go(filled: Store) -> None:
    subject = ErasureSubject(frozenset((PERSON,)))
    receipt = erase_records(filled, "globex", subject, NOW, "ada", "here", others=("kafka",))
    assert receipt.removed == {}
    before = counts(filled)["half_calls"]
    assert "half_calls" not in erase_client(filled, "globex", NOW, "ada", "here", ("nats",)).removed
    assert erase_client(filled, "acme", NOW, "ada", "here", ("kafka",)).removed["half_calls"] == before


def test_records_without_an_id_lose_their_texts_too(tmp_path: Path) -> None:
    with running(tmp_path) as (log, store):
        rows = [row("", PERSON, NOW - 30), row("", OTHER, NOW - 20)]
        send(log, RecordKind.PREDICTIONS, [{k: v for k, v in one.items() if k != "id"} for one in rows])
        with store.write() as connection:
            [batch] = predictions.some(connection, STREAM, predictions.numbers(connection, STREAM, 0, 1e11))
            bare = decode(batch.blob)
            bare = bare.drop_columns([name for name in bare.schema.names if name.startswith("segments.")])
            texts.put(connection, [StoredTexts(STREAM, b"d" * 16, NOW, NOW, 2, encode(bare))])
        receipt = erase_records(
            store, "acme", ErasureSubject(column="customer", value=PERSON), NOW, "ada", "here"
        )
    assert receipt.removed == {"prediction_batches": 1, "texts": 1}


@pytest.mark.parametrize("name", ["1", "a-1", 'o"1', "é1", "x" * 200])
def test_an_id_is_found_as_a_whole_however_json_writes_it(name: str) -> None:
    is_meant = erasing.naming([name, "other"])
    for content in ({"id": name}, [name], {"note": f"see {name}, please"}):
        for text in (json.dumps(content), json.dumps(content, ensure_ascii=False)):
            assert is_meant(erasing.searchable(text.encode()))
    for other in (f"{name}2", f"2{name}", f"{name}-b", f"b_{name}"):
        assert not is_meant(json.dumps({"id": other}, ensure_ascii=False).encode())

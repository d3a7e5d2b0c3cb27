"""A request in slices holds the rows of the whole, each once, and is known by them."""

from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.predictions.intake.fast_decoder import FastDecoders
from monitor.predictions.intake.parse import ParsedRequest, RecordKind
from monitor.predictions.intake.requests import RawRequest
from monitor.predictions.intake.schema import Rules
from monitor.predictions.large.reading import ReaderHere
from monitor.predictions.large.slices import SLICE_BYTES
from monitor.predictions.log.batch import decode
from monitor.predictions.log.store_rows import StoreRows
from monitor.predictions.settings import PredictionSettings
from monitor.predictions.texts.measuring import SignalMeter
from monitor.runtime.faults import Faults
from tests.support.log import NOW, outcome, prediction
from tests.support.thorough import examples

SETTINGS = PredictionSettings()


def slices_of(
    records: list[dict[str, Any]], kind: RecordKind = RecordKind.PREDICTIONS, now: float = NOW
) -> list[ParsedRequest]:
    body = msgspec.json.encode(records)
    request = RawRequest(kind, body, "", Rules(SETTINGS, now, "acme"), "", None)
    slices = ReaderHere(FastDecoders(SETTINGS), SignalMeter(Faults()), SETTINGS).read(request)
    assert isinstance(slices, list), slices
    return slices


def rows_of(one: ParsedRequest) -> list[dict[str, Any]]:
    assert isinstance(one.rows, StoreRows)
    return [
        row for batch in (*one.rows.predictions, *one.rows.outcomes) for row in decode(batch.blob).to_pylist()
    ]


@settings(max_examples=examples(10))
@given(
    rows=st.integers(1, 3000), windows=st.integers(1, 200), models=st.integers(1, 40), bad=st.integers(0, 150)
)
def test_each_row_is_in_one_slice(rows: int, windows: int, models: int, bad: int) -> None:
    records = [
        prediction(id=str(n), model=f"m{n % models}", timestamp=NOW - 60 * (n % windows)) for n in range(rows)
    ]
    refused = [prediction(id=f"bad {n}", confidence=7) for n in range(bad)]
    slices = slices_of([*records, *refused])
    found = [row["id"] for one in slices for row in rows_of(one)]
    assert sorted(found) == sorted(str(n) for n in range(rows))
    assert sum(one.accepted for one in slices) == rows
    assert [one.rejected_count for one in slices] == [*[0] * (len(slices) - 1), bad]
    keys = [one.request for one in slices]
    assert None not in keys
    assert len({key.key for key in keys if key}) == len(slices)
    assert max(len(one.rows.predictions) for one in slices if isinstance(one.rows, StoreRows)) <= 30


def test_a_slice_is_small_and_the_last_has_the_key_of_the_whole() -> None:
    records = [
        prediction(id=f"{n}" * 10, features={f"f{name}": n * name / 7 for name in range(40)})
        for n in range(8000)
    ]
    slices = slices_of(records)
    assert len(slices) > 3
    assert max(one.size for one in slices) < 3 * SLICE_BYTES
    (alone,) = slices_of(records[:10])
    assert alone.request is not None
    assert slices[-1].request == slices_of(records)[-1].request
    assert slices[0].request != slices[-1].request


def test_the_same_request_again_has_the_same_slices_whenever_it_comes() -> None:
    records = [{"id": str(n), "model": "m", "prediction": 1.0, "features": {"a": n}} for n in range(30_000)]
    first, later = slices_of(records), slices_of(records, now=NOW + 3600)
    assert len(first) > 3
    assert [one.request for one in first] == [one.request for one in later]


def test_equal_rows_in_two_slices_are_two() -> None:
    records = [prediction(features={"a": 1.0}) for _ in range(30_000)]  # no ids, one time
    slices = slices_of(records)
    assert len({one.request.key for one in slices if one.request}) == len(slices) > 1


def test_rows_of_any_width_are_cut() -> None:
    texts = slices_of([prediction(id=str(n), features={"text": "x" * 60_000 + str(n)}) for n in range(60)])
    assert sum(one.accepted for one in texts) == 60
    lists = slices_of(
        [prediction(id=str(n), features={"v": [n / (m + 1) for m in range(2000)]}) for n in range(150)]
    )
    assert len(lists) > 2
    assert Counter(row["id"] for one in lists for row in rows_of(one)) == Counter(str(n) for n in range(150))


@pytest.mark.parametrize("count", [10, 5000])
def test_outcomes_and_scores_are_cut_as_well(count: int) -> None:
    score = {"name": "judge", "value": 0.5, "evaluator": "e"}
    records = [outcome(id=f"o{n}", truth="ok") for n in range(count)]
    records += [outcome(id=f"s{n}", scores=[score]) for n in range(3000)]
    slices = slices_of(records, RecordKind.OUTCOMES)
    assert sum(one.accepted for one in slices) == count + 3000
    assert sorted(row["id"] for one in slices for row in rows_of(one)) == sorted(
        f"o{n}" for n in range(count)
    )
    scores = [len(one.scores) for one in slices]
    assert sum(scores) == 3000
    assert max(scores) <= 1000


def test_of_a_request_without_a_good_record_the_rejected_are_stored() -> None:
    (only,) = slices_of([prediction(confidence=7)] * 200)
    assert (only.accepted, only.rejected_count, len(only.rejected)) == (0, 200, 100)
    assert isinstance(only.rows, StoreRows)
    assert sum(entry.count for entry in only.rows.quarantined) == 200

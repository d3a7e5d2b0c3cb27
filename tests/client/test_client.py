"""Records that a program hands over are on the daemon's disk."""

import asyncio
import sqlite3
import threading
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import Path
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from watchkeeper_client import Client, Limits

from tests.client.conftest import QUICK
from tests.client.stored import outcomes, predictions
from tests.support.daemon import Daemon
from tests.support.thorough import SHARED_FIXTURES, examples


def test_a_prediction_and_what_became_known_of_it_are_stored(
    client: Client, model: str, stores: Path
) -> None:
    name = client.prediction(
        "fraud", features={"amount": 12.5, "country": "DE", "new": True}, confidence=0.93, latency_ms=41.7
    )
    client.outcome(name, truth="ok", reviewed=True)
    client.feedback(name, 4)
    assert client.flush()
    (row,) = predictions(stores, model)
    assert row["id"] == name
    assert (row["prediction"], row["confidence"], row["latency_ms"], row["version"]) == (
        "fraud",
        0.93,
        41.7,
        "7",
    )
    assert (row["features.amount"], row["features.country"], row["features.new"]) == (12.5, "DE", True)
    known = outcomes(stores, model)
    assert {one["id"] for one in known} == {name}
    assert "ok" in [one.get("truth") for one in known]
    assert 4.0 in [one.get("feedback") for one in known]
    assert client.counters()["sent"] == 3


def test_scores_of_evaluators_are_stored_with_an_outcome(client: Client, model: str, stores: Path) -> None:
    name = client.prediction("an answer")
    client.outcome(
        name, scores=[{"name": "grounded", "value": np.float64(0.8), "evaluator": "judge", "version": 2}]
    )
    client.outcome(name, scores=iter([{"name": "tone", "evaluator": "people", "label": "kind"}]))
    client.outcome(name, scores=5)  # type: ignore[arg-type]
    assert client.flush()
    query = "select score, evaluator, value, label from scores where model = ? order by score"
    with sqlite3.connect(f"file:{stores}/watchkeeper.db?mode=ro", uri=True) as connection:
        found = connection.execute(query, (model,)).fetchall()
    assert [(name, value, label) for name, _, value, label in found] == [
        ("grounded", 0.8, None),
        ("tone", None, "kind"),
    ]
    assert client.counters()["unusable"] == 1


def test_an_error_is_stored_by_its_type(client: Client, model: str, stores: Path) -> None:
    client.prediction(error=TimeoutError("the database"), latency_ms=5_000)
    client.prediction(error="quota")
    assert client.flush()
    assert [row["error"] for row in predictions(stores, model)] == ["TimeoutError", "quota"]


class Color(Enum):
    RED = "red"


@dataclass
class Row:
    a: int
    b: str


class Hostile:
    """Raises at whatever it is asked."""

    def __getattribute__(self, name: str) -> object:
        raise RuntimeError(name)

    def __repr__(self) -> str:
        raise RuntimeError("repr")

    __str__ = __hash__ = __len__ = __iter__ = __float__ = __eq__ = __bool__ = __repr__  # type: ignore[assignment]


def cycle() -> object:
    one: dict[str, object] = {"a": 1}
    one["self"] = one
    return one


def deep() -> object:
    one: dict[str, object] = {}
    for _ in range(100_000):
        one = {"a": one}
    return one


TAKEN = {
    "numpy integer": (np.int64(3), 3.0),
    "numpy float32": (np.float32(0.5), 0.5),
    "numpy float64": (np.float64(0.5), 0.5),
    "numpy bool": (np.bool_(True), True),
    "numpy text": (np.str_("x"), "x"),
    "numpy long double": (np.longdouble(2), 2.0),
    "numpy array": (np.arange(3), [0.0, 1.0, 2.0]),
    "numpy array of one": (np.array(4), 4.0),
    "numpy time": (np.datetime64("2026-01-01T00:00:00"), None),
    "pandas time": (pd.Timestamp("2026-01-01"), None),
    "pandas nothing": (pd.NA, None),
    "pandas no time": (pd.NaT, None),
    "pandas column": (pd.Series([1.0, 2.0]), [1.0, 2.0]),
    "decimal": (Decimal("1.5"), 1.5),
    "fraction": (Fraction(1, 2), 0.5),
    "enum": (Color.RED, "red"),
    "uuid": (UUID(int=1), str(UUID(int=1))),
    "not a number": (float("nan"), None),
    "infinity": (float("inf"), None),
    "half a surrogate pair": ("a\ud800b", None),
    "a NUL": ("a\0b", "a\ufffdb"),
    "beyond the basic plane": ("\N{GRINNING FACE}", "\N{GRINNING FACE}"),
    "a text of ten million characters": ("x" * 10_000_000, "x" * 65_536),
    "an integer of 5,000 digits": (10**5_000, None),
}
LEFT_OUT = {
    "object": object(),
    "hostile": Hostile(),
    "set": {1, 2},
    "bytes": b"x",
    "texts": ["a", "b"],
    "mixed": [1, None],
    "list in list": [[1, 2], [3, 4]],
    "a million numbers": list(range(1_000_000)),
    "a large array": np.zeros((1_000, 1_000)),
    "function": cycle,
}


@pytest.mark.parametrize("name", TAKEN)
def test_values_of_many_types_are_stored(name: str, client: Client, model: str, stores: Path) -> None:
    value, stored = TAKEN[name]
    client.prediction("ok", features={"v": value, "other": 1.0})
    assert client.flush()
    (row,) = predictions(stores, model)
    assert row["features.other"] == 1.0
    if stored is not None:
        assert row["features.v"] == stored
    assert client.counters()["left_out"] == 0


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_value_that_cannot_be_sent_is_left_out_and_the_record_stored(
    name: str, client: Client, model: str, stores: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        client.prediction("ok", features={"v": LEFT_OUT[name], "other": 1.0})
    assert client.flush()
    rows = predictions(stores, model)
    assert [row["features.other"] for row in rows] == [1.0] * 3
    assert "features.v" not in rows[0]
    assert client.counters()["left_out"] == 3
    assert caplog.text.count("'v' is left out where it is of type") == 1


SHAPELESS = {
    "cycle": cycle(),
    "deep": deep(),
    "hostile": Hostile(),
    "number": 7,
    "text": "text",
    "pairs": [("a", 1)],
    "names that are none": {1: 2, "": 3, "x" * 600: 4, None: 5, (1, "a"): 6},
}


@pytest.mark.parametrize("name", SHAPELESS)
def test_features_of_any_form_never_raise_and_never_cost_the_record(
    name: str, client: Client, model: str, stores: Path
) -> None:
    client.prediction("ok", features=SHAPELESS[name])
    assert client.flush()
    assert len(predictions(stores, model)) == 1


@pytest.mark.parametrize(
    "features", [Row(1, "x"), pd.Series({"a": 1, "b": "x"}), pd.DataFrame({"a": [1], "b": ["x"]})]
)
def test_features_are_anything_with_names(features: object, client: Client, model: str, stores: Path) -> None:
    client.prediction("ok", features=features)
    assert client.flush()
    (row,) = predictions(stores, model)
    assert (row["features.a"], row["features.b"]) == (1.0, "x")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.lists(st.tuples(anything, anything, anything), min_size=1, max_size=20))
@settings(max_examples=examples(15), suppress_health_check=SHARED_FIXTURES)
def test_every_record_is_stored_or_counted_as_dropped(
    client: Client, rows: list[tuple[object, object, object]]
) -> None:
    before = client.counters()
    for prediction, features, other in rows:
        client.prediction(prediction, features=features, confidence=other, segments=other)  # type: ignore[arg-type]
    assert client.flush()
    counts = {name: count - before[name] for name, count in client.counters().items()}
    assert counts["sent"] + counts["refused"] + counts["unusable"] == len(rows)


def test_what_is_changed_afterwards_does_not_matter(client: Client, model: str, stores: Path) -> None:
    features = {"a": 1.0, "list": [1.0, 2.0], "nested": {"x": 1.0}, "array": np.ones(2)}
    client.prediction("ok", features=features)
    features["a"] = 9.0
    features["list"].append(9.0)  # type: ignore[attr-defined]
    features["nested"]["x"] = 9.0  # type: ignore[index]
    features["array"][0] = 9.0  # type: ignore[index]
    assert client.flush()
    (row,) = predictions(stores, model)
    assert (row["features.a"], row["features.list"], row["features.nested.x"], row["features.array"]) == (
        1.0, [1.0, 2.0], 1.0, [1.0, 1.0],
    )  # fmt: skip


def test_records_of_many_threads_are_stored_once_each(client: Client, model: str, stores: Path) -> None:
    def work(thread: int) -> None:
        for number in range(250):
            client.prediction("ok", id=f"{thread}-{number}")

    threads = [threading.Thread(target=work, args=(one,)) for one in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert client.flush(20)
    counts = client.counters()
    assert counts["sent"] + counts["busy"] == 2_000
    ids = [row["id"] for row in predictions(stores, model)]
    assert len(ids) == len(set(ids)) == counts["sent"]


def test_asyncio_goes_on_while_a_flush_waits(client: Client, model: str, stores: Path) -> None:
    async def main() -> int:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.001)

        ticking = asyncio.create_task(tick())
        await asyncio.gather(*(one(number) for number in range(100)))
        assert await client.aflush()
        ticking.cancel()
        return ticks

    async def one(number: int) -> None:
        client.prediction("ok", id=number)

    assert asyncio.run(main()) >= 2
    assert len(predictions(stores, model)) == 100


def test_a_record_that_is_too_large_costs_only_itself(client: Client, model: str, stores: Path) -> None:
    client.prediction("before")
    client.prediction("large", features={f"f{n}": "x" * 60_000 for n in range(20)})
    client.prediction("after")
    assert client.flush()
    assert [row["prediction"] for row in predictions(stores, model)] == ["before", "after"]
    assert client.counters()["too_large"] == 1


def test_refused_records_are_counted_and_told_once(
    client: Client, model: str, stores: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        client.prediction("ok", confidence=17)
        client.prediction("ok", confidence=0.5)
        assert client.flush()
    assert client.counters()["refused"] == 5
    assert client.counters()["sent"] == 5
    assert caplog.text.count("Watchkeeper refused 1 record: confidence") == 1
    assert len(predictions(stores, model)) == 5


@pytest.mark.parametrize(
    ("url", "key", "why"),
    [
        (None, None, "no address"),
        ("", None, "no address"),
        ("watchkeeper.example", None, "is none"),
        ("ftp://watchkeeper.example", None, "is none"),
        ("http://[::1", None, "cannot be read"),
        ("http://a:99999", None, "cannot be read"),
        ("http://user:secret@host", None, "holds more than"),
        ("http://host/\r\nX: y", None, ""),
        ("http://host", "wk_a\r\nX: y", "the key holds characters"),
        (17, None, ""),
    ],
)
def test_a_client_that_is_told_nonsense_says_so_and_does_nothing(
    url: str | None,
    key: str | None,
    why: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.delenv("WATCHKEEPER_URL", raising=False)
    with Client(url, key=key, client="acme", model="m") as client:
        assert why in client.problem
        assert client.problem
        assert "nothing is sent to Watchkeeper" in caplog.text
        client.prediction("ok")
        assert client.flush()
        assert client.counters()["off"] == 1


def test_the_environment_says_what_is_not_given(
    daemon: Daemon, model: str, stores: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHKEEPER_URL", daemon.url + "/")
    monkeypatch.setenv("WATCHKEEPER_CLIENT", "acme")
    monkeypatch.setenv("WATCHKEEPER_MODEL", model)
    monkeypatch.setenv("WATCHKEEPER_VERSION", "3")
    with Client(limits=QUICK) as client:
        client.prediction("ok")
    (row,) = predictions(stores, model)
    assert row["version"] == "3"


def test_a_full_queue_drops_and_counts_what_is_new() -> None:
    with Client(
        "http://127.0.0.1:9", client="a", model="m", limits=Limits(queue_records=10, exit_timeout=0)
    ) as client:
        for _ in range(25):
            client.prediction("ok")
        assert client.counters()["accepted"] == 10
        assert client.counters()["queue_full"] == 15
    assert client.counters()["not_sent"] == 10


def test_a_queue_is_bounded_by_bytes_too() -> None:
    limits = Limits(queue_bytes=1_000_000, exit_timeout=0)
    with Client("http://127.0.0.1:9", client="a", model="m", limits=limits) as client:
        for _ in range(100):
            client.prediction("ok", features={"text": "x" * 50_000})
        assert 5 < client.counters()["accepted"] <= 20


def test_after_the_end_records_are_counted_and_nothing_else(daemon: Daemon) -> None:
    client = Client(daemon.url, client="acme", model="closed")
    client.close()
    client.close()
    assert client.prediction("ok")
    assert client.counters()["off"] == 1

"""Own metrics and expectations of dirty rows: the same figures through every way in, and those of plain Python."""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from monitor.expectations.expectation import Check, Expectation
from monitor.expressions.expression import compile_expression
from monitor.metrics import MetricSettings, Subject, measure
from monitor.predictions.log.batch import decode
from monitor.records import Measurement, Stream, Window
from monitor.sources.brokers.redis import RedisSettings
from monitor.store import predictions
from monitor.store.db import Store
from monitor.store.migrate import migrate
from monitor.windows.declared import custom_counts, expectation_counts
from monitor.windows.declared.custom_metric import CustomMetric
from monitor.windows.declared.declared import Declared
from monitor.windows.kernel.count_rows import count
from monitor.windows.layout import from_table
from monitor.windows.profile import merge
from tests.support.broker_servers import RedisServer
from tests.support.log import STREAM
from tests.support.source_checks import runner
from tests.support.waiting import until
from tests.ways_in.test_figures import OLD, WAYS, as_records, plain, table

REPEATS = 20
WORDS = ["12", "abc", None, "1e2", " 7", "-0.5", "1.0", "x'\u2028<b>", "TRUE", "0x1F", "1_000", "٣"]
DIRTY: dict[str, tuple[Callable[[Sequence[Any]], pa.Array], list[Any]]] = {
    "floats": (plain(lambda value: value, pa.float64()), [1.5, None, math.nan, -3.0, 1e9, 1e200, 0.1, 1.0]),
    "infinite": (plain(lambda value: value, pa.float64()), [math.inf, 1.0, -math.inf, 2.0]),
    "integers": (plain(lambda value: value, pa.int64()), [1, None, 2**53 + 2, -7, 0]),
    "flags": (plain(lambda value: value, pa.bool_()), [True, None, False, True]),
    "texts": (plain(lambda value: value, pa.string()), WORDS),
    "texts of numbers": (plain(lambda value: value, pa.string()), ["1.50", None, "007", "-3", "1"]),
    "decimals": (
        plain(lambda value: value, pa.decimal128(12, 2)),
        [Decimal("1.50"), None, Decimal("-3.00"), Decimal("1.00")],
    ),
}
METRICS = {
    "mean": "mean(x)",
    "ones": "count(x == 1)",
    "missing": "count(x is None)",
    "known": "sum(coalesce(x, 0.25) * (prediction == truth))",
}
EXPECTED = (
    Expectation(Check.PRESENT, "features.x"),
    Expectation(Check.TYPE, "features.x", {"type": "number"}),
    Expectation(Check.RANGE, "features.x", {"least": 0, "most": 10}),
    Expectation(Check.ALLOWED, "features.x", {"values": [1, "abc", -3]}),
    Expectation(Check.UNIQUE, "features.x"),
    Expectation(Check.CONDITION, "", {"expression": "x >= 1 or prediction == 'no'"}),
)
MIXED = [1, "2", None, "n/a", 2.5]
"""Of JSON only: values of several types in one feature."""
ANSWERS, TRUTHS = ["yes", "no", "yes"], ["yes", "yes", None, "no"]


def read(value: Any) -> float | str | None:
    """A value as a number, a text that is none, or missing: written here once more, without Watchkeeper's code."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if not isinstance(value, str):
        return float(value)
    text = value.strip()
    return (
        float(text)
        if text.isascii() and text[-1:].isdigit() and "_" not in text and "x" not in text
        else value
    )


def dirty(made: Callable[[Sequence[Any]], pa.Array], values: list[Any]) -> pa.Table:
    n = len(values) * REPEATS
    answers, truths = (
        pa.array([some[place % len(some)] for place in range(n)], pa.string()) for some in (ANSWERS, TRUTHS)
    )
    return table(prediction=answers, truth=truths, x=made(values * REPEATS))


def expected_figures(rows: pa.Table) -> dict[str, float | None]:
    """Each figure of the cleaned values; None: it is not defined."""
    x = [read(value) for value in rows.column("x").to_pylist()]
    numbers = [one for one in x if isinstance(one, float) and abs(one) < 1e140]
    truths = rows.column("truth").to_pylist() if "truth" in rows.column_names else [None] * len(x)
    pairs = [
        (one, answer == truth)
        for one, answer, truth in zip(x, rows.column("prediction").to_pylist(), truths, strict=True)
        if truth is not None
    ]
    known = [
        (one if isinstance(one, float) else 0.25, same)
        for one, same in pairs
        if not isinstance(one, float) or abs(one) < 1e140
    ]
    return {
        "mean": math.fsum(numbers) / len(numbers) if numbers else None,
        "ones": float(sum(one == 1 or str(one).lower() == "true" for one in x)),
        "missing": float(x.count(None)),
        "known": math.fsum(one * same for one, same in known) if known else None,
    }


def expected_violations(rows: pa.Table) -> dict[Check, tuple[int, int]]:
    """Rows checked and rows that violate, by check."""
    x = [read(value) for value in rows.column("x").to_pylist()]
    present = [one for one in x if one is not None]
    numbers = [one for one in present if isinstance(one, float)]
    decided = [
        answer == "no" or float(one or 0) >= 1
        for one, answer in zip(x, rows.column("prediction").to_pylist(), strict=True)
        if answer == "no" or isinstance(one, float)
    ]
    return {
        Check.UNIQUE: (len(present), sum(present.count(one) > 1 for one in present)),
        Check.CONDITION: (len(decided), decided.count(False)),
        Check.PRESENT: (len(x), len(x) - len(present)),
        Check.TYPE: (len(present), len(present) - len(numbers)),
        Check.RANGE: (len(numbers), sum(not 0 <= one <= 10 for one in numbers)),
        Check.ALLOWED: (len(present), sum(one not in (1, "abc", -3) for one in present)),
    }


def measured(batches: Sequence[pa.RecordBatch]) -> list[Measurement]:
    """What is measured of the rows of a window."""
    metrics = [CustomMetric(name, compile_expression(text)) for name, text in METRICS.items()]
    declared = Declared({one.name: [(0, one)] for one in metrics}, [(0, EXPECTED)])
    layout = from_table.of(pa.table({"prediction": ["yes", "no"]}))
    parts = [
        part
        for batch in batches
        for part in (
            count(batch, layout),
            *(custom_counts.count(batch, layout, 20, metrics, are_joined=joined) for joined in (False, True)),
            expectation_counts.count(batch, layout, EXPECTED),
        )
    ]
    profile = merge([one for one in parts if one is not None])
    window = Window(OLD, OLD + 3600)
    return list(measure(Subject(STREAM, window, profile, None, MetricSettings(), declared=declared)))


def check(rows: pa.Table, batches: Sequence[pa.RecordBatch]) -> None:
    """Every figure of the batches is that of the rows."""
    found = measured(batches)
    own = {one.label("name"): one for one in found if one.metric == "own_metric" and len(one.labels) == 1}
    for name, value in expected_figures(rows).items():
        assert own[name].value == (None if value is None else pytest.approx(value, rel=1e-12)), (
            name,
            own[name],
        )
    shares = {one.label("expectation").split()[0]: one for one in found if one.metric == "violation_share"}
    for kind, (checked, violating) in expected_violations(rows).items():
        wanted = (checked, pytest.approx(violating / checked) if checked else None)
        assert (shares[kind.value].n, shares[kind.value].value) == wanted, (kind, shares[kind.value])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("notation", DIRTY)
def test_dirty_values(tmp_path: Path, way: str, notation: str) -> None:
    rows = dirty(*DIRTY[notation])
    check(rows, [WAYS[way](rows, tmp_path)])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


def test_dirty_values_from_a_broker(server: RedisServer, tmp_path: Path) -> None:
    sent = {name: dirty(*one).drop_columns(["truth"]) for name, one in DIRTY.items()}
    mixed = dirty(plain(str), MIXED).drop_columns(["truth"])
    messages = [
        {**record, "model": name}
        for name, rows in {**sent, "mixed": mixed}.items()
        for record in as_records(rows, ["id", "timestamp", "prediction"])
    ]
    for record, value in zip(messages[-len(mixed) :], MIXED * REPEATS, strict=True):
        record["features"] = {} if value is None else {"x": value}
    store = Store(f"sqlite:///{tmp_path}/a.db")
    migrate(store)
    server.send("dirty", [json.dumps(messages[at : at + 7]).encode() for at in range(0, len(messages), 7)])
    reading = runner(store, RedisSettings(url=f"127.0.0.1:{server.port}", stream="dirty"))
    reading.start()
    until(lambda: reading.state().accepted == len(messages), "all are stored")
    reading.stop()
    for name, rows in sent.items():
        check(rows, kept(store, name))
    as_texts = [None if value is None else str(value) for value in MIXED * REPEATS]
    check(mixed.set_column(3, "x", pa.array(as_texts)), kept(store, "mixed"))
    store.close()


def kept(store: Store, model: str) -> list[pa.RecordBatch]:
    """The rows of a model as they were stored: one batch or several, perhaps with other types."""
    with store.read() as connection:
        found = list(predictions.batches(connection, Stream("acme", model), OLD, OLD + 3600))
    return [decode(one.blob) for one in found]

"""Data points of OTLP's metrics: both encodings say the same, and what cannot be read stops only itself."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

from monitor.errors import InputError
from monitor.sources.otlp import json_encoding, protobuf
from monitor.sources.otlp.data_points import DataPoint, PointKind
from monitor.sources.otlp.span import RefusedItem
from tests.support import otlp
from tests.support.thorough import examples

CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
DELTA = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**63 - 1)
LABELS = st.dictionaries(TEXTS, TEXTS | st.integers(-9, 9) | st.booleans(), max_size=3)


@st.composite
def requests(draw: st.DrawFn) -> ExportMetricsServiceRequest:
    """A request with metrics of every kind."""
    request = ExportMetricsServiceRequest()
    for _ in range(draw(st.integers(0, 3))):
        group = request.resource_metrics.add()
        group.resource.attributes.extend(otlp.pairs(draw(LABELS)))
        metric = group.scope_metrics.add().metrics.add(name=draw(TEXTS))
        form = draw(st.sampled_from(["gauge", "sum", "histogram", "summary", "exponential_histogram"]))
        data = getattr(metric, form)
        if form in ("sum", "histogram", "exponential_histogram"):
            data.aggregation_temporality = draw(st.sampled_from([0, DELTA, CUMULATIVE]))
        if form == "sum":
            data.is_monotonic = draw(st.booleans())
        for _ in range(draw(st.integers(0, 3))):
            point = data.data_points.add(
                time_unix_nano=draw(st.integers(0, 2**64 - 1)), flags=draw(st.integers(0, 1))
            )
            point.attributes.extend(otlp.pairs(draw(LABELS)))
            if form in ("gauge", "sum"):
                value = draw(NUMBERS)
                setattr(point, "as_int" if isinstance(value, int) else "as_double", value)
            else:
                point.count = draw(st.integers(0, 2**64 - 1))
                if form == "summary" or draw(st.booleans()):
                    point.sum = draw(st.floats(allow_nan=False, allow_infinity=False))
    return request


def of(request: ExportMetricsServiceRequest) -> list[DataPoint | RefusedItem]:
    return list(protobuf.data_points(request.SerializeToString()))


@settings(max_examples=examples(40), deadline=None)
@given(requests())
def test_both_encodings_have_the_same_points(request: ExportMetricsServiceRequest) -> None:
    assert list(json_encoding.data_points(otlp.as_json(request))) == of(request)


def test_temporality_says_what_a_value_is() -> None:
    request = ExportMetricsServiceRequest()
    metrics = request.resource_metrics.add().scope_metrics.add().metrics
    for temporality, is_monotonic in (
        (CUMULATIVE, True),
        (DELTA, True),
        (CUMULATIVE, False),
        (DELTA, False),
        (0, True),
    ):
        data = metrics.add(name="n").sum
        data.aggregation_temporality, data.is_monotonic = temporality, is_monotonic
        data.data_points.add(as_int=3)
    kinds = [one.kind if isinstance(one, DataPoint) else None for one in of(request)]
    assert kinds == [PointKind.TOTAL, PointKind.INCREMENT, PointKind.LEVEL, None, None]


def test_the_attributes_of_a_point_win_over_those_of_its_program() -> None:
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    group.resource.attributes.extend(otlp.pairs({"service.name": "a", "host": "h"}))
    point = group.scope_metrics.add().metrics.add(name="q").gauge.data_points.add(as_double=1)
    point.attributes.extend(otlp.pairs({"host": "p", "shard": 3, "hot": True}))
    (found,) = of(request)
    assert isinstance(found, DataPoint)
    assert found.labels == {"service.name": "a", "host": "p", "shard": "3", "hot": "true"}


@pytest.mark.parametrize(
    "point",
    [
        None,
        3,
        {"asInt": "x"},
        {"asDouble": "y"},
        {"timeUnixNano": -1, "asInt": 1},
        {"attributes": 3, "asInt": 1},
    ],
)
def test_a_point_that_cannot_be_read_stops_only_itself(point: object) -> None:
    metric = {"name": "q", "gauge": {"dataPoints": [point, {"asInt": "7"}]}}
    body = json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}).encode()
    refused, good = json_encoding.data_points(body)
    assert isinstance(refused, RefusedItem)
    assert isinstance(good, DataPoint)
    assert good.value == 7


@settings(max_examples=examples(60), deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_points_or_an_error(body: bytes) -> None:
    for encoding in (protobuf, json_encoding):
        try:
            for one in encoding.data_points(body):
                assert isinstance(one, RefusedItem | DataPoint)
        except InputError:
            continue

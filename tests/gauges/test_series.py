"""Metrics of model servers, as they print them, become readings."""

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from monitor.gauges.metrics_endpoints.scrape import parse
from monitor.gauges.metrics_endpoints.series import (
    LONGEST_RESOURCE,
    ScrapedSample,
    SeriesMapping,
    SeriesReader,
)
from monitor.gauges.metrics_endpoints.servers import SERVERS
from monitor.gauges.reading import GaugeError, Quantity

TRITON = """
# HELP nv_inference_request_success Number of successful inference requests
# TYPE nv_inference_request_success counter
nv_inference_request_success{{model="fraud",version="1"}} {ok}
nv_inference_request_success{{model="other",version="1"}} 99000
nv_inference_request_failure{{model="fraud",reason="REJECTED",version="1"}} {failed}
nv_inference_request_failure{{model="fraud",reason="BACKEND",version="1"}} 0
nv_inference_request_duration_us{{model="fraud",version="1"}} {us}
nv_inference_pending_request_count{{model="fraud",version="1"}} 7
nv_gpu_utilization{{gpu_uuid="GPU-1"}} 0.5
nv_gpu_memory_used_bytes{{gpu_uuid="GPU-1"}} 3e9
nv_gpu_memory_total_bytes{{gpu_uuid="GPU-1"}} 4e9
"""
VLLM = """
vllm:num_requests_running{{engine="0",model_name="llama"}} 3.0
vllm:num_requests_waiting{{engine="0",model_name="llama"}} 12.0
vllm:num_requests_waiting{{engine="1",model_name="llama"}} 2.0
vllm:{cache}{{engine="0",model_name="llama"}} 0.25
vllm:{cache}{{engine="1",model_name="llama"}} 0.75
vllm:request_success_total{{engine="0",finished_reason="stop",model_name="llama"}} {count}
vllm:e2e_request_latency_seconds_sum{{engine="0",model_name="llama"}} {seconds}
vllm:e2e_request_latency_seconds_count{{engine="0",model_name="llama"}} {count}
vllm:e2e_request_latency_seconds_bucket{{engine="0",le="0.3",model_name="llama"}} 1
"""
DCGM = """
DCGM_FI_DEV_GPU_UTIL{{gpu="0",Hostname="a"}} 100
DCGM_FI_PROF_GR_ENGINE_ACTIVE{{gpu="0",Hostname="a"}} 0.2
DCGM_FI_DEV_FB_USED{{gpu="0",Hostname="a"}} 30000
DCGM_FI_DEV_FB_FREE{{gpu="0",Hostname="a"}} 10000
DCGM_FI_DEV_XID_ERRORS{{gpu="0",Hostname="a"}} {xid}
"""


def read(series: SeriesReader, text: str) -> dict[tuple[Quantity, str], float]:
    found: dict[tuple[Quantity, str], float] = {}
    for one in series.read(parse("http://server/metrics", text.encode(), series.names)):
        found[one.quantity, one.resource] = found.get((one.quantity, one.resource), 0.0) + one.value
    return found


def test_triton_counts_microseconds_and_failures_apart_from_successes() -> None:
    series = SeriesReader(SERVERS["triton"], {})
    fraud = SeriesReader(SERVERS["triton"], {"model": "fraud"})
    read(fraud, TRITON.format(ok=100, failed=5, us=1_000_000))
    second = read(fraud, TRITON.format(ok=180, failed=25, us=5_000_000))
    assert second[Quantity.REQUESTS, "requests"] == 100
    assert second[Quantity.FAILED_REQUESTS, "requests"] == 20
    assert second[Quantity.REQUEST_SECONDS, "requests"] == pytest.approx(4.0)
    assert second[Quantity.TIMED_REQUESTS, "requests"] == 80
    assert second[Quantity.QUEUE_DEPTH, "requests"] == 7
    machine = read(series, TRITON.format(ok=1, failed=1, us=1))
    assert machine[Quantity.USED_SHARE, "gpu:GPU-1"] == 0.5
    assert machine[Quantity.USED_SHARE, "gpu_memory:GPU-1"] == 0.75


@pytest.mark.parametrize("cache", ["kv_cache_usage_perc", "gpu_cache_usage_perc"])
def test_both_generations_of_vllm_are_read_over_all_engines(cache: str) -> None:
    series = SeriesReader(SERVERS["vllm"])
    read(series, VLLM.format(cache=cache, count=10, seconds=5))
    found = read(series, VLLM.format(cache=cache, count=14, seconds=13))
    assert found == {
        (Quantity.QUEUE_DEPTH, "requests"): 14,
        (Quantity.USED_SHARE, "kv_cache"): 0.75,
        (Quantity.REQUESTS, "requests"): 4,
        (Quantity.REQUEST_SECONDS, "requests"): 8,
        (Quantity.TIMED_REQUESTS, "requests"): 4,
    }


def test_the_last_error_of_a_gpu_is_a_code_and_no_count() -> None:
    series = SeriesReader(SERVERS["dcgm"])
    faults = [
        read(series, DCGM.format(xid=code)).get((Quantity.GPU_FAULTS, "gpu:0"))
        for code in (79, 79, 31, 0, 79)
    ]
    assert faults == [None, 0, 1, 0, 1]
    found = read(series, DCGM.format(xid=0))
    assert found[Quantity.USED_SHARE, "gpu:0"] == 0.2, "not the share of time in which any kernel ran"
    assert found[Quantity.USED_SHARE, "gpu_memory:0"] == 0.75


OTHERS = {
    "kserve": (
        'request_predict_seconds_sum{{model_name="m"}} {n}\nrequest_predict_seconds_count{{model_name="m"}} {n}\n'
        'revision_app_request_count{{response_code_class="2xx"}} {n}\n'
        'revision_app_request_count{{response_code_class="5xx"}} {f}\nrevision_queue_depth 4\n'
    ),
    "ray": (
        'ray_serve_deployment_queued_queries{{deployment="D",handle="a"}} 4\n'
        'ray_serve_deployment_request_counter_total{{deployment="D"}} {a}\n'
        'ray_serve_deployment_error_counter_total{{deployment="D"}} {f}\n'
        'ray_serve_deployment_processing_latency_ms_sum{{deployment="D"}} {n}000\n'
        'ray_serve_deployment_processing_latency_ms_count{{deployment="D"}} {n}\n'
    ),
    "bentoml": (
        'bentoml_service_request_in_progress{{endpoint="/predict"}} 4\n'
        'bentoml_service_request_total{{http_response_code="200"}} {n}\n'
        'bentoml_service_request_total{{http_response_code="500"}} {f}\n'
        'bentoml_service_request_duration_seconds_sum{{http_response_code="200"}} {n}\n'
        'bentoml_service_request_duration_seconds_count{{http_response_code="200"}} {n}\n'
    ),
}


@pytest.mark.parametrize("server", OTHERS)
def test_the_other_servers_have_depth_requests_failures_and_duration(server: str) -> None:
    series = SeriesReader(SERVERS[server])
    read(series, OTHERS[server].format(n=10, f=1, a=11))
    found = read(series, OTHERS[server].format(n=18, f=3, a=21))
    by_quantity = {quantity: value for (quantity, _), value in found.items()}
    assert by_quantity == {
        Quantity.QUEUE_DEPTH: 4,
        Quantity.REQUESTS: 10,
        Quantity.FAILED_REQUESTS: 2,
        Quantity.REQUEST_SECONDS: pytest.approx(8.0),
        Quantity.TIMED_REQUESTS: 8,
    }


def test_each_server_is_tried() -> None:
    assert set(SERVERS) == {"triton", "vllm", "dcgm", "other", *OTHERS}


def test_a_counter_that_restarted_counts_from_zero_and_one_that_vanished_is_unknown() -> None:
    series = SeriesReader([SeriesMapping(quantity=Quantity.REQUESTS, series=("n_total",))])
    values = [
        read(series, text) for text in ("n_total 50", "n_total 80", "n_total 7", "other 1", "n_total 9")
    ]
    assert [list(one.values()) for one in values] == [[], [30.0], [7.0], [], [2.0]]


@pytest.mark.parametrize("text", ["<html><body>404</body></html>", "a{b", 'a{b="c"} x', "\x00\xff 1 2 3 4"])
def test_what_is_no_metrics_endpoint_is_told(text: str) -> None:
    with pytest.raises(GaugeError, match="not in Prometheus' text format"):
        parse("http://server", text.encode("latin-1"), {"n_total"})


def test_a_target_with_lines_without_end_is_read_in_no_time_and_takes_no_memory() -> None:
    labels = ",".join(f'l{n}="v"' for n in range(300_000))
    samples = "\n".join(f'other{{l="{n:07d}"}} {n}' for n in range(300_000))
    began = time.process_time()
    assert [
        one.value for one in parse("u", f"a{{}} 1\nother{{{labels}}} 1\nn 7\n".encode(), {"n_total"})
    ] == [1, 7]
    assert len(parse("u", f"{samples}\n# TYPE n counter\nn 7\n".encode(), {"n"})) == 2
    assert time.process_time() - began < 5
    for body, told in (
        (f"n{{{labels}}} 1", "a line of"),
        (samples.replace("other", "n"), "more than 5,000 series"),
    ):
        began = time.process_time()
        with pytest.raises(GaugeError, match=told):
            parse("u", body.encode(), {"n"})
        assert time.process_time() - began < 2


def test_counters_that_are_named_anew_each_time_are_forgotten() -> None:
    series = SeriesReader([SeriesMapping(quantity=Quantity.REQUESTS, series=("n",), resource="{r}")])
    for turn in range(3):
        series.read([ScrapedSample("n", {"r": f"{turn} {n}"}, 1.0) for n in range(4000)])
    [counters] = series._counters
    assert len(counters._last) == 5000
    assert len(series.read([ScrapedSample("n", {"r": "2 3999"}, 5.0)])) == 1


@given(
    samples=st.lists(
        st.builds(
            ScrapedSample,
            st.sampled_from(["a", "b", "c"]),
            st.dictionaries(st.sampled_from(["x", "y"]), st.text(max_size=200), max_size=2),
            st.floats(allow_nan=True, allow_infinity=True),
        ),
        max_size=12,
    )
)
def test_law_readings_are_finite_not_negative_and_have_short_printable_names(
    samples: list[ScrapedSample],
) -> None:
    mappings = [
        SeriesMapping(quantity=Quantity.USED_SHARE, series=("a",), total="b", resource="r:{x}"),
        SeriesMapping(quantity=Quantity.USED_SHARE, series=("a",), free="c", resource="f:{y}"),
        SeriesMapping(quantity=Quantity.QUEUE_DEPTH, series=("z", "b"), resource="{x}{y}{z}"),
        SeriesMapping(quantity=Quantity.REQUESTS, series=("c",)),
    ]
    series = SeriesReader(mappings)
    for _ in range(2):
        for one in series.read(samples):
            assert math.isfinite(one.value) or math.isinf(sum(abs(s.value) for s in samples)), one
            assert one.value >= 0
            assert len(one.resource) <= LONGEST_RESOURCE
            assert one.resource.isprintable()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"quantity": "queue_depth", "series": ["a"], "total": "b"}, "for `used_share` only"),
        ({"quantity": "used_share", "series": ["a"], "total": "b", "free": "c"}, "not both"),
        ({"quantity": "requests", "series": ["a"], "match": {"code": "("}}, "regular expression"),
        ({"quantity": "speed", "series": ["a"]}, "used_share"),
        ({"quantity": "requests", "series": []}, "at least 1"),
    ],
)
def test_a_mapping_that_makes_no_sense_is_refused(fields: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        SeriesMapping.model_validate(fields)

"""Which series of known model servers and exporters become which quantities.

Names and units are those of Triton 2.5x, vLLM 0.x and 1.x (both generations of names), KServe's Python server and
Knative's queue-proxy, Ray Serve, BentoML, and NVIDIA's DCGM exporter.
"""

from collections.abc import Mapping
from types import MappingProxyType

from monitor.gauges.metrics_endpoints.series import SeriesMapping
from monitor.gauges.reading import Quantity

_REQUESTS = "requests"
"""The resource of figures that belong to the whole server."""


def _mapping(quantity: Quantity, *series: str, resource: str = _REQUESTS, **more: object) -> SeriesMapping:
    return SeriesMapping.model_validate(
        {"quantity": quantity, "series": series, "resource": resource, **more}
    )


def _timed(histogram: str, scale: float = 1.0, count: str = "") -> tuple[SeriesMapping, SeriesMapping]:
    """The durations of a histogram or summary."""
    return (
        _mapping(Quantity.REQUEST_SECONDS, f"{histogram}_sum", scale=scale),
        _mapping(Quantity.TIMED_REQUESTS, count or f"{histogram}_count"),
    )


TRITON = (
    _mapping(Quantity.QUEUE_DEPTH, "nv_inference_pending_request_count"),
    # Successes and failures are series of their own; both are requests.
    _mapping(Quantity.REQUESTS, "nv_inference_request_success"),
    _mapping(Quantity.REQUESTS, "nv_inference_request_failure"),
    _mapping(Quantity.FAILED_REQUESTS, "nv_inference_request_failure"),
    _mapping(Quantity.REQUEST_SECONDS, "nv_inference_request_duration_us", scale=1e-6),
    _mapping(Quantity.TIMED_REQUESTS, "nv_inference_request_success"),
    _mapping(Quantity.USED_SHARE, "nv_gpu_utilization", resource="gpu:{gpu_uuid}"),
    _mapping(
        Quantity.USED_SHARE,
        "nv_gpu_memory_used_bytes",
        resource="gpu_memory:{gpu_uuid}",
        total="nv_gpu_memory_total_bytes",
    ),
)
VLLM = (
    _mapping(Quantity.QUEUE_DEPTH, "vllm:num_requests_waiting"),
    _mapping(
        Quantity.USED_SHARE, "vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc", resource="kv_cache"
    ),
    _mapping(Quantity.REQUESTS, "vllm:request_success_total"),
    *_timed("vllm:e2e_request_latency_seconds"),
)
KSERVE = (
    *_timed("request_predict_seconds"),
    _mapping(Quantity.QUEUE_DEPTH, "revision_queue_depth"),
    _mapping(Quantity.REQUESTS, "revision_app_request_count", "request_predict_seconds_count"),
    _mapping(Quantity.FAILED_REQUESTS, "revision_app_request_count", match={"response_code_class": "5xx"}),
)
RAY = (
    _mapping(Quantity.QUEUE_DEPTH, "ray_serve_deployment_queued_queries", resource="requests:{deployment}"),
    _mapping(
        Quantity.REQUESTS,
        "ray_serve_deployment_request_counter_total",
        "ray_serve_deployment_request_counter",
    ),
    _mapping(
        Quantity.FAILED_REQUESTS,
        "ray_serve_deployment_error_counter_total",
        "ray_serve_deployment_error_counter",
    ),
    *_timed("ray_serve_deployment_processing_latency_ms", scale=1e-3),
)
BENTOML = (
    _mapping(Quantity.QUEUE_DEPTH, "bentoml_service_request_in_progress"),
    _mapping(Quantity.REQUESTS, "bentoml_service_request_total"),
    _mapping(Quantity.FAILED_REQUESTS, "bentoml_service_request_total", match={"http_response_code": "5.."}),
    *_timed("bentoml_service_request_duration_seconds"),
)
DCGM = (
    _mapping(
        Quantity.USED_SHARE,
        "DCGM_FI_PROF_GR_ENGINE_ACTIVE",
        resource="gpu:{gpu}",
    ),
    _mapping(
        Quantity.USED_SHARE, "DCGM_FI_DEV_FB_USED", resource="gpu_memory:{gpu}", free="DCGM_FI_DEV_FB_FREE"
    ),
    # A gauge with the code of the last error, not a count of errors.
    _mapping(Quantity.GPU_FAULTS, "DCGM_FI_DEV_XID_ERRORS", resource="gpu:{gpu}", is_last_error=True),
)
SERVERS: Mapping[str, tuple[SeriesMapping, ...]] = MappingProxyType(
    {
        "triton": TRITON,
        "vllm": VLLM,
        "kserve": KSERVE,
        "ray": RAY,
        "bentoml": BENTOML,
        "dcgm": DCGM,
        "other": (),
    }
)
"""By the name in `server`."""

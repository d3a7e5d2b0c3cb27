"""Figures of gauges: machines, GPUs, model servers and queues, as somebody else measures them.

The daemon reads them beside the records; they are listed here so that rules, docs and dashboards know them.
"""

from monitor.metrics.metric import MetricInfo
from monitor.records import Better

_OF_A_RESOURCE = ("gauge", "resource")
_NEEDS = "`gauges` in the configuration"
RESOURCE_USED_SHARE = MetricInfo(
    "resource_used_share", "share", Better.LOWER,
    "Used part of a limited resource: CPU, memory, disk, GPU, cache of a model server.", _OF_A_RESOURCE,
    "mean of the last five minutes", _NEEDS,
)  # fmt: skip
RESOURCE_HOURS_LEFT = MetricInfo(
    "resource_hours_left", "hours", Better.HIGHER,
    "Time until a disk or memory is used up if it fills as it did since the same hours of the days before.",
    _OF_A_RESOURCE, "(1 - used) / slope; the slope is the median of the slopes between the same hours of two days",
    f"{_NEEDS}; 36 hours of readings", "Hirsch, Slack and Smith (1982)",
)  # fmt: skip
CPU_THROTTLED_SHARE = MetricInfo(
    "cpu_throttled_share", "share", Better.LOWER,
    "Share of scheduling periods in which a container had used up its CPU limit and waited.", _OF_A_RESOURCE,
    "throttled periods / periods of the last five minutes", f"{_NEEDS}; a container with a CPU limit",
)  # fmt: skip
OUT_OF_MEMORY_KILLS = MetricInfo(
    "out_of_memory_kills", "processes", Better.LOWER,
    "Processes that the kernel killed in the last 30 minutes because memory ran out.", _OF_A_RESOURCE, "count",
    _NEEDS,
)  # fmt: skip
GPU_FAULTS = MetricInfo(
    "gpu_faults", "errors", Better.LOWER,
    "Errors that a GPU reported in the last 30 minutes: XID, or memory errors that were not corrected.",
    _OF_A_RESOURCE, "count", f"{_NEEDS}; NVIDIA's DCGM exporter, or `kind: nvml`",
)  # fmt: skip
QUEUE_DEPTH = MetricInfo(
    "queue_depth", "messages", Better.LOWER,
    "Messages or requests in a queue, including those that somebody works on.", _OF_A_RESOURCE,
    "mean of the last minute", _NEEDS,
)  # fmt: skip
QUEUE_AGE_SECONDS = MetricInfo(
    "queue_age_seconds", "seconds", Better.LOWER, "Age of the oldest message in a queue.", _OF_A_RESOURCE,
    "mean of the last minute", f"{_NEEDS}; a broker that knows the age",
)  # fmt: skip
QUEUE_BACKLOG = MetricInfo(
    "queue_backlog", "of the limit", Better.LOWER,
    "Depth or age of a queue over its `max_waiting` or `max_age`, whichever is worse: 1 and more is too much.",
    _OF_A_RESOURCE, "max(depth / max_waiting, age / max_age)", f"{_NEEDS}; `max_waiting` or `max_age`",
)  # fmt: skip
SERVER_REQUEST_RATE = MetricInfo(
    "server_request_rate", "per second", Better.NONE, "Requests that a model server answered.", _OF_A_RESOURCE,
    "requests of the last five minutes / seconds", _NEEDS,
)  # fmt: skip
SERVER_ERROR_RATE = MetricInfo(
    "server_error_rate", "share", Better.LOWER, "Share of a model server's requests that failed.", _OF_A_RESOURCE,
    "failed requests / requests of the last five minutes", _NEEDS,
)  # fmt: skip
SERVER_LATENCY_SECONDS = MetricInfo(
    "server_latency_seconds", "seconds", Better.LOWER, "Mean duration of a model server's requests.",
    _OF_A_RESOURCE, "seconds / requests of the last five minutes", _NEEDS,
)  # fmt: skip
GAUGE_FAILING_SECONDS = MetricInfo(
    "gauge_failing_seconds", "seconds", Better.LOWER, "Time for which a gauge could not be read.", ("gauge",),
    "now - last reading", _NEEDS,
)  # fmt: skip
INFO = (
    RESOURCE_USED_SHARE, RESOURCE_HOURS_LEFT, CPU_THROTTLED_SHARE, OUT_OF_MEMORY_KILLS, GPU_FAULTS, QUEUE_DEPTH,
    QUEUE_AGE_SECONDS, QUEUE_BACKLOG, SERVER_REQUEST_RATE, SERVER_ERROR_RATE, SERVER_LATENCY_SECONDS,
    GAUGE_FAILING_SECONDS,
)  # fmt: skip

"""One value of one series, ready to be sent by any protocol."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from prometheus_client.utils import floatToGoString

from monitor.exporters.samples import Metric

SUFFIX = {"counter": "_total", "info": "_info"}
number_text = cast("Callable[[float], str]", floatToGoString)
"""A number as Prometheus writes it: `0.5`, `1e+06`, `+Inf`."""


@dataclass(frozen=True, slots=True)
class Point:
    """A value of a series at `time`; `values` are those of the metric's labels. Times are in seconds since the epoch.

    For counters and histograms `value` is what was counted since `start` (of a histogram: the number of values, with
    `sum` their sum). `counts` are the cumulative counts up to each of `bounds`, the last of which is infinite.
    `is_end`: the series has ended, and there is no value.
    """

    metric: Metric
    values: tuple[str, ...]
    value: float
    time: float
    start: float = 0.0
    bounds: tuple[float, ...] = ()
    counts: tuple[float, ...] = ()
    sum: float = 0.0
    is_end: bool = False

    @property
    def name(self) -> str:
        """The name of the metric as `/metrics` shows it."""
        return self.metric.name + SUFFIX.get(self.metric.kind, "")

    @property
    def is_finite(self) -> bool:
        """Whether it is a number: neither NaN nor infinite."""
        return math.isfinite(self.value) and math.isfinite(self.sum)

"""How far an agreed target is missed. Measured by the evaluation, from the figures of other metrics."""

from monitor.metrics.metric import MetricInfo
from monitor.records import Better

TARGET_SHORTFALL = MetricInfo(
    "target_shortfall", "", Better.LOWER,
    "How far a metric misses its agreed target; below 0 it meets the target.", ("target",),
    "target - value (value - target where lower is better), over 24 hours (7 days if outcomes are late), or over the "
    "last 5 minutes or hour if these alone prove that the target is missed; in the unit of its metric",
    "`target` or `targets` of the model in the configuration",
)  # fmt: skip
INFO = (TARGET_SHORTFALL,)

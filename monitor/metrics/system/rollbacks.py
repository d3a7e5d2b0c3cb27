"""What became of rollbacks, and whether they were practised.

The daemon measures them from its own records; the metrics are listed here so that rules, docs and dashboards know them.
"""

from monitor.metrics.metric import MetricInfo
from monitor.records import Better

ROLLOUT_FAILED = MetricInfo(
    "rollout_failed", "versions", Better.LOWER,
    "1 if the verdict on a rollout of the last hour is that the version is worse, otherwise 0.", ("version",),
    "the last step of the rollout", "a staged rollout",
)  # fmt: skip
ROLLED_BACK = MetricInfo(
    "rolled_back", "versions", Better.LOWER,
    "1 if a version was rolled back in the last hour, otherwise 0.", ("version",),
    "rollbacks that the executor has accepted", "rollback switched on, or one by hand",
)  # fmt: skip
ROLLOUT_FROZEN = MetricInfo(
    "rollout_frozen", "versions", Better.LOWER,
    "1 if the rollout of a version that answers was frozen in the last 24 hours, otherwise 0.", ("version",),
    "flag", "rollback switched on, or one by hand",
)  # fmt: skip
ROLLBACK_FAILED = MetricInfo(
    "rollback_failed", "versions", Better.LOWER,
    "1 if the rollback of a version in the last 24 hours has failed and the version still answers, otherwise 0.",
    ("version",), "flag", "rollback switched on, or one by hand",
)  # fmt: skip
ROLLBACK_DRILL_AGE = MetricInfo(
    "rollback_drill_age", "of the limit", Better.LOWER,
    "Time since the last successful drill of the model's rollback, relative to `drill_every`: too long from 1 on.", (),
    "age / drill_every", "rollback switched on, and a drill that passed",
)  # fmt: skip
ROLLBACK_DRILL_DUE = MetricInfo(
    "rollback_drill_due", "drills", Better.LOWER,
    "1 if the last drill of the model's rollback has failed, none has passed, or it is too long ago, otherwise 0.", (),
    "flag", "rollback switched on",
)  # fmt: skip
INFO = (
    ROLLOUT_FAILED, ROLLED_BACK, ROLLOUT_FROZEN, ROLLBACK_FAILED, ROLLBACK_DRILL_AGE, ROLLBACK_DRILL_DUE,
)  # fmt: skip

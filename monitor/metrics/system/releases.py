"""Whether the versions that answer are those that were recorded as released.

The daemon compares its records of releases with the versions that answered; the metrics are listed here so that rules,
docs and dashboards know them.
"""

from monitor.metrics.metric import MetricInfo
from monitor.records import Better

UNRECORDED_VERSION = MetricInfo(
    "unrecorded_version", "versions", Better.LOWER,
    "1 if a version answered in the last hour and no release of it is recorded, otherwise 0.", ("version",),
    "versions that answered before the first release of the model was recorded count as recorded",
    "a record of any release of the model",
)  # fmt: skip
RELEASE_CONTRADICTIONS = MetricInfo(
    "release_contradictions", "components", Better.LOWER,
    "Components (model, packages, image, ...) of which two releases of one version have different digests.",
    ("version",), "count", "two records of releases of a version that answers",
)  # fmt: skip
INFO = (UNRECORDED_VERSION, RELEASE_CONTRADICTIONS)

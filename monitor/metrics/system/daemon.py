"""Figures that the daemon measures by its own clock, not from profiles: about a stream's silence, and about itself.

The pipeline measures them; they are listed here so that rules, docs and dashboards know them.
"""

from monitor.metrics.metric import MetricInfo
from monitor.records import Better

SILENCE_SECONDS = MetricInfo(
    "silence_seconds", "seconds", Better.LOWER, "Time since the last prediction came in, as far as a daemon listened.",
    (),
    "now - when the last prediction was received - the time between in which no daemon ran",
    "a stream that has sent before",
)  # fmt: skip
AVAILABILITY = MetricInfo(
    "availability", "share", Better.HIGHER, "Share of the health probes that were answered well.", (),
    "good probes / probes", "`probes` in the configuration",
)  # fmt: skip
DRIFT_EVIDENCE = MetricInfo(
    "drift_evidence", "of the limit", Better.LOWER,
    "Evidence that a column changed, over what the false-alarm budget asks for: 1 and more is significant.",
    ("feature", "output", "scope"), "see docs/alert-quality.md", "a baseline and some windows of history",
)  # fmt: skip
DRIFT_PAGES = MetricInfo(
    "drift_pages",
    "pages",
    Better.LOWER,
    "Pages about drift in the budget's period.",
    (),
    "count",
    "a baseline",
)
WRONG_KEY_REJECTIONS = MetricInfo(
    "wrong_key_rejections", "requests", Better.LOWER, "Requests refused for an unknown key or another client's.",
    ("client",), "count over the window", "the daemon",
)  # fmt: skip
DISK_USED_SHARE = MetricInfo(
    "disk_used_share", "share", Better.LOWER, "How full the disk is that holds the database.", (), "used / size",
    "the daemon",
)  # fmt: skip
TICK_AGE_SECONDS = MetricInfo(
    "tick_age_seconds",
    "seconds",
    Better.LOWER,
    "Time since the last full tick ended.",
    (),
    "now - end",
    "the daemon",
)
OUTBOX_OLDEST_SECONDS = MetricInfo(
    "outbox_oldest_seconds", "seconds", Better.LOWER, "Age of the oldest notification that has not gone out.", (),
    "now - created", "the daemon",
)  # fmt: skip
RULE_ERRORS = MetricInfo(
    "rule_errors",
    "rules",
    Better.LOWER,
    "Rules that could not be judged in the last tick.",
    (),
    "count",
    "the daemon",
)
CONFIG_RELOAD_FAILED = MetricInfo(
    "config_reload_failed", "", Better.LOWER, "1 when the newest configuration was refused, else 0.", (), "flag",
    "the daemon",
)  # fmt: skip
DIGESTS_OVERDUE = MetricInfo(
    "digests_overdue", "digests", Better.LOWER, "Digests that should be out for an hour and are not, or were given up.",
    (), "count", "the daemon",
)  # fmt: skip
SET_ASIDE = MetricInfo(
    "set_aside", "things", Better.LOWER,
    "Rows, rules, threads and jobs that raise an error and are left out until they work again, by kind.", ("part",),
    "count", "the daemon",
)  # fmt: skip
SOURCE_AGE = MetricInfo(
    "source_age", "of the limit", Better.LOWER,
    "Age of the oldest message that waits in a source, over the agreed `max_age`: 1 and more is too old.", ("source",),
    "age / max_age", "`sources` in the configuration",
)  # fmt: skip
SOURCE_FAILING_SECONDS = MetricInfo(
    "source_failing_seconds", "seconds", Better.LOWER, "Time for which a source could not be read.", ("source",),
    "now - first failure", "`sources` in the configuration",
)  # fmt: skip
INFO = (
    SILENCE_SECONDS, AVAILABILITY, DRIFT_EVIDENCE, DRIFT_PAGES, WRONG_KEY_REJECTIONS, DISK_USED_SHARE,
    TICK_AGE_SECONDS, OUTBOX_OLDEST_SECONDS, RULE_ERRORS, CONFIG_RELOAD_FAILED, DIGESTS_OVERDUE,
    SET_ASIDE, SOURCE_AGE, SOURCE_FAILING_SECONDS,
)  # fmt: skip

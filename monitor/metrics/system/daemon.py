"""Metrics by the daemon's own clock, not from profiles: the silence of a stream, and the daemon itself.

The pipeline measures them; they are listed here for rules, docs and dashboards.
"""

from monitor.metrics.metric import MetricInfo
from monitor.records import Better

SILENCE_SECONDS = MetricInfo(
    "silence_seconds", "seconds", Better.LOWER,
    "Time since the last prediction was received, without the time in which no daemon ran.", (),
    "now - when the last prediction was received - the time between in which no daemon ran",
    "a stream that has sent before",
)  # fmt: skip
SILENCE_RATIO = MetricInfo(
    "silence_ratio", "of the limit", Better.LOWER,
    "Time since the last prediction, relative to the longest pause that the traffic explains: above 1 is abnormal.", (),
    "silence_seconds / max(4 x the longest usual pause, 1.25 x the pause at this time a day or a week ago, 60 s; 240 s "
    "in the first hour)",
    "five minutes of live traffic with 30 arrivals",
)  # fmt: skip
AVAILABILITY = MetricInfo(
    "availability", "share", Better.HIGHER, "Share of successful health probes.", (),
    "good probes / probes", "`probes` in the configuration",
)  # fmt: skip
DRIFT_EVIDENCE = MetricInfo(
    "drift_evidence", "of the limit", Better.LOWER,
    "Evidence that a column changed, in multiples of the limit: significant from 1 on.",
    ("feature", "output", "scope"), "see docs/alert-quality.md", "a baseline and some windows of history",
)  # fmt: skip
WRONG_KEY_REJECTIONS = MetricInfo(
    "wrong_key_rejections", "requests", Better.LOWER,
    "Requests rejected because of an unknown key, or the key of another client.",
    ("client",), "count over the window", "the daemon",
)  # fmt: skip
ACCESS_RATIO = MetricInfo(
    "access_ratio", "times", Better.LOWER,
    "Most reads of clients' data by one key or person in an hour, relative to its largest hour before.", (),
    "max over keys and people of: requests in this or the last clock hour / max(largest earlier hour in 90 days, 400); "
    "who is new is compared with the largest of its kind",
    "three days of the audit log",
)  # fmt: skip
DISK_USED_SHARE = MetricInfo(
    "disk_used_share", "share", Better.LOWER, "Used share of the database's disk.", (), "used / size",
    "the daemon",
)  # fmt: skip
TICK_AGE_SECONDS = MetricInfo(
    "tick_age_seconds",
    "seconds",
    Better.LOWER,
    "Time since the last complete tick.",
    (),
    "now - end",
    "the daemon",
)
OUTBOX_OLDEST_SECONDS = MetricInfo(
    "outbox_oldest_seconds", "seconds", Better.LOWER, "Age of the oldest notification that is not sent.", (),
    "now - created", "the daemon",
)  # fmt: skip
RULE_ERRORS = MetricInfo(
    "rule_errors",
    "rules",
    Better.LOWER,
    "Rules that could not be evaluated in the last tick.",
    (),
    "count",
    "the daemon",
)
CONFIG_RELOAD_FAILED = MetricInfo(
    "config_reload_failed", "", Better.LOWER, "1 if the newest configuration was rejected, else 0.", (), "flag",
    "the daemon",
)  # fmt: skip
DIGESTS_OVERDUE = MetricInfo(
    "digests_overdue", "digests", Better.LOWER, "Digests that are an hour late, or were given up.",
    (), "count", "the daemon",
)  # fmt: skip
SET_ASIDE = MetricInfo(
    "set_aside", "things", Better.LOWER,
    "Rows, rules, threads and jobs that fail and are skipped until they work again, by kind.", ("part",),
    "count", "the daemon",
)  # fmt: skip
SOURCE_AGE = MetricInfo(
    "source_age", "of the limit", Better.LOWER,
    "How long the records of a source will still be late, relative to `max_age`: behind from 1 on.", ("source",),
    "min(age of the oldest message, time to catch up) / max_age", "`sources` in the configuration",
)  # fmt: skip
SOURCE_FAILING_SECONDS = MetricInfo(
    "source_failing_seconds", "seconds", Better.LOWER, "Time for which a source could not be read.", ("source",),
    "now - first failure", "`sources` in the configuration",
)  # fmt: skip
SITE_SILENCE = MetricInfo(
    "site_silence", "of the limit", Better.LOWER,
    "Time since the last bundle of a site arrived, relative to twice the interval of its bundles: silent from 1 on.",
    ("site",), "(now - arrival of the last bundle) / (2 x `every` of the site)", "`sites` in the configuration",
)  # fmt: skip
SITE_MISSING_BUNDLES = MetricInfo(
    "site_missing_bundles", "bundles", Better.LOWER,
    "Bundles of a site that have not arrived although later ones have.", ("site",),
    "count of numbers missing below the highest of each epoch", "`sites` in the configuration",
)  # fmt: skip
INFO = (
    SILENCE_SECONDS, SILENCE_RATIO, AVAILABILITY, DRIFT_EVIDENCE, WRONG_KEY_REJECTIONS, ACCESS_RATIO, DISK_USED_SHARE,
    TICK_AGE_SECONDS, OUTBOX_OLDEST_SECONDS, RULE_ERRORS, CONFIG_RELOAD_FAILED, DIGESTS_OVERDUE,
    SET_ASIDE, SOURCE_AGE, SOURCE_FAILING_SECONDS, SITE_SILENCE, SITE_MISSING_BUNDLES,
)  # fmt: skip

"""Every metric that `/metrics` can carry. Docs, rules and dashboards are checked against this list."""

from monitor.exporters.samples import Metric
from monitor.rules.exports.exposed import BASELINE, EARLIER, EXTRA, LABELS, LOWER, ROWS, UPPER, VALUE

B = ("client", "environment", "model")
BV = (*B, "version")


MODEL = (
    Metric(
        "watchkeeper_model", "info", (*BV, "owner", "task"), "A model that is watched, one series a version."
    ),
    Metric(
        "watchkeeper_model_deployed_timestamp_seconds",
        "gauge",
        BV,
        "When a version answered for the first time.",
    ),
    Metric(
        "watchkeeper_model_state",
        "gauge",
        B,
        "Worst state of the model: 0 ok, 1 waiting for data, 2 warning, 3 critical.",
    ),
    Metric(
        "watchkeeper_rule_state",
        "gauge",
        (*B, "rule", "severity"),
        "State of a rule: 0 ok, 1 cannot be judged, 2 warning or info firing, 3 critical firing.",
    ),
    Metric(
        "watchkeeper_rule_transitions",
        "counter",
        (*B, "rule", "to"),
        "Changes of state of a rule that are kept in the store.",
    ),
    Metric("watchkeeper_alerts_active", "gauge", (*B, "severity"), "Alerts that fire."),
)
TRAFFIC = (
    Metric("watchkeeper_predictions", "counter", BV, "Predictions counted since the daemon started."),
    Metric(
        "watchkeeper_prediction_errors",
        "counter",
        (*BV, "reason"),
        "Predictions that ended in an error, since the daemon started.",
    ),
    Metric(
        "watchkeeper_prediction_duration_seconds",
        "histogram",
        BV,
        "How long predictions took, from the counts of the profiles.",
    ),
    Metric(
        "watchkeeper_prediction_score",
        "histogram",
        B,
        "How sure the model was of its answers (0 to 1), from the counts of the profiles.",
    ),
    Metric(
        "watchkeeper_prediction_last_received_timestamp_seconds",
        "gauge",
        B,
        "When a prediction last came in.",
    ),
    Metric(
        "watchkeeper_outcomes",
        "counter",
        (*B, "state"),
        "Outcomes that came in, and what became of them: received, matched, repeated, unmatched.",
    ),
    Metric(
        "watchkeeper_outcomes_waiting",
        "gauge",
        B,
        "Outcomes that came in and wait for their prediction.",
    ),
    Metric(
        "watchkeeper_availability_ratio",
        "gauge",
        B,
        "Share of the health probes of the last two minutes that were answered well.",
    ),
    Metric(
        "watchkeeper_label_coverage_ratio",
        "gauge",
        B,
        "Share of the predictions of the last window whose truth is known.",
    ),
)
DRIFT = (
    Metric(
        "watchkeeper_feature_drift_score",
        "gauge",
        (*BV, "feature", "method"),
        "How far a feature differs from the baseline, by method.",
    ),
    Metric(
        "watchkeeper_feature_drift_threshold", "gauge", (*B, "feature", "method"), "The limit of that score."
    ),
    Metric(
        "watchkeeper_feature_state",
        "gauge",
        (*B, "feature"),
        "State of a feature: 0 as it was, 1 cannot be judged, 2 drifted.",
    ),
    Metric(
        "watchkeeper_feature_missing_ratio",
        "gauge",
        (*B, "feature"),
        "Share of predictions in which a feature is missing.",
    ),
    Metric(
        "watchkeeper_feature_schema_change",
        "gauge",
        (*B, "feature", "change"),
        "1 where a feature was added, has vanished, changed its type or notation, or is filled and was empty.",
    ),
    Metric(
        "watchkeeper_schema_changes",
        "gauge",
        (*B, "change"),
        "How many features were added, have vanished, changed their type or notation, or are filled and were empty.",
    ),
    Metric(
        "watchkeeper_drifted_features_ratio",
        "gauge",
        B,
        "Share of features that differ from the baseline beyond chance.",
    ),
    Metric(
        "watchkeeper_prediction_drift_score",
        "gauge",
        (*BV, "method"),
        "How far the answers differ from the baseline, by method.",
    ),
)
COMPARED = (
    Metric(
        "watchkeeper_compared_value",
        "gauge",
        (*B, "against", "metric"),
        "A figure of what the model is compared with: the same hours of past weeks (season), or the version before.",
    ),
    Metric(
        "watchkeeper_compared_drifted_features_ratio",
        "gauge",
        (*B, "against"),
        "Share of features that differ from it beyond chance.",
    ),
    Metric(
        "watchkeeper_compared_prediction_drift_score",
        "gauge",
        (*B, "against", "method"),
        "How far the answers differ from its, by method.",
    ),
)
_M = (*B, "metric", "window", *LABELS)
MEASURED = (
    Metric(VALUE, "gauge", _M, "A figure that a rule in force reads; `open` are the last seconds."),
    Metric(ROWS, "gauge", _M, "How many rows it rests on."),
    Metric(BASELINE, "gauge", _M, "The same figure over the baseline."),
    Metric(EARLIER, "gauge", (*_M, *EXTRA[EARLIER]), "The same figure at the same hour of an earlier day."),
    Metric(LOWER, "gauge", (*_M, *EXTRA[LOWER]), "Its lower bound at the confidence that a rule asks for."),
    Metric(UPPER, "gauge", (*_M, *EXTRA[UPPER]), "Its upper bound at the confidence that a rule asks for."),
)
QUALITY = (
    Metric(
        "watchkeeper_performance_value",
        "gauge",
        (*BV, "metric", "kind", "segment"),
        "Quality of a model by metric; adding over metrics makes no sense.",
    ),
    Metric("watchkeeper_performance_threshold", "gauge", (*B, "metric"), "The agreed limit of a metric."),
    Metric("watchkeeper_performance_baseline", "gauge", (*B, "metric"), "The same metric over the baseline."),
    Metric(
        "watchkeeper_business_kpi_value",
        "gauge",
        (*B, "kpi"),
        "A business figure; adding over figures makes no sense.",
    ),
    Metric("watchkeeper_business_kpi_target", "gauge", (*B, "kpi"), "The target of a business figure."),
)
DAEMON = (
    Metric("watchkeeper_build", "info", ("version",), "The version of the daemon."),
    Metric("watchkeeper_cycle_duration_seconds", "histogram", (), "How long judging all models took."),
    Metric(
        "watchkeeper_cycle_last_success_timestamp_seconds", "gauge", (), "When all models were last judged."
    ),
    Metric("watchkeeper_cycle_interval_seconds", "gauge", (), "How often all models are to be judged."),
    Metric(
        "watchkeeper_rule_evaluations",
        "counter",
        ("outcome",),
        "Rules that were judged, and that could not be.",
    ),
    Metric(
        "watchkeeper_source_watermark_timestamp_seconds",
        "gauge",
        ("source",),
        "Time of the newest record of a source.",
    ),
    Metric("watchkeeper_source_rows", "counter", ("source",), "Records that a source delivered."),
    Metric(
        "watchkeeper_source_errors",
        "counter",
        ("source", "reason"),
        "Records that a source delivered and that were refused, and requests that could not be read.",
    ),
    Metric("watchkeeper_notifications", "counter", ("channel", "outcome"), "Attempts to notify, by outcome."),
    Metric(
        "watchkeeper_notification_queue_length",
        "gauge",
        ("channel",),
        "Notifications that wait in the outbox.",
    ),
    Metric(
        "watchkeeper_digest_last_success_timestamp_seconds",
        "gauge",
        ("digest",),
        "When a digest last went out.",
    ),
    Metric(
        "watchkeeper_config_last_reload_successful",
        "gauge",
        (),
        "Whether the last reload of the configuration was taken.",
    ),
    Metric("watchkeeper_store_size_bytes", "gauge", (), "Size of the database."),
    Metric("watchkeeper_http_requests", "counter", ("handler", "code"), "Requests that were answered."),
    Metric("watchkeeper_metric_series_dropped", "counter", ("metric",), "Series that the limits left out."),
)
EXPORTED = (*MODEL, *TRAFFIC, *DRIFT, *COMPARED, *MEASURED, *QUALITY, *DAEMON)
BY_NAME = {metric.name: metric for metric in EXPORTED}

"""Every metric that `/metrics` can carry. Docs, rules and dashboards are checked against this list."""

from dataclasses import dataclass
from typing import Literal

B = ("client", "environment", "model")
BV = (*B, "version")


@dataclass(frozen=True, slots=True)
class Exported:
    """One metric. `name` is without `_total`, `_bucket` and the like, as the exposition format wants it."""

    name: str
    kind: Literal["gauge", "counter", "histogram", "info"]
    labels: tuple[str, ...]
    help: str


MODEL = (
    Exported(
        "watchkeeper_model", "info", (*BV, "owner", "task"), "A model that is watched, one series a version."
    ),
    Exported(
        "watchkeeper_model_deployed_timestamp_seconds",
        "gauge",
        BV,
        "When a version answered for the first time.",
    ),
    Exported(
        "watchkeeper_model_state",
        "gauge",
        B,
        "Worst state of the model: 0 ok, 1 waiting for data, 2 warning, 3 critical.",
    ),
    Exported(
        "watchkeeper_rule_state",
        "gauge",
        (*B, "rule", "severity"),
        "State of a rule: 0 ok, 1 cannot be judged, 2 warning or info firing, 3 critical firing.",
    ),
    Exported(
        "watchkeeper_rule_transitions",
        "counter",
        (*B, "rule", "to"),
        "Changes of state of a rule that are kept in the store.",
    ),
    Exported("watchkeeper_alerts_active", "gauge", (*B, "severity"), "Alerts that fire."),
)
TRAFFIC = (
    Exported("watchkeeper_predictions", "counter", BV, "Predictions counted since the daemon started."),
    Exported(
        "watchkeeper_prediction_errors",
        "counter",
        (*BV, "reason"),
        "Predictions that ended in an error, since the daemon started.",
    ),
    Exported(
        "watchkeeper_prediction_duration_seconds",
        "histogram",
        BV,
        "How long predictions took, from the counts of the profiles.",
    ),
    Exported(
        "watchkeeper_prediction_score",
        "histogram",
        B,
        "How sure the model was of its answers (0 to 1), from the counts of the profiles.",
    ),
    Exported(
        "watchkeeper_prediction_last_received_timestamp_seconds",
        "gauge",
        B,
        "When a prediction last came in.",
    ),
    Exported(
        "watchkeeper_outcomes",
        "counter",
        (*B, "state"),
        "Outcomes that came in, and what became of them: received, matched, repeated, unmatched.",
    ),
    Exported(
        "watchkeeper_outcomes_waiting",
        "gauge",
        B,
        "Outcomes that came in and wait for their prediction.",
    ),
    Exported(
        "watchkeeper_availability_ratio",
        "gauge",
        B,
        "Share of the health probes of the last two minutes that were answered well.",
    ),
    Exported(
        "watchkeeper_label_coverage_ratio",
        "gauge",
        B,
        "Share of the predictions of the last window whose truth is known.",
    ),
)
DRIFT = (
    Exported(
        "watchkeeper_feature_drift_score",
        "gauge",
        (*BV, "feature", "method"),
        "How far a feature differs from the baseline, by method.",
    ),
    Exported(
        "watchkeeper_feature_drift_threshold", "gauge", (*B, "feature", "method"), "The limit of that score."
    ),
    Exported(
        "watchkeeper_feature_state",
        "gauge",
        (*B, "feature"),
        "State of a feature: 0 as it was, 1 cannot be judged, 2 drifted.",
    ),
    Exported(
        "watchkeeper_feature_missing_ratio",
        "gauge",
        (*B, "feature"),
        "Share of predictions in which a feature is missing.",
    ),
    Exported(
        "watchkeeper_feature_schema_change",
        "gauge",
        (*B, "feature", "change"),
        "1 where a feature was added, has vanished, changed its type, or is filled and was empty in the baseline.",
    ),
    Exported(
        "watchkeeper_schema_changes",
        "gauge",
        (*B, "change"),
        "How many features were added, have vanished, changed their type, or are filled and were empty.",
    ),
    Exported(
        "watchkeeper_drifted_features_ratio",
        "gauge",
        B,
        "Share of features that differ from the baseline beyond chance.",
    ),
    Exported(
        "watchkeeper_prediction_drift_score",
        "gauge",
        (*BV, "method"),
        "How far the answers differ from the baseline, by method.",
    ),
)
COMPARED = (
    Exported(
        "watchkeeper_compared_value",
        "gauge",
        (*B, "against", "metric"),
        "A figure of what the model is compared with: the same hours of past weeks (season), or the version before.",
    ),
    Exported(
        "watchkeeper_compared_drifted_features_ratio",
        "gauge",
        (*B, "against"),
        "Share of features that differ from it beyond chance.",
    ),
    Exported(
        "watchkeeper_compared_prediction_drift_score",
        "gauge",
        (*B, "against", "method"),
        "How far the answers differ from its, by method.",
    ),
)
QUALITY = (
    Exported(
        "watchkeeper_performance_value",
        "gauge",
        (*BV, "metric", "kind", "segment"),
        "Quality of a model by metric; adding over metrics makes no sense.",
    ),
    Exported("watchkeeper_performance_threshold", "gauge", (*B, "metric"), "The agreed limit of a metric."),
    Exported(
        "watchkeeper_performance_baseline", "gauge", (*B, "metric"), "The same metric over the baseline."
    ),
    Exported(
        "watchkeeper_business_kpi_value",
        "gauge",
        (*B, "kpi"),
        "A business figure; adding over figures makes no sense.",
    ),
    Exported("watchkeeper_business_kpi_target", "gauge", (*B, "kpi"), "The target of a business figure."),
)
DAEMON = (
    Exported("watchkeeper_build", "info", ("version",), "The version of the daemon."),
    Exported("watchkeeper_cycle_duration_seconds", "histogram", (), "How long judging all models took."),
    Exported(
        "watchkeeper_cycle_last_success_timestamp_seconds", "gauge", (), "When all models were last judged."
    ),
    Exported("watchkeeper_cycle_interval_seconds", "gauge", (), "How often all models are to be judged."),
    Exported(
        "watchkeeper_rule_evaluations",
        "counter",
        ("outcome",),
        "Rules that were judged, and that could not be.",
    ),
    Exported(
        "watchkeeper_source_watermark_timestamp_seconds",
        "gauge",
        ("source",),
        "Time of the newest record of a source.",
    ),
    Exported("watchkeeper_source_rows", "counter", ("source",), "Records that a source delivered."),
    Exported(
        "watchkeeper_source_errors",
        "counter",
        ("source", "reason"),
        "Records that a source delivered and that were refused, and requests that could not be read.",
    ),
    Exported(
        "watchkeeper_notifications", "counter", ("channel", "outcome"), "Attempts to notify, by outcome."
    ),
    Exported(
        "watchkeeper_notification_queue_length",
        "gauge",
        ("channel",),
        "Notifications that wait in the outbox.",
    ),
    Exported(
        "watchkeeper_digest_last_success_timestamp_seconds",
        "gauge",
        ("digest",),
        "When a digest last went out.",
    ),
    Exported(
        "watchkeeper_config_last_reload_successful",
        "gauge",
        (),
        "Whether the last reload of the configuration was taken.",
    ),
    Exported("watchkeeper_store_size_bytes", "gauge", (), "Size of the database."),
    Exported("watchkeeper_http_requests", "counter", ("handler", "code"), "Requests that were answered."),
    Exported("watchkeeper_metric_series_dropped", "counter", ("metric",), "Series that the limits left out."),
)
EXPORTED = (*MODEL, *TRAFFIC, *DRIFT, *COMPARED, *QUALITY, *DAEMON)
BY_NAME = {exported.name: exported for exported in EXPORTED}

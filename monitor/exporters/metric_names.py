"""All metrics of `/metrics`. Docs, rules and dashboards are tested against this list."""

from monitor.exporters.samples import Metric
from monitor.rules.exports.exposed import BASELINE, EARLIER, EXTRA, LABELS, LOWER, ROWS, UPPER, VALUE

B = ("client", "environment", "model")
BV = (*B, "version")


MODEL = (
    Metric("watchkeeper_model", "info", (*BV, "owner", "task"), "A monitored model, one series per version."),
    Metric(
        "watchkeeper_model_deployed_timestamp_seconds",
        "gauge",
        BV,
        "Time of the first prediction of a version.",
    ),
    Metric(
        "watchkeeper_model_release_timestamp_seconds",
        "gauge",
        (*BV, "released_by"),
        "Time of a recorded release. A client's key does not see who released it.",
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
        "State of a rule: 0 ok, 1 cannot be evaluated, 2 warning or info firing, 3 critical firing.",
    ),
    Metric(
        "watchkeeper_rule_transitions",
        "counter",
        (*B, "rule", "to"),
        "State changes of a rule in the store.",
    ),
    Metric("watchkeeper_alerts_active", "gauge", (*B, "severity"), "Firing alerts."),
)
TRAFFIC = (
    Metric("watchkeeper_predictions", "counter", BV, "Predictions counted since the daemon started."),
    Metric(
        "watchkeeper_prediction_errors",
        "counter",
        (*BV, "reason"),
        "Predictions that failed, since the daemon started.",
    ),
    Metric(
        "watchkeeper_prediction_duration_seconds",
        "histogram",
        BV,
        "Latency of predictions, from the counts of the profiles.",
    ),
    Metric(
        "watchkeeper_prediction_score",
        "histogram",
        B,
        "Confidence of predictions (0 to 1), from the counts of the profiles.",
    ),
    Metric(
        "watchkeeper_prediction_last_received_timestamp_seconds",
        "gauge",
        B,
        "Time at which the last prediction was received.",
    ),
    Metric(
        "watchkeeper_outcomes",
        "counter",
        (*B, "state"),
        "Outcomes by result: received, matched, repeated, unmatched.",
    ),
    Metric(
        "watchkeeper_outcomes_waiting",
        "gauge",
        B,
        "Outcomes that wait for their prediction.",
    ),
    Metric(
        "watchkeeper_availability_ratio",
        "gauge",
        B,
        "Share of successful health probes in the last two minutes.",
    ),
    Metric(
        "watchkeeper_sampled_ratio",
        "gauge",
        B,
        "Share of the calls that is captured, if that is not all: counters are those of the sample.",
    ),
    Metric(
        "watchkeeper_label_coverage_ratio",
        "gauge",
        B,
        "Share of the predictions of the last hour with a known truth.",
    ),
)
DRIFT = (
    Metric(
        "watchkeeper_feature_drift_score",
        "gauge",
        (*BV, "feature", "method"),
        "Distance of a feature from the baseline, by method.",
    ),
    Metric(
        "watchkeeper_feature_drift_threshold", "gauge", (*B, "feature", "method"), "The limit of that score."
    ),
    Metric(
        "watchkeeper_feature_state",
        "gauge",
        (*B, "feature"),
        "State of a feature: 0 unchanged, 1 cannot be evaluated, 2 drifted.",
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
        "1 if a feature was added, vanished, changed its type or notation, or has values and had none.",
    ),
    Metric(
        "watchkeeper_schema_changes",
        "gauge",
        (*B, "change"),
        "Number of features that were added, vanished, changed their type or notation, or have values and had none.",
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
        "Distance of the predictions from the baseline, by method.",
    ),
)
COMPARED = (
    Metric(
        "watchkeeper_compared_value",
        "gauge",
        (*B, "against", "metric"),
        "A metric of a further baseline: the same hour of past weeks (season), or the previous version.",
    ),
    Metric(
        "watchkeeper_compared_drifted_features_ratio",
        "gauge",
        (*B, "against"),
        "Share of features that differ from a further baseline beyond chance.",
    ),
    Metric(
        "watchkeeper_compared_prediction_drift_score",
        "gauge",
        (*B, "against", "method"),
        "Distance of the predictions from a further baseline, by method.",
    ),
)
_M = (*B, "metric", "window", *LABELS)
MEASURED = (
    Metric(VALUE, "gauge", _M, "A metric that an active rule reads; `open` are the last seconds."),
    Metric(ROWS, "gauge", _M, "Number of rows behind the measurement."),
    Metric(BASELINE, "gauge", _M, "The baseline's value of the metric."),
    Metric(EARLIER, "gauge", (*_M, *EXTRA[EARLIER]), "The value at the same hour of an earlier day."),
    Metric(
        LOWER,
        "gauge",
        (*_M, *EXTRA[LOWER]),
        "Lower bound of the value at the confidence that a rule requires.",
    ),
    Metric(
        UPPER,
        "gauge",
        (*_M, *EXTRA[UPPER]),
        "Upper bound of the value at the confidence that a rule requires.",
    ),
)
QUALITY = (
    Metric(
        "watchkeeper_performance_value",
        "gauge",
        (*BV, "metric", "kind", "segment"),
        "Quality of a model by metric. Do not sum over metrics.",
    ),
    Metric(
        "watchkeeper_performance_part_value",
        "gauge",
        (*B, "metric", "part"),
        "Quality of one output, horizon, label or tool, such as `output=width`, over all rows.",
    ),
    Metric("watchkeeper_performance_threshold", "gauge", (*B, "metric"), "The agreed limit of a metric."),
    Metric(
        "watchkeeper_performance_baseline", "gauge", (*B, "metric"), "The baseline's value of the metric."
    ),
    Metric(
        "watchkeeper_business_kpi_value",
        "gauge",
        (*B, "kpi"),
        "A business metric, also of your own. Do not sum over metrics.",
    ),
    Metric("watchkeeper_business_kpi_target", "gauge", (*B, "kpi"), "The target of a business metric."),
)
DAEMON = (
    Metric("watchkeeper_build", "info", ("version",), "The version of the daemon."),
    Metric(
        "watchkeeper_cycle_duration_seconds", "histogram", (), "Duration of the evaluation of all models."
    ),
    Metric(
        "watchkeeper_cycle_last_success_timestamp_seconds",
        "gauge",
        (),
        "Time of the last complete evaluation of all models.",
    ),
    Metric("watchkeeper_cycle_interval_seconds", "gauge", (), "Interval between evaluations."),
    Metric(
        "watchkeeper_cycle_worker_up",
        "gauge",
        ("worker",),
        "1 if the worker process runs and answers in time. Only with several workers.",
    ),
    Metric("watchkeeper_cycle_worker_streams", "gauge", ("worker",), "Models that the worker evaluates."),
    Metric(
        "watchkeeper_cycle_worker_duration_seconds",
        "gauge",
        ("worker",),
        "Duration of the worker's last evaluation of its models.",
    ),
    Metric(
        "watchkeeper_rule_evaluations",
        "counter",
        ("outcome",),
        "Evaluations of rules by outcome.",
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
        "Rejected records of a source, and unreadable requests.",
    ),
    Metric(
        "watchkeeper_notifications",
        "counter",
        ("channel", "outcome"),
        "Attempts to send notifications, by outcome.",
    ),
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
        "Time at which the last digest was sent.",
    ),
    Metric(
        "watchkeeper_config_last_reload_successful",
        "gauge",
        (),
        "1 if the last reload of the configuration succeeded, else 0.",
    ),
    Metric("watchkeeper_store_size_bytes", "gauge", (), "Size of the database."),
    Metric("watchkeeper_http_requests", "counter", ("handler", "code"), "HTTP requests."),
    Metric(
        "watchkeeper_metric_series_dropped",
        "counter",
        ("metric",),
        "Series that were dropped because of the limits.",
    ),
    Metric(
        "watchkeeper_exporter_points",
        "counter",
        ("exporter", "outcome"),
        "Points of an exporter: sent, refused by the other side, or dropped.",
    ),
    Metric("watchkeeper_exporter_queue_length", "gauge", ("exporter",), "Points that wait to be exported."),
    Metric(
        "watchkeeper_exporter_last_success_timestamp_seconds",
        "gauge",
        ("exporter",),
        "Time at which an exporter last sent points; 0 if it never has.",
    ),
)
GAUGES = (
    Metric(
        "watchkeeper_gauge_value",
        "gauge",
        (*B, "gauge", "resource", "metric"),
        "A figure of a gauge: a resource, a queue, a model server.",
    ),
)
ANSWERS = (
    Metric(
        "watchkeeper_signal_ratio",
        "gauge",
        (*B, "version", "signal"),
        "Share of the calls of a language model for which a signal is true.",
    ),
    Metric(
        "watchkeeper_signal_mean",
        "gauge",
        (*B, "version", "signal"),
        "Mean of a signal of calls, of their tokens or of their time to the first token.",
    ),
    Metric(
        "watchkeeper_tokens_per_second",
        "gauge",
        (*B, "version"),
        "Tokens of inputs and answers per second.",
    ),
    Metric(
        "watchkeeper_judge_agreement_ratio",
        "gauge",
        (*B, "score", "evaluator"),
        "Agreement of the scores of an evaluator with people.",
    ),
)
EXPORTED = (*MODEL, *TRAFFIC, *DRIFT, *COMPARED, *MEASURED, *QUALITY, *ANSWERS, *GAUGES, *DAEMON)
BY_NAME = {metric.name: metric for metric in EXPORTED}

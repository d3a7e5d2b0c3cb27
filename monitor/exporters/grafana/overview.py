"""The dashboard for engineers on call: models with problems, and the health of the daemon."""

from monitor.exporters.grafana.panels import RATE, Dashboard, J, Panel, PanelRow, Query, S, daemons

FAILED = daemons('outcome="failed"')
ERRORS = daemons('outcome="error"')

NOW = PanelRow(
    "Now",
    (
        Panel(
            "Models critical",
            "Models with at least one critical alert firing. Critical alerts page the engineer on call.",
            "stat",
            "none",
            4,
            4,
            (Query(f"count(watchkeeper_model_state{S} == 3) or vector(0)"),),
            steps=((None, "ok"), (1, "critical")),
        ),
        Panel(
            "Models warning",
            "Models with a warning and nothing worse.",
            "stat",
            "none",
            4,
            4,
            (Query(f"count(watchkeeper_model_state{S} == 2) or vector(0)"),),
            steps=((None, "ok"), (1, "warning")),
        ),
        Panel(
            "Models without fresh data",
            "Models that cannot be evaluated, because no data arrives. They do not count as well.",
            "stat",
            "none",
            4,
            4,
            (Query(f"count(watchkeeper_model_state{S} == 1) or vector(0)"),),
            steps=((None, "ok"), (1, "unknown")),
        ),
        Panel(
            "Last complete cycle",
            "Time since the last complete evaluation of all models. Above three intervals, the daemon is stalled.",
            "stat",
            "s",
            4,
            4,
            (Query(f"time() - max(watchkeeper_cycle_last_success_timestamp_seconds{J})"),),
            steps=((None, "ok"), (120, "warning"), (180, "critical")),
            empty="never",
        ),
        Panel(
            "Configuration valid",
            "Whether the last reload of the configuration succeeded. If not, the previous one is still active.",
            "stat",
            "bool_yes_no",
            4,
            4,
            (Query(f"min(watchkeeper_config_last_reload_successful{J})"),),
            look="yesno",
            empty="unknown",
        ),
        Panel(
            "Notifications failed, 1 h",
            "Notifications that a channel rejected permanently in the last hour.",
            "stat",
            "none",
            4,
            4,
            (Query(f"sum(increase(watchkeeper_notifications_total{FAILED}[1h])) or vector(0)"),),
            steps=((None, "ok"), (1, "critical")),
        ),
    ),
)

MODELS = PanelRow(
    "Models",
    (
        Panel(
            "Model state",
            "Worst state of each model's rules over time.",
            "statetimeline",
            "none",
            24,
            8,
            (
                Query(
                    f"max by (client, environment, model) (watchkeeper_model_state{S})",
                    "{{client}} / {{model}}",
                ),
            ),
            look="state",
            empty="No model has sent data yet",
        ),
        Panel(
            "Rules not ok",
            "Rules that fire or cannot be evaluated, the worst first. A rule's name leads to its runbook.",
            "table",
            "none",
            24,
            8,
            (
                Query(
                    f"sort_desc(max by (client, environment, model, rule, severity) (watchkeeper_rule_state{S}) > 0)",
                    table=True,
                ),
            ),
            look="state",
            empty="All rules are ok",
            runbook=True,
        ),
    ),
)

TRAFFIC = PanelRow(
    "Traffic",
    (
        Panel(
            "Predictions a second",
            "Answers of each model, by arrival.",
            "timeseries",
            "reqps",
            8,
            7,
            (
                Query(
                    f"sum by (client, model) (rate(watchkeeper_predictions_total{S}[{RATE}]))",
                    "{{client}} / {{model}}",
                ),
            ),
            least=0,
        ),
        Panel(
            "Error ratio",
            "Share of requests that ended in an error.",
            "timeseries",
            "percentunit",
            8,
            7,
            (
                Query(
                    f"sum by (client, model) (rate(watchkeeper_prediction_errors_total{S}[{RATE}]))"
                    f" / sum by (client, model) (rate(watchkeeper_predictions_total{S}[{RATE}]))",
                    "{{client}} / {{model}}",
                ),
            ),
            least=0,
        ),
        Panel(
            "Latency, 95th percentile",
            "95 of 100 answers come at least this fast. Dots are single predictions with a trace.",
            "timeseries",
            "s",
            8,
            7,
            (
                Query(
                    "histogram_quantile(0.95, sum by (le, client, model) "
                    f"(rate(watchkeeper_prediction_duration_seconds_bucket{S}[{RATE}])))",
                    "{{client}} / {{model}}",
                    exemplars=True,
                ),
            ),
            least=0,
        ),
    ),
    closed=True,
)

DAEMON = PanelRow(
    "Daemon",
    (
        Panel(
            "Cycle time against its interval",
            "99 of 100 cycles take at most this long. Above the interval, the daemon falls behind.",
            "timeseries",
            "s",
            8,
            7,
            (
                Query(
                    "histogram_quantile(0.99, sum by (le)"
                    f" (rate(watchkeeper_cycle_duration_seconds_bucket{J}[{RATE}])))",
                    "99th percentile",
                ),
                Query(f"max(watchkeeper_cycle_interval_seconds{J})", "interval", style="limit"),
            ),
            least=0,
        ),
        Panel(
            "Source lag",
            "How far the newest record of each source lies behind the clock.",
            "timeseries",
            "s",
            8,
            7,
            (
                Query(
                    f"time() - max by (source) (watchkeeper_source_watermark_timestamp_seconds{J})",
                    "{{source}}",
                ),
            ),
            empty="No source has delivered yet",
        ),
        Panel(
            "Failures a second",
            "Rules that could not be evaluated, and records that a source could not deliver.",
            "timeseries",
            "ops",
            8,
            7,
            (
                Query(f"sum(rate(watchkeeper_rule_evaluations_total{ERRORS}[{RATE}]))", "rules"),
                Query(
                    f"sum by (source, reason) (rate(watchkeeper_source_errors_total{J}[{RATE}]))",
                    "{{source}} {{reason}}",
                ),
            ),
            least=0,
        ),
        Panel(
            "Notifications waiting",
            "Notifications in the outbox that are not sent.",
            "timeseries",
            "none",
            8,
            7,
            (Query(f"sum by (channel) (watchkeeper_notification_queue_length{J})", "{{channel}}"),),
            least=0,
        ),
        Panel(
            "Store",
            "Size of the database.",
            "timeseries",
            "bytes",
            8,
            7,
            (Query(f"max(watchkeeper_store_size_bytes{J})", "database"),),
            least=0,
        ),
        Panel(
            "Series left out",
            "Series that the limits of /metrics left out. Their values are still in the store and on the pages.",
            "timeseries",
            "ops",
            8,
            7,
            (
                Query(
                    f"sum by (metric) (rate(watchkeeper_metric_series_dropped_total{J}[{RATE}]))",
                    "{{metric}}",
                ),
            ),
            least=0,
        ),
    ),
    closed=True,
)

DASHBOARD = Dashboard(
    "watchkeeper-overview",
    "Watchkeeper / Overview",
    "Who is broken now, and whether the daemon itself is well.",
    (NOW, MODELS, TRAFFIC, DAEMON),
)

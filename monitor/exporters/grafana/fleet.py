"""The dashboard of all clients and models: alerts, drift, versions, and the cost of the metrics."""

from monitor.exporters.grafana.panels import RATE, Dashboard, J, Panel, PanelRow, Query, S

BY = "by (client, environment)"

CLIENTS = PanelRow(
    "Clients",
    (
        Panel(
            "Clients by worst state",
            "One line a client: its worst model, its models in trouble, its traffic.",
            "table",
            "none",
            14,
            9,
            (
                Query(f"max {BY} (watchkeeper_model_state{S})", table=True),
                Query(f"count {BY} (watchkeeper_model_state{S} >= 2)", table=True),
                Query(f"count {BY} (watchkeeper_model_state{S})", table=True),
                Query(f"sum {BY} (rate(watchkeeper_predictions_total{S}[5m]))", table=True),
            ),
            columns=(
                ("Value #A", "Worst state"),
                ("Value #B", "Models in trouble"),
                ("Value #C", "Models"),
                ("Value #D", "Predictions a second"),
            ),
            look="state",
            empty="No client yet",
        ),
        Panel(
            "Models by state",
            "How many models are in each state.",
            "timeseries",
            "none",
            10,
            9,
            (Query(f'count_values by () ("state", watchkeeper_model_state{S})', "{{state}}"),),
            look="state",
            stacked=True,
            least=0,
            empty="No model yet",
        ),
    ),
)

TROUBLE = PanelRow(
    "Trouble",
    (
        Panel(
            "Alerts firing",
            "Alerts that fire, by client and severity.",
            "timeseries",
            "none",
            8,
            8,
            (Query(f"sum by (client, severity) (watchkeeper_alerts_active{S})", "{{client}} {{severity}}"),),
            stacked=True,
            least=0,
        ),
        Panel(
            "Most drift",
            "Models with the largest share of drifted inputs.",
            "bargauge",
            "percentunit",
            8,
            8,
            (
                Query(
                    f"topk(15, max by (client, model) (watchkeeper_drifted_features_ratio{S}))",
                    "{{client}} / {{model}}",
                ),
            ),
            steps=((None, "ok"), (0.2, "warning"), (0.5, "critical")),
            least=0,
            most=1,
            empty="No baseline",
        ),
        Panel(
            "Most unstable rules, 7 days",
            "Rules that changed state most often: candidates for a better limit.",
            "table",
            "none",
            8,
            8,
            (
                Query(
                    f"topk(15, sum by (client, model, rule) (increase(watchkeeper_rule_transitions_total{S}[7d])))",
                    table=True,
                ),
            ),
            empty="No rule changed state",
        ),
    ),
)

SERVING = PanelRow(
    "Serving",
    (
        Panel(
            "Versions serving",
            "Every version that answers, and since when.",
            "table",
            "dateTimeFromNow",
            16,
            9,
            (
                Query(
                    "max by (client, environment, model, version, owner, task) (watchkeeper_model_info"
                    + S
                    + ")"
                    " * on (client, environment, model, version) group_left () "
                    "max by (client, environment, model, version)"
                    f" (watchkeeper_model_deployed_timestamp_seconds{S}) * 1000",
                    table=True,
                ),
            ),
            columns=(("Value", "Since"),),
            empty="No model yet",
        ),
        Panel(
            "Series exported",
            "What the metrics of the daemon cost in Prometheus.",
            "timeseries",
            "none",
            8,
            9,
            (Query(f"sum(scrape_samples_post_metric_relabeling{J})", "series"),),
            least=0,
        ),
    ),
    closed=True,
)

EXPORTERS = PanelRow(
    "Exporters",
    (
        Panel(
            "Points of exporters",
            "Points for other systems a second: sent, refused by the other side, or dropped.",
            "timeseries",
            "none",
            12,
            7,
            (
                Query(
                    f"sum by (exporter, outcome) (rate(watchkeeper_exporter_points_total{J}[{RATE}]))",
                    "{{exporter}} {{outcome}}",
                ),
            ),
            least=0,
            empty="No exporter configured",
        ),
        Panel(
            "Points that wait to be exported",
            "What an exporter could not send yet.",
            "timeseries",
            "none",
            12,
            7,
            (Query(f"max by (exporter) (watchkeeper_exporter_queue_length{J})", "{{exporter}}"),),
            least=0,
            empty="No exporter configured",
        ),
    ),
    closed=True,
)

DASHBOARD = Dashboard(
    "watchkeeper-fleet",
    "Watchkeeper / Fleet",
    "All clients and models at once.",
    (CLIENTS, TROUBLE, SERVING, EXPORTERS),
    span="now-24h",
)

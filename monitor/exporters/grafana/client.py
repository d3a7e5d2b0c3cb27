"""The dashboard for delivery leads: the service of one client. It is no access control: clients use their own page."""

from monitor.exporters.grafana.panels import METRIC, Dashboard, Panel, PanelRow, Query, S, within

NOW = PanelRow(
    "Now",
    (
        Panel(
            "Healthy models",
            "Share of models without warning or critical alert; waiting for data is not healthy.",
            "stat",
            "percentunit",
            6,
            5,
            (Query(f"avg(watchkeeper_model_state{S} == bool 0)"),),
            steps=((None, "critical"), (0.8, "warning"), (1, "ok")),
            least=0,
            most=1,
            empty="No data",
        ),
        Panel(
            "Time within limits, 30 days",
            "Share of the last 30 days without a critical alert.",
            "stat",
            "percentunit",
            6,
            5,
            (Query(f"avg(avg_over_time((watchkeeper_model_state{S} < bool 3)[30d:5m]))"),),
            steps=((None, "critical"), (0.95, "warning"), (0.99, "ok")),
            least=0,
            most=1,
            empty="No data",
        ),
        Panel(
            "Decisions, 24 h",
            "Answers of the models in the last 24 hours.",
            "stat",
            "short",
            6,
            5,
            (Query(f"sum(increase(watchkeeper_predictions_total{S}[24h]))"),),
        ),
        Panel(
            "Against last week",
            "Decisions of the last 24 hours against the same 24 hours a week ago.",
            "stat",
            "percentunit",
            6,
            5,
            (
                Query(
                    f"sum(increase(watchkeeper_predictions_total{S}[24h]))"
                    f" / (sum(increase(watchkeeper_predictions_total{S}[24h] offset 7d)) > 0) - 1"
                ),
            ),
            empty="No data a week ago",
        ),
    ),
)

AGREED = PanelRow(
    "What was agreed",
    (
        Panel(
            "Business figures against target",
            "Figures such as automation or satisfaction, and what was agreed.",
            "timeseries",
            "none",
            12,
            8,
            (
                Query(f"max by (kpi) (watchkeeper_business_kpi_value{S})", "{{kpi}}"),
                Query(f"max by (kpi) (watchkeeper_business_kpi_target{S})", "{{kpi}} target", style="limit"),
            ),
            empty="No figures",
        ),
        Panel(
            "Quality against limit",
            "Quality from the truth, and what was agreed.",
            "timeseries",
            "none",
            12,
            8,
            (
                Query(
                    "min by (model, metric) (watchkeeper_performance_value"
                    + within('kind="realized"', 'segment="all"', 'version=""', METRIC)
                    + ")",
                    "{{model}} {{metric}}",
                ),
                Query(
                    f"max by (model, metric) (watchkeeper_performance_threshold{within(METRIC)})",
                    "{{model}} {{metric}} limit",
                    style="limit",
                ),
            ),
            empty="No truth yet",
        ),
        Panel(
            "Last 30 days",
            "Worst state of each model on each day.",
            "statushistory",
            "none",
            24,
            8,
            (Query(f"max by (model) (max_over_time(watchkeeper_model_state{S}[1d]))", "{{model}}"),),
            look="state",
            empty="No data",
        ),
    ),
)

DASHBOARD = Dashboard(
    "watchkeeper-client",
    "Watchkeeper / Client",
    "What a client has been getting, against what was agreed.",
    (NOW, AGREED),
    span="now-30d",
    with_metric=True,
)

"""The dashboard of one model: state, quality, features, output."""

from monitor.exporters.grafana.capacity import CAPACITY
from monitor.exporters.grafana.forecasts import FORECASTS
from monitor.exporters.grafana.groups import GROUPS, WORST_SEGMENTS
from monitor.exporters.grafana.language_models import ANSWERS
from monitor.exporters.grafana.lists import LISTS
from monitor.exporters.grafana.panels import METRIC, RATE, Dashboard, Panel, PanelRow, Query, S, within

WHOLE = 'segment="all"', 'version=""'
"""Of all rows: the series of versions and segments stand beside these."""
_ATTRIBUTED = within('metric="attribution_ndcg"', 'window="1d"')
ATTRIBUTION_NDCG = f"min(watchkeeper_measurement_value{_ATTRIBUTED})"

VERDICT = PanelRow(
    "Verdict",
    (
        Panel(
            "State",
            "Worst state of the model's rules.",
            "stat",
            "none",
            4,
            5,
            (Query(f"max(watchkeeper_model_state{S})"),),
            look="state",
            empty="No data",
        ),
        Panel(
            "Version, age",
            "How long ago each version answered for the first time.",
            "stat",
            "dtdurations",
            4,
            5,
            (
                Query(
                    f"time() - max by (version) (watchkeeper_model_deployed_timestamp_seconds{S})",
                    "{{version}}",
                ),
            ),
            empty="No version is sent",
        ),
        Panel(
            "Drifted features",
            "Share of the model's inputs that differ from the baseline beyond chance.",
            "gauge",
            "percentunit",
            4,
            5,
            (Query(f"max(watchkeeper_drifted_features_ratio{S})"),),
            steps=((None, "ok"), (0.2, "warning"), (0.5, "critical")),
            least=0,
            most=1,
            empty="No baseline",
        ),
        Panel(
            "Prediction drift",
            "How far the model's answers differ from the baseline, by method.",
            "gauge",
            "none",
            4,
            5,
            (Query(f"max by (method) (watchkeeper_prediction_drift_score{S})", "{{method}}"),),
            steps=((None, "ok"), (0.1, "warning"), (0.25, "critical")),
            least=0,
            most=1,
            empty="No baseline",
        ),
        Panel(
            "Newest prediction",
            "Time since a prediction came in.",
            "stat",
            "s",
            4,
            5,
            (Query(f"time() - max(watchkeeper_prediction_last_received_timestamp_seconds{S})"),),
            steps=((None, "ok"), (300, "warning"), (900, "critical")),
            empty="never",
        ),
        Panel(
            "Label coverage",
            "Share of predictions whose truth has become known.",
            "gauge",
            "percentunit",
            4,
            5,
            (Query(f"min(watchkeeper_label_coverage_ratio{S})"),),
            least=0,
            most=1,
            empty="No truth yet",
        ),
    ),
)


QUALITY = PanelRow(
    "Quality",
    (
        Panel(
            "Quality against limit and baseline",
            "Measured from the truth (solid) and estimated until it is known (dashed).",
            "timeseries",
            "none",
            12,
            8,
            (
                Query(
                    f"max by (metric, kind) (watchkeeper_performance_value{within(*WHOLE, METRIC)})",
                    "{{metric}} {{kind}}",
                ),
                Query(
                    f"max by (metric) (watchkeeper_performance_threshold{within(METRIC)})",
                    "{{metric}} limit",
                    style="limit",
                ),
                Query(
                    f"max by (metric) (watchkeeper_performance_baseline{within(METRIC)})",
                    "{{metric}} baseline",
                    style="baseline",
                ),
            ),
            empty="No truth yet",
        ),
        *WORST_SEGMENTS,
    ),
)

_OF_PARTS = f"max by (metric, part) (watchkeeper_performance_part_value{S})"

PARTS = PanelRow(
    "Outputs, labels, horizons, quantiles and tools",
    (
        Panel(
            "Quality of each part",
            "Of single outputs, labels, horizons, quantiles and tools, over all rows.",
            "timeseries", "none", 14, 9, (Query(_OF_PARTS, "{{metric}} {{part}}"),),
            empty="The model has no parts",
        ),
        Panel(
            "Parts now",
            "The latest figure of each part.",
            "table", "none", 10, 9, (Query(_OF_PARTS, table=True),), empty="The model has no parts",
        ),
    ),
    closed=True,
)  # fmt: skip

FEATURES = PanelRow(
    "Features",
    (
        Panel(
            "Feature state",
            "Whether each input is as it was, the 25 worst.",
            "statetimeline",
            "none",
            24,
            10,
            (Query(f"topk(25, max by (feature) (watchkeeper_feature_state{S}))", "{{feature}}"),),
            look="state",
            empty="No baseline",
        ),
        Panel(
            "Drift as a share of its limit",
            "One is the limit: above it, an input has drifted.",
            "timeseries",
            "none",
            12,
            9,
            (
                Query(
                    f"topk(10, max by (feature, method) (watchkeeper_feature_drift_score{S})"
                    f" / on (feature, method) max by (feature, method) (watchkeeper_feature_drift_threshold{S}))",
                    "{{feature}} {{method}}",
                ),
            ),
            look="limit_one",
            least=0,
            empty="No baseline",
        ),
        Panel(
            "Worst now",
            "The inputs that differ most, with their limit and what is missing.",
            "table",
            "none",
            12,
            9,
            (
                Query(f"topk(20, max by (feature, method) (watchkeeper_feature_drift_score{S}))", table=True),
                Query(f"max by (feature, method) (watchkeeper_feature_drift_threshold{S})", table=True),
                Query(f"max by (feature) (watchkeeper_feature_missing_ratio{S})", table=True),
            ),
            columns=(("Value #A", "Drift"), ("Value #B", "Limit"), ("Value #C", "Missing")),
            empty="No baseline",
        ),
        Panel(
            "Order of features by attribution",
            "Agreement of what the answers rest on with the baseline, over a day: 1 is the same order.",
            "timeseries",
            "none",
            24,
            7,
            (Query(ATTRIBUTION_NDCG, "NDCG"),),
            most=1,
            empty="No attributions",
        ),
        Panel(
            "Changes of the schema",
            "How many inputs came, went, changed their type, or have values and had none.",
            "timeseries",
            "none",
            12,
            7,
            (Query(f"max by (change) (watchkeeper_schema_changes{S})", "{{change}}"),),
            least=0,
            empty="No baseline",
        ),
        Panel(
            "Inputs that came, went or changed their type",
            "Against the baseline. If it is right and here to stay, set a new one.",
            "table",
            "none",
            12,
            7,
            (Query(f"max by (feature, change) (watchkeeper_feature_schema_change{S})", table=True),),
            columns=(("Value", "Changed"),),
            empty="None",
        ),
        Panel(
            "Expectations that are not met",
            "Over the last hour, by severity (tier). Rows that violate them are on the engineers' page.",
            "table",
            "none",
            24,
            7,
            (
                Query(
                    "sort_desc(max by (column, expectation, tier) (watchkeeper_measurement_value"
                    + within('metric="expectation_failed"', 'window="1h"')
                    + ") > 0)",
                    table=True,
                ),
            ),
            columns=(("Value", "Not met"),),
            empty="None",
        ),
    ),
    closed=True,
)

COMPARED = PanelRow(
    "Season and version before",
    (
        Panel(
            "Drifted features beside season and version before",
            "Share of the inputs that differ from the same hours of past weeks, and from the version before.",
            "timeseries",
            "percentunit",
            8,
            8,
            (
                Query(
                    f"max by (against) (watchkeeper_compared_drifted_features_ratio{S})",
                    "against {{against}}",
                ),
                Query(
                    f"max(watchkeeper_drifted_features_ratio{S})", "against the baseline", style="baseline"
                ),
            ),
            least=0,
            most=1,
            empty="Not configured",
        ),
        Panel(
            "Answers beside season and version before",
            "How far the answers differ from those of the same hours of past weeks, and of the version before.",
            "timeseries",
            "none",
            8,
            8,
            (
                Query(
                    f"max by (against, method) (watchkeeper_compared_prediction_drift_score{S})",
                    "{{method}} against {{against}}",
                ),
            ),
            least=0,
            empty="Not configured",
        ),
        Panel(
            "Figures of season and version before",
            "What the same hours of past weeks, and the version before, had.",
            "table",
            "none",
            8,
            8,
            (Query(f"max by (metric, against) (watchkeeper_compared_value{S})", table=True),),
            empty="Not configured",
        ),
    ),
    closed=True,
)

OUTPUT = PanelRow(
    "Output",
    (
        Panel(
            "Score distribution",
            "How sure the model was, over time.",
            "heatmap",
            "none",
            12,
            9,
            (
                Query(
                    f"sum by (le) (increase(watchkeeper_prediction_score_bucket{S}[{RATE}]))",
                    "{{le}}",
                    heatmap=True,
                ),
            ),
            empty="No scores",
        ),
        Panel(
            "Latency",
            "Half, 95 and 99 of 100 answers come at least this fast.",
            "timeseries",
            "s",
            12,
            9,
            tuple(
                Query(
                    f"histogram_quantile({quantile}, sum by (le) "
                    f"(rate(watchkeeper_prediction_duration_seconds_bucket{S}[{RATE}])))",
                    name,
                    exemplars=True,
                )
                for quantile, name in (
                    ("0.5", "median"),
                    ("0.95", "95th percentile"),
                    ("0.99", "99th percentile"),
                )
            ),
            least=0,
        ),
        Panel(
            "Outcomes",
            "Truths that came in, by result: received, matched with their prediction, repeated, unmatched.",
            "timeseries",
            "none",
            12,
            7,
            (Query(f"sum by (state) (rate(watchkeeper_outcomes_total{S}[{RATE}]))", "{{state}} a second"),),
            least=0,
        ),
        Panel(
            "Outcomes that wait",
            "Truths whose prediction has not come yet.",
            "timeseries",
            "none",
            12,
            7,
            (Query(f"max(watchkeeper_outcomes_waiting{S})", "waiting"),),
            least=0,
        ),
    ),
    closed=True,
)

DASHBOARD = Dashboard(
    "watchkeeper-model",
    "Watchkeeper / Model",
    "One model: its verdict, its quality, its features, its output.",
    (VERDICT, QUALITY, PARTS, FEATURES, COMPARED, OUTPUT, FORECASTS, LISTS, GROUPS, ANSWERS, CAPACITY),
    span="now-24h",
    one_model=True,
    with_metric=True,
)

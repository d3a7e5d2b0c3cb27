"""Lists of items, such as recommendations: how good they are, and what they show."""

from monitor.exporters.grafana.panels import Panel, PanelRow, Query, within

_EMPTY = "No lists"
_ALL = ('kind="realized"', 'segment="all"', 'version=""')


def _by_metric(metrics: str) -> tuple[Query, ...]:
    matched = within(f'metric=~"{metrics}"', *_ALL)
    return (Query(f"max by (metric) (watchkeeper_performance_value{matched})", "{{metric}}"),)


LISTS = PanelRow(
    "Lists",
    (
        Panel(
            "Quality of lists",
            "By the items that were chosen: lists with a hit, and the order (NDCG), among the first k.",
            "timeseries", "percentunit", 12, 8, _by_metric("hit_rate_at_k|ndcg_at_k"), empty=_EMPTY,
        ),
        Panel(
            "What lists show",
            "Items that the baseline did not show, distance from what it showed, and how popular items are.",
            "timeseries", "percentunit", 12, 8,
            _by_metric("unseen_items|list_drift|average_popularity|catalogue_coverage"), empty=_EMPTY,
        ),
    ),
    closed=True,
)  # fmt: skip

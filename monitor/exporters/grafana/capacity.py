"""The resources, queues and servers of one model."""

from monitor.exporters.grafana.panels import Panel, PanelRow, Query, S

_PLACE = "by (gauge, resource)"
_LEGEND = "{{resource}} {{gauge}}"


def _figure(metric: str) -> str:
    return f'max {_PLACE} (watchkeeper_gauge_value{S[:-1]}, metric="{metric}"{S[-1]})'


CAPACITY = PanelRow(
    "Capacity",
    (
        Panel(
            "Used resources",
            "Used part of each limited resource: CPU, memory, disks, GPU, caches.",
            "timeseries",
            "percentunit",
            8,
            8,
            (Query(_figure("resource_used_share"), _LEGEND),),
            least=0,
            most=1,
            empty="No gauges",
        ),
        Panel(
            "Waiting messages and requests",
            "Depth of each queue.",
            "timeseries",
            "none",
            8,
            8,
            (Query(_figure("queue_depth"), _LEGEND),),
            least=0,
            empty="No queues",
        ),
        Panel(
            "Oldest message",
            "Age of the oldest message in each queue.",
            "timeseries",
            "s",
            8,
            8,
            (Query(_figure("queue_age_seconds"), _LEGEND),),
            least=0,
            empty="No queues",
        ),
    ),
    closed=True,
)

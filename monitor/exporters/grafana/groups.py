"""Groups of people: how each is answered beside its reference group. What the rules on groups read."""

from monitor.exporters.grafana.panels import Panel, Query, Row, S


def _of(metric: str, title: str, about: str) -> Panel:
    where = f'{S[:-1]}, metric="{metric}", window="1d"{S[-1]}'
    figure = f"max by (group) (watchkeeper_measurement_value{where})"
    return Panel(
        title, about, "timeseries", "none", 12, 8, (Query(figure, "{{group}}"),), empty="No groups configured",
    )  # fmt: skip


GROUPS = Row(
    "Groups of people",
    (
        _of(
            "disparate_impact",
            "Disparate impact",
            "Selection rate of each group, relative to the reference group, over a day.",
        ),
        _of(
            "equal_opportunity_difference",
            "Equal opportunity",
            "True positive rate of each group minus that of the reference group, over a day.",
        ),
    ),
    closed=True,
)

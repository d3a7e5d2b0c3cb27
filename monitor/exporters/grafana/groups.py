"""Groups of people, each beside its reference group, as the rules on groups read them; and the worst segments."""

from monitor.exporters.grafana.panels import METRIC, Panel, PanelRow, Query, S, within
from monitor.exporters.model_samples import QUALITY
from monitor.metrics import METRICS
from monitor.records import Better


def _of(metric: str, title: str, about: str) -> Panel:
    where = f'{S[:-1]}, metric="{metric}", window="1d"{S[-1]}'
    figure = f"max by (group) (watchkeeper_measurement_value{where})"
    return Panel(
        title, about, "timeseries", "none", 12, 8, (Query(figure, "{{group}}"),), empty="No groups configured",
    )  # fmt: skip


GROUPS = PanelRow(
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


def _of_segments(match: str) -> str:
    """The series of segments, by whether (`=~`) their metric is better if it is lower, or not (`!~`)."""
    lower = "|".join(
        sorted(one.name for one in METRICS if one.name in QUALITY and one.better is Better.LOWER)
    )
    matchers = within('kind="realized"', 'segment!="all"', METRIC, f'{match}"{lower}"')
    return f"watchkeeper_performance_value{matchers}"


WORST_SEGMENTS = (
    Panel(
        "Lowest figures",
        "Segments with the lowest figures, except for metrics that are better if they are lower.",
        "table", "none", 6, 8,
        (Query(f"bottomk(10, min by (segment, metric) ({_of_segments('metric!~')}))", table=True),),
        empty="No segments",
    ),
    Panel(
        "Largest errors",
        "Segments with the highest figures of metrics that are better if they are lower.",
        "table", "none", 6, 8,
        (Query(f"topk(10, max by (segment, metric) ({_of_segments('metric=~')}))", table=True),),
        empty="No segments",
    ),
)  # fmt: skip
